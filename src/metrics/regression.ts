/**
 * How far numbers are from what they should be. All take a prediction and a target, float32 [batch, ...], as the losses
 * of numbers do (losses/regression.ts); the last axis, where there is one, holds the numbers of an example.
 */
import { total } from '../autodiff/functions.ts';

import { UserError } from '../errors.ts';
import { difference } from '../losses/regression.ts';
import { abs, add, cast, constant, mul, reduceSum, reshape, sub, where } from '../onnx/ops.ts';
import { sameShape, show, sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Metric, Values } from '../tasks/task.ts';
import { fieldOf, meanOf, outputOf, ratio, share } from './names.ts';

/** Which output and which field are compared, and what counts. */
export interface NumberOptions {
  /** The output, `output` by default, and the field, `y`. */
  readonly prediction?: string;
  readonly target?: string;
  /** The field of the target's shape that says what counts: not 0 where it does. All counts by default. */
  readonly mask?: string;
  /**
   * How large 1 of the prediction is in the unit of the metric, of each number of an example where there are several:
   * the deviation by which the target was divided. 1 by default.
   */
  readonly scale?: number | readonly number[];
}

interface Compared {
  /** Prediction − target, and 0 where it does not count. */
  readonly error: Value;
  /** The target, of the prediction's shape. */
  readonly target: Value;
  /** float32: 1 where it counts. */
  readonly counts: Value;
}

function compared(outputs: Values, fields: Values, options: NumberOptions): Compared {
  const prediction = outputOf(outputs, options.prediction, 'output');
  const error = difference('metric', prediction, fieldOf(fields, options.target ?? 'y'));
  const target = reshape(fieldOf(fields, options.target ?? 'y'), error.shape);
  const ones = add(mul(target, 0), 1);
  if (options.mask === undefined) return { error, target, counts: cast(cast(ones, 'bool'), 'float32') };
  const mask = fieldOf(fields, options.mask);
  if (!sameShape(mask.shape, fieldOf(fields, options.target ?? 'y').shape)) {
    throw new UserError(
      `metric: expected a mask ${options.mask} of the target's shape ${show(target.shape)}, got ${show(mask.shape)}`,
    );
  }
  const isCounted = cast(reshape(mask, error.shape), 'bool');
  return {
    error: where(isCounted, error, 0),
    target: where(isCounted, target, 0),
    counts: cast(isCounted, 'float32'),
  };
}

function scaled(error: Value, scale: NumberOptions['scale'] = 1): Value {
  return mul(error, typeof scale === 'number' ? scale : row('scale', scale, error));
}

/** Numbers for the last axis. */
function row(what: string, numbers: readonly number[], like: Value): Value {
  if (numbers.length !== (like.shape.length > 1 ? like.shape.at(-1) : 1)) {
    throw new UserError(
      `metric: expected a ${what} for each number of ${show(like.shape)}, got ${numbers.length} of them`,
    );
  }
  return constant(Float32Array.from(numbers), [numbers.length]);
}

/** Mean |prediction − target|. */
export function meanAbsoluteError(options: NumberOptions = {}): Metric {
  return {
    sums(outputs, fields) {
      const { error, counts } = compared(outputs, fields, options);
      return { total: total(abs(scaled(error, options.scale))), count: total(counts) };
    },
    finish: ({ total, count }) => share(total, count),
    label: 'MAE',
    better: 'lower',
  };
}

/** √ of the mean squared error. */
export function rootMeanSquaredError(options: NumberOptions = {}): Metric {
  return {
    sums(outputs, fields) {
      const { error, counts } = compared(outputs, fields, options);
      const size = scaled(error, options.scale);
      return { total: total(mul(size, size)), count: total(counts) };
    },
    finish: ({ total, count }) => Math.sqrt(share(total, count)),
    label: 'RMSE',
    better: 'lower',
  };
}

/**
 * R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)² over the whole set, ȳ the mean of its targets; of several numbers of an example the mean
 * of their R², as scikit-learn's `r2_score`. `center` is near ȳ, the mean of the training targets, of each number where
 * there are several: what is summed is y − center, or float32 would cancel where ȳ is large beside its deviation. NaN
 * where all targets are equal.
 */
export function r2({
  center = 0,
  ...options
}: Omit<NumberOptions, 'scale'> & { readonly center?: number | readonly number[] } = {}): Metric {
  return {
    sums(outputs, fields) {
      const { error, target, counts } = compared(outputs, fields, options);
      const [batch = 0, ...rest] = error.shape;
      const columns = (value: Value): Value =>
        reduceSum(reshape(value, [batch, sizeOf(rest)]), { axes: [0] });
      const middle = typeof center === 'number' ? center : row('center', center, error);
      const shifted = mul(sub(target, middle), counts);
      return {
        error: columns(mul(error, error)),
        target: columns(shifted),
        squares: columns(mul(shifted, shifted)),
        count: columns(counts),
      };
    },
    finish({ error = new Float64Array(), target, squares, count }) {
      return meanOf(error.length, (i) => {
        const mean = ratio(target?.[i] ?? Number.NaN, count?.[i] ?? 0);
        const variation = (squares?.[i] ?? Number.NaN) - (target?.[i] ?? 0) * mean;
        return 1 - ratio(error[i] ?? Number.NaN, variation);
      });
    },
    label: 'R²',
    better: 'higher',
  };
}
