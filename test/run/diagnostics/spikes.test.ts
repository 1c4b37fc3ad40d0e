import test from 'ava';
import { Random } from '../../../src/random.ts';
import { createSpikeMarks } from '../../../src/run/diagnostics/spikes.ts';

const clean = (grad_norm: number | null) => ({ grad_norm, gr_grad_norm: null });

/** Norms of a healthy run: log-normal about a slow trend. */
const healthy = (steps: number, spread = 0.2, seed = 0): number[] => {
  const random = new Random(seed, 'sample');
  return Array.from({ length: steps }, (_, i) => Math.exp(1 - i / 2000 + spread * random.normal()));
};

test('a healthy run has no spikes, and a norm ten times the usual is one', (t) => {
  const mark = createSpikeMarks();
  const norms = healthy(1000);
  const found = norms.map((norm, step) => mark(clean(step === 500 ? 10 * norm : norm)));
  t.deepEqual(
    found.flatMap((factor, step) => (factor === null ? [] : [step])),
    [500],
  );
  t.true(Math.abs((found[500] ?? 0) / 10 - 1) < 0.7);
});

test('what counts as far depends on the spread, but less than twice the median is never a spike', (t) => {
  const after = (spread: number, factor: number) => {
    const mark = createSpikeMarks(healthy(200, spread).map(clean));
    return mark(clean(Math.exp(1 - 0.1) * factor));
  };
  t.is(after(0.01, 1.8), null);
  t.truthy(after(0.01, 2.3));
  t.is(after(0.5, 5), null);
  t.truthy(after(0.5, 60));
  t.is(after(0.2, 0.01), null, 'a small norm is none');
});

test('nothing is a spike before there are 25 steps to compare with', (t) => {
  const mark = createSpikeMarks();
  t.deepEqual(
    healthy(25).map((norm, i) => mark(clean(i % 5 === 4 ? 100 * norm : norm))),
    new Array(25).fill(null),
  );
  t.truthy(mark(clean(1e6)));
});

test('a norm that settles on another level is a spike at first, and then the usual', (t) => {
  const mark = createSpikeMarks(healthy(200).map(clean));
  const found = healthy(100).map((norm) => mark(clean(20 * norm)));
  t.truthy(found[0]);
  t.true(found.slice(60).every((factor) => factor === null));
});

test('the regularized norm is watched by itself, and the larger of two factors is told', (t) => {
  const norms = healthy(100).map((grad_norm) => ({ grad_norm, gr_grad_norm: 3 * grad_norm }));
  const usual = { grad_norm: 2.6, gr_grad_norm: 7.8 };
  t.is(createSpikeMarks(norms)(usual), null);
  const regularized = createSpikeMarks(norms)({ ...usual, gr_grad_norm: 7.8 * 30 }) ?? 0;
  t.true(regularized > 20 && regularized < 45);
  const both = createSpikeMarks(norms)({ grad_norm: 2.6 * 200, gr_grad_norm: 7.8 * 30 }) ?? 0;
  t.true(both > 130 && both < 300);
});

test('a run that goes on marks as one that never stopped', (t) => {
  const norms = healthy(400).map((norm, i) => clean(i % 37 === 36 ? 12 * norm : norm));
  const whole = norms.map(createSpikeMarks());
  t.true(whole.some((factor) => factor !== null));
  const resumed = norms.slice(250).map(createSpikeMarks(norms.slice(0, 250)));
  t.deepEqual(resumed, whole.slice(250));
});

test('what is no number leaves the running spread alone', (t) => {
  const mark = createSpikeMarks(healthy(100).map(clean));
  for (const norm of [Number.NaN, Number.POSITIVE_INFINITY, 0, null]) t.is(mark(clean(norm)), null);
  t.is(mark(clean(2.6)), null);
  t.truthy(mark(clean(100)));
});
