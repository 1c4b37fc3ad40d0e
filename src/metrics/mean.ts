/** The mean of a number of every example. */
import { total } from '../autodiff/functions.ts';
import { UserError } from '../errors.ts';
import { add, mul } from '../onnx/ops.ts';
import { sameShape, show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { isValue, type Metric, type Values } from '../tasks/task.ts';
import { share } from './names.ts';

/** How many numbers there are: a sum of ones of their shape. */
const countOf = (value: Value): Value => total(add(mul(value, 0), 1));

type Each = Value | { readonly each: Value; readonly weight?: Value };

/**
 * Σ weight·each / Σ weight of what `of` gives: float32 numbers of which the first axis is the batch, all of weight 1
 * where none is given. `what` names it in errors. NaN where nothing counts.
 */
export function weightedMean(
  what: string,
  of: (outputs: Values, fields: Values) => Each,
  described: Pick<Metric, 'better' | 'isShare'>,
): Metric {
  return {
    sums(outputs, fields) {
      const given = of(outputs, fields);
      const { each, weight } = isValue(given) ? { each: given, weight: undefined } : given;
      if (each.dtype !== 'float32' || each.shape.length === 0) {
        throw new UserError(
          `${what}: expected a float32 number for each example, whose mean is taken here, got ${each.dtype} ${show(each.shape)}`,
        );
      }
      if (!weight) return { total: total(each), count: countOf(each) };
      if (weight.dtype !== 'float32' || !sameShape(weight.shape, each.shape)) {
        throw new UserError(
          `${what}: expected a float32 weight of shape ${show(each.shape)}, got ${weight.dtype} ${show(weight.shape)}`,
        );
      }
      return { total: total(mul(each, weight)), count: total(weight) };
    },
    finish: ({ total, count }) => share(total, count),
    ...described,
  };
}
