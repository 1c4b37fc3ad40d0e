import test from 'ava';
import { addSums, mean, momentSums, variance } from '../../../src/run/diagnostics/second-moment.ts';
import { rectification } from '../../../src/step/rules/radam.ts';

const close = (a: number | null, b: number) => Math.abs((a ?? Number.NaN) - b) < 1e-6 * Math.abs(b);

test('second moment, adaptive learning rate and its logarithm over the elements', (t) => {
  // v̂ = v/(1 − 0.9²) = 4, 16, 100 and so ψ = 1/2, 1/4, 1/10.
  const nu = Float32Array.of(4, 16, 100).map((x) => x * 0.19);
  const sums = momentSums(nu, { beta2: 0.9, corrected: true, epsilon: 0 }, 2);
  t.true(close(mean(sums.nu), 40));
  t.true(close(variance(sums.nu), (36 ** 2 + 24 ** 2 + 60 ** 2) / 3));
  t.true(close(mean(sums.rate), 0.85 / 3));
  t.true(close(variance(sums.rate), (0.25 + 0.0625 + 0.01) / 3 - (0.85 / 3) ** 2));
  t.true(close(Math.exp(mean(sums.logRate)), (1 / 80) ** (1 / 3)));
  const plain = momentSums(nu, { beta2: 0.9, corrected: false, epsilon: 1 }, 2);
  t.true(close(mean(plain.nu), 0.19 * 40));
  t.true(
    close(
      mean(plain.rate),
      nu.reduce((sum, v) => sum + 1 / (Math.sqrt(v) + 1) / 3, 0),
    ),
  );
});

test('sums of two arrays are those of both together', (t) => {
  const rule = { beta2: 0.99, corrected: true, epsilon: 1e-8 };
  const nu = Float32Array.from({ length: 9 }, (_, i) => (1 + i) ** 2);
  const whole = momentSums(nu, rule, 3);
  const [a, b] = [momentSums(nu.subarray(0, 4), rule, 3), momentSums(nu.subarray(4), rule, 3)];
  for (const key of ['nu', 'rate', 'logRate'] as const) {
    const both = addSums(a[key], b[key]);
    t.is(both.count, 9);
    t.true(close(mean(both), mean(whole[key])));
    t.true(close(variance(both), variance(whole[key])));
  }
});

test('equal elements have no variance, whatever rounding does', (t) => {
  const { nu, rate } = momentSums(
    new Float32Array(7).fill(0.1),
    { beta2: 0, corrected: false, epsilon: 0 },
    1,
  );
  t.true(variance(nu) >= 0 && variance(nu) < 1e-16);
  t.true(variance(rate) >= 0 && variance(rate) < 1e-14);
});

test("rectification is RAdam's", (t) => {
  // Infinite up to step 4, where ρ is 3.997.
  t.is(rectification(0.999, 4).rectification, null);
  for (const [step, rho, factor] of RADAM) {
    const got = rectification(0.999, step);
    t.true(close(got.rho, rho), `${got.rho}`);
    t.true(close(got.rectification, factor), `${got.rectification}`);
  }
  t.is(rectification(0.5, 1000).rectification, null, 'with so short a memory its variance never settles');
});

/**
 * Step, rho_t and rect as torch/optim/radam.py computes them:
 *
 *     rho_inf = 2 / (1 - 0.999) - 1
 *     rho_t = rho_inf - 2 * t * 0.999**t / (1 - 0.999**t)
 *     rect = ((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t)) ** 0.5
 */
const RADAM: readonly (readonly [number, number, number])[] = [
  [6, 5.99416375, 0.0258211128],
  [100, 98.3329443, 0.215335437],
  [5000, 1931.33409, 0.982877588],
];
