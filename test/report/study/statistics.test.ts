import test, { type ExecutionContext } from 'ava';
import { pairedInterval, spread, tQuantile } from '../../../src/report/study/statistics.ts';

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
  const interval = pairedInterval(first.map((value, i) => value - (second[i] ?? 0))) ?? t.fail();
  near(t, interval.mean, -1.58);
  near(t, interval.low, -2.4598858);
  near(t, interval.high, -0.7001142);
  t.is(interval.n, 10);
});

test('one pair has a difference and no interval, none has nothing', (t) => {
  t.deepEqual(pairedInterval([0.5]), { mean: 0.5, low: null, high: null, n: 1 });
  t.is(pairedInterval([]), null);
});
