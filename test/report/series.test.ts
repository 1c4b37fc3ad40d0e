import test from 'ava';
import { type Point, quantile, series, smooth, thin } from '../../src/report/series.ts';
import { syntheticRun } from './_metrics.ts';

const points = (values: readonly (number | null)[]): Point[] => values.map((value, x) => ({ x, value }));
const noise = (length: number) => points(Array.from({ length }, (_, i) => Math.sin(i * i)));

test('a series is one measurement of one split', (t) => {
  const metrics = syntheticRun(20);
  t.deepEqual(
    series(metrics, 'test', (line) => line.metrics.top5 ?? null),
    [
      { x: 10, value: 1 },
      { x: 20, value: 1 },
    ],
  );
  t.is(series(metrics, 'train', (line) => line.lr).length, 20);
});

test('a long series thinned keeps its extremes and its order', (t) => {
  const long = points(
    Array.from({ length: 100_000 }, (_, i) => (i === 70_001 ? 900 : i === 30_002 ? -900 : i % 7)),
  );
  const thinned = thin(long, 400);
  t.true(thinned.length <= 400);
  t.true(thinned.some(({ x, value }) => x === 70_001 && value === 900));
  t.true(thinned.some(({ x, value }) => x === 30_002 && value === -900));
  t.deepEqual(
    thinned,
    thinned.toSorted((a, b) => a.x - b.x),
  );
});

test('a short series is not thinned', (t) => {
  t.deepEqual(thin(noise(400), 400), noise(400));
});

test('where all of a stretch is missing, the thinned series has a gap', (t) => {
  const long = points(Array.from({ length: 4000 }, (_, i) => (i >= 1000 && i < 2000 ? null : 1)));
  const gap = thin(long, 400).filter(({ value }) => value === null);
  t.is(gap.length, 50);
  t.true(gap.every(({ x }) => x >= 1000 && x < 2000));
});

test('smoothing leaves a trend where it is and one wild value out', (t) => {
  const trend = points(Array.from({ length: 1001 }, (_, i) => (i === 500 ? 1e30 : 2 * i)));
  const smoothed = smooth(trend, 0.02, 101);
  t.is(smoothed.length, 101);
  for (const { x, value } of smoothed.slice(1, -1)) t.true(Math.abs((value ?? 0) - 2 * x) <= 2, `step ${x}`);
});

test('smoothing a few points changes nothing', (t) => {
  t.deepEqual(smooth(noise(12)), noise(12));
  t.deepEqual(smooth(noise(1)), noise(1));
  t.deepEqual(smooth([]), []);
});

test('quantiles are of what is finite', (t) => {
  const some = points([5, null, 1, 3, 2, 4, Number.NaN]);
  t.deepEqual(
    [0, 0.5, 1].map((q) => quantile(some, q)),
    [1, 3, 5],
  );
  t.is(quantile(points([null]), 0.5), undefined);
});
