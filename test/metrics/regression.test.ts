/** Metrics of numbers against scikit-learn's definitions, worked out in float64; several batches add up to one. */
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import {
  meanAbsoluteError,
  type NumberOptions,
  r2,
  rootMeanSquaredError,
} from '../../src/metrics/regression.ts';
import { input } from '../../src/onnx/ops.ts';
import type { Metric } from '../../src/tasks/task.ts';
import { bool, float32, type GivenValues, measure } from './_measure.ts';

async function isThat(
  t: ExecutionContext,
  metric: Metric,
  [outputs, fields]: readonly [GivenValues, GivenValues],
  wanted: number,
  accuracy = 1e-6,
): Promise<void> {
  for (const ends of [[4], [1, 4], [1, 2, 3, 4]]) {
    const got = await measure(metric, outputs, fields, ends);
    t.true(
      Math.abs(got - wanted) < accuracy * Math.max(1, Math.abs(wanted)),
      `${ends}: ${got}, not ${wanted}`,
    );
  }
}

// The examples of scikit-learn's documentation: mean_absolute_error 0.5, mean_squared_error 0.375, r2_score 0.9486….
const EXAMPLE = [{ output: float32([2.5, 0, 2, 8], 1) }, { y: float32([3, -0.5, 2, 7]) }] as const;

test('of one number they are those of scikit-learn', async (t) => {
  await isThat(t, meanAbsoluteError(), EXAMPLE, 0.5);
  await isThat(t, rootMeanSquaredError(), EXAMPLE, Math.sqrt(0.375));
  await isThat(t, r2(), EXAMPLE, 0.9486081370449679);
  await isThat(t, r2({ center: 2.8 }), EXAMPLE, 0.9486081370449679);
});

// mean_absolute_error 0.75, mean_squared_error 0.7083…, r2_score 0.938… of [[0.5, 1], [-1, 1], [7, -6]], and one row more
// that does not count.
const PAIRS = [
  { output: float32([0, 2, -1, 2, 8, -5, Number.NaN, 1e9], 2) },
  { y: float32([0.5, 1, -1, 1, 7, -6, 3, 3], 2), mask: bool([1, 1, 1, 1, 1, 1, 0, 0], 2) },
] as const;

test('of several numbers R² is the mean of each; what a mask leaves out is nothing to them', async (t) => {
  const options: NumberOptions = { mask: 'mask' };
  await isThat(t, meanAbsoluteError(options), PAIRS, 0.75);
  await isThat(t, rootMeanSquaredError(options), PAIRS, Math.sqrt(4.25 / 6));
  await isThat(t, r2({ ...options, center: [2, -1] }), PAIRS, 0.9368005266622779);
});

test('a scale brings errors to the unit of the data, and leaves R² as it is', async (t) => {
  await isThat(t, meanAbsoluteError({ scale: 30 }), EXAMPLE, 15);
  await isThat(t, rootMeanSquaredError({ scale: 30 }), EXAMPLE, 30 * Math.sqrt(0.375));
  const scale = [10, 1];
  await isThat(t, meanAbsoluteError({ scale, mask: 'mask' }), PAIRS, (10 * 1.5 + 3) / 6);
});

test('R² of a large mean beside a small deviation is right with the center of the data, and would be far off without', async (t) => {
  const y = [100000.5, 100001, 99999.5, 100002];
  const output = [100000, 100001.5, 100000, 100002];
  const mean = y.reduce((a, b) => a + b) / 4;
  const error = y.reduce((sum, value, i) => sum + (value - (output[i] ?? 0)) ** 2, 0);
  const wanted = 1 - error / y.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const data = [{ output: float32(output) }, { y: float32(y) }] as const;
  await isThat(t, r2({ center: 100000 }), data, wanted);
  const got = await measure(r2(), ...data, [4]);
  t.true(Math.abs(got - wanted) > 1e-3, String(got));
});

test('where all targets are equal, or none counts, a metric says that it divides by zero', async (t) => {
  const same = { y: float32([3, 3, 3, 3]), mask: bool([0, 0, 0, 0]) };
  for (const metric of [r2(), r2({ center: 3 }), r2({ mask: 'mask' }), meanAbsoluteError({ mask: 'mask' })]) {
    await t.throwsAsync(measure(metric, EXAMPLE[0], same, [4]), {
      instanceOf: UserError,
      message:
        /^metric metric: expected a number, got NaN: it divides by zero, of sums .*; evaluate on examples of which some count$/,
    });
  }
});

for (const [name, metric, message] of [
  [
    'a scale too many',
    meanAbsoluteError({ scale: [1, 2, 3] }),
    'metric: expected a scale for each number of [batch, 2], got 3 of them',
  ],
  [
    'a center too few',
    r2({ center: [1] }),
    'metric: expected a center for each number of [batch, 2], got 1 of them',
  ],
  [
    'a mask of another shape',
    r2({ mask: 'rows' }),
    "metric: expected a mask rows of the target's shape [batch, 2], got [batch]",
  ],
  [
    'a target of another shape',
    r2({ target: 'rows' }),
    'metric: expected a float32 target of the shape of float32 [batch, 2], got float32 [batch] for float32 [batch, 2]',
  ],
] as const) {
  test(`${name}: one clear line`, (t) => {
    const fields = { y: input('y', ['batch', 2]), rows: input('rows', ['batch']) };
    t.throws(() => metric.sums({ output: input('output', ['batch', 2]) }, fields), {
      instanceOf: UserError,
      message,
    });
  });
}
