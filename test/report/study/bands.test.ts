import test from 'ava';
import { meanWithBand, overRuns } from '../../../src/report/study/bands.ts';

test('mean and deviation at each step of those runs that got there', (t) => {
  const run = (...values: number[]) => values.map((value, i) => ({ x: 10 * i, value }));
  t.deepEqual(overRuns([run(1, 2, 3), run(3, 2), run(2, 2)]), [
    { x: 0, value: 2, low: 1, high: 3 },
    { x: 10, value: 2, low: 2, high: 2 },
    { x: 20, value: 3 },
  ]);
  t.deepEqual(overRuns([]), []);
});

test('on a logarithmic axis they are those of the logarithms', (t) => {
  const { value, low, high } = meanWithBand([1, 100], 'log');
  t.true(Math.abs((value ?? 0) - 10) < 1e-9);
  t.true(Math.abs((low ?? 0) * (high ?? 0) - 100) < 1e-9);
  t.deepEqual(meanWithBand([0], 'log'), { value: null });
});

test('a long run is drawn by the medians of its stretches', (t) => {
  const points = Array.from({ length: 10_000 }, (_, x) => ({ x, value: x === 5050 ? 1e9 : x }));
  const drawn = overRuns([points]);
  t.is(drawn.length, 100);
  t.deepEqual(drawn[50], { x: 5049.5, value: 5051 });
});
