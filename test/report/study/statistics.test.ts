import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  holmLevels,
  pairedInterval,
  pairedPValue,
  spread,
  tQuantile,
} from '../../../src/report/study/statistics.ts';

function near(t: ExecutionContext, actual: number | null | undefined, expected: number, digits = 7): void {
  t.true(Math.abs((actual ?? Number.NaN) - expected) < 10 ** -digits * Math.abs(expected), `${actual}`);
}

// R: qt(c(0.95, 0.975, 0.995), df)
const QUANTILES: readonly (readonly [df: number, q95: number, q975: number, q995: number])[] = [
  [1, 6.313751515, 12.70620474, 63.65674116],
  [2, 2.91998558, 4.30265273, 9.924843201],
  [3, 2.353363435, 3.182446305, 5.840909309],
  [4, 2.131846786, 2.776445105, 4.604094871],
  [9, 1.833112933, 2.262157163, 3.249835542],
  [10, 1.812461123, 2.228138852, 3.169272673],
  [30, 1.697260887, 2.042272456, 2.749995654],
  [100, 1.660234326, 1.983971519, 2.625890521],
];

for (const [freedom, ...quantiles] of QUANTILES) {
  test(`quantiles of Student's t with ${freedom} degrees of freedom are R's`, (t) => {
    [0.95, 0.975, 0.995].forEach((p, i) => {
      near(t, tQuantile(p, freedom), quantiles[i] ?? 0);
    });
    t.is(tQuantile(0.5, freedom) < 1e-12, true);
  });
}

test('mean and standard deviation divide by n and n − 1', (t) => {
  const { mean, sd, n } = spread([2, 4, 4, 4, 5, 5, 7, 9]) ?? t.fail();
  t.deepEqual([mean, n], [5, 8]);
  // numpy.std([2, 4, 4, 4, 5, 5, 7, 9], ddof=1)
  near(t, sd, 2.138089935299395, 12);
  t.deepEqual(spread([3]), { mean: 3, sd: null, n: 1 });
  t.is(spread([]), null);
});

test("the paired interval is that of R's t.test", (t) => {
  // R: with(sleep, t.test(extra[group == 1], extra[group == 2], paired = TRUE))
  //    95 percent confidence interval: -2.4598858 -0.7001142; mean difference -1.58
  const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
  const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
  const interval = pairedInterval(spread(first.map((value, i) => value - (second[i] ?? 0)))) ?? t.fail();
  near(t, interval.mean, -1.58);
  near(t, interval.low, -2.4598858);
  near(t, interval.high, -0.7001142);
  t.is(interval.n, 10);
  //    t = -4.0621, df = 9, p-value = 0.002833
  const differences = spread(first.map((value, i) => value - (second[i] ?? 0))) ?? t.fail();
  near(t, pairedPValue(differences), 0.00283289, 5);
});

test('one pair has a difference and no interval, none has nothing', (t) => {
  t.deepEqual(pairedInterval(spread([0.5])), { mean: 0.5, low: null, high: null, n: 1 });
  t.is(pairedInterval(spread([])), null);
});

test('the p-value is where the interval touches 0, and that of equal differences is 0 or 1', (t) => {
  const differences = spread([0.4, 1.3, 0.1, 0.9]) ?? t.fail();
  const interval = pairedInterval(differences, 1 - (pairedPValue(differences) ?? t.fail()));
  t.true(Math.abs(interval?.low ?? 1) < 1e-9);
  t.is(pairedPValue({ mean: 2, sd: 0, n: 3 }), 0);
  t.is(pairedPValue({ mean: 0, sd: 0, n: 3 }), 1);
  t.is(pairedPValue({ mean: 2, sd: null, n: 1 }), null);
});

test("Holm's levels reject what R's adjusted p-values reject", (t) => {
  // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02
  const levels = holmLevels([0.01, 0.04, 0.03, 0.005]);
  t.deepEqual(
    levels.map((level) => Number(level.toFixed(6))),
    [0.016667, 0.025, 0.025, 0.0125],
  );
  t.deepEqual(holmLevels([]), []);
  t.deepEqual(holmLevels([0.5]), [0.05]);
  const adjusted = (all: readonly number[]) => {
    const sorted = all.toSorted((a, b) => a - b);
    return all.map((p) =>
      Math.max(...sorted.slice(0, sorted.indexOf(p) + 1).map((q, i) => (all.length - i) * q)),
    );
  };
  fc.assert(
    fc.property(fc.uniqueArray(fc.double({ min: 0, max: 0.2, noNaN: true }), { maxLength: 8 }), (all) => {
      // Away from the level itself, where the last digit decides.
      fc.pre(adjusted(all).every((p) => Math.abs(p - 0.05) > 1e-9));
      const levels = holmLevels(all);
      t.deepEqual(
        all.map((p, i) => p <= (levels[i] ?? 0)),
        adjusted(all).map((p) => p <= 0.05),
      );
    }),
  );
});
