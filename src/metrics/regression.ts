/** How far numbers are from what they should be. */
import { total } from '../autodiff/functions.ts';
import { difference, mae } from '../losses/regression.ts';
import { mul, sub } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import type { Metric, Values } from '../tasks/task.ts';
import { countOf } from './mean.ts';
import { fieldOf, outputOf, share } from './names.ts';

/** Which output and which field are compared. */
export interface NumberNames {
  readonly prediction?: string;
  readonly target?: string;
}

function compared(outputs: Values, fields: Values, names: NumberNames): [prediction: Value, target: Value] {
  return [outputOf(outputs, names.prediction, 'output'), fieldOf(fields, names.target ?? 'y')];
}

/** Mean |prediction − target|, in the target's unit. */
export function meanAbsoluteError(names: NumberNames = {}): Metric {
  return {
    sums(outputs, fields) {
      const error = mae(...compared(outputs, fields, names));
      return { total: total(error), count: countOf(error) };
    },
    finish: ({ total, count }) => share(total, count),
    better: 'lower',
  };
}

/** √ of the mean squared error, in the target's unit. */
export function rootMeanSquaredError(names: NumberNames = {}): Metric {
  return {
    sums(outputs, fields) {
      const error = difference('metric', ...compared(outputs, fields, names));
      return { total: total(mul(error, error)), count: countOf(error) };
    },
    finish: ({ total, count }) => Math.sqrt(share(total, count)),
    better: 'lower',
  };
}

/**
 * R² = 1 − Σ(y − ŷ)²/Σ(y − ȳ)² over the whole set, ȳ the mean of its targets. `center` is a number near ȳ, the mean of
 * the training targets: what is summed is y − center, or float32 would cancel where ȳ is large beside its deviation.
 */
export function r2({ center = 0, ...names }: NumberNames & { readonly center?: number } = {}): Metric {
  return {
    sums(outputs, fields) {
      const [prediction, target] = compared(outputs, fields, names);
      const error = difference('metric', prediction, target);
      const shifted = sub(target, center);
      return {
        error: total(mul(error, error)),
        target: total(shifted),
        squares: total(mul(shifted, shifted)),
        count: countOf(shifted),
      };
    },
    finish({ error, target, squares, count }) {
      const n = count?.[0] ?? 0;
      const variation = (squares?.[0] ?? Number.NaN) - (target?.[0] ?? 0) ** 2 / n;
      return 1 - (error?.[0] ?? Number.NaN) / variation;
    },
    better: 'higher',
  };
}
