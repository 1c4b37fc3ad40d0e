import test from 'ava';
import fc from 'fast-check';
import { detectable, pairedPower, pairsFor } from '../../../src/report/study/power.ts';

// scipy 1.17:
//   def power(d, n, a):
//       c, nc = stats.t.ppf(1 - a / 2, n - 1), d * np.sqrt(n)
//       return stats.nct.sf(c, n - 1, nc) + stats.nct.cdf(-c, n - 1, nc)
const POWERS: readonly (readonly [d: number, n: number, level: number, power: number])[] = [
  [1, 3, 0.05, 0.1792553937765518],
  [2, 3, 0.05, 0.47074943127843494],
  [3, 2, 0.05, 0.26077071422910975],
  [0.5, 10, 0.05, 0.29317560651407687],
  [1, 5, 0.01, 0.12838794077932023],
  [0.2, 50, 0.05, 0.2835924146674736],
  [0.2, 200, 0.0125, 0.6211648856303073],
  [0, 5, 0.05, 0.05],
];

test("the power of the paired t-test is scipy's, by the noncentral t-distribution", (t) => {
  for (const [d, n, level, power] of POWERS) {
    t.true(Math.abs(pairedPower(d, n, { sd: 1, level }) - power) < 2e-8, `${d}, ${n}, ${level}`);
    // Only the ratio of difference and deviation counts, and not the sign.
    t.true(Math.abs(pairedPower(-3 * d, n, { sd: 3, level }) - power) < 2e-8, `${-3 * d}, ${n}, ${level}`);
  }
});

// statsmodels 0.15: TTestPower().solve_power(nobs=n, alpha=a, power=0.8), and the same with effect_size=d.
test("the smallest difference and the number of pairs are statsmodels'", (t) => {
  for (const [n, level, effect] of [
    [3, 0.05, 3.264043552819638],
    [5, 0.05, 1.6819970833232674],
    [10, 0.0125, 1.2842966050271774],
    [30, 0.05, 0.5292357045238948],
  ] as const)
    t.true(Math.abs((detectable(n, { sd: 2, level }) ?? 0) / (2 * effect) - 1) < 1e-6, `${n}, ${level}`);
  for (const [d, level, pairs] of [
    [1, 0.05, 9.93785094105438],
    [0.5, 0.05, 33.36713118431779],
    [0.2, 0.05, 198.150820955562],
    [0.5, 0.0125, 47.75843252952455],
  ] as const)
    t.is(pairsFor(d, { sd: 1, level }, 3), Math.ceil(pairs), `${d}, ${level}`);
});

test('the number of pairs is the first that is enough', (t) => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 5, noNaN: true }),
      fc.constantFrom(0.05, 0.01),
      (difference, level) => {
        const pairs = pairsFor(difference, { sd: 1, level }, 3) ?? t.fail();
        t.true(pairedPower(difference, pairs, { sd: 1, level }) >= 0.8);
        if (pairs > 3) t.true(pairedPower(difference, pairs - 1, { sd: 1, level }) < 0.8);
      },
    ),
    { numRuns: 50 },
  );
});

test('no deviation shows all, no difference takes for ever, and one pair shows nothing', (t) => {
  t.is(pairedPower(0.1, 3, { sd: 0, level: 0.05 }), 1);
  t.is(detectable(3, { sd: 0, level: 0.05 }), 0);
  t.is(pairsFor(0, { sd: 1, level: 0.05 }, 3), null);
  t.is(pairsFor(1e-4, { sd: 1, level: 0.05 }, 3), null);
  t.is(pairsFor(100, { sd: 1, level: 0.05 }, 3), 3);
  t.is(detectable(1, { sd: 1, level: 0.05 }), null);
});
