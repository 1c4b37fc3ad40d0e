/** The mean over the steps or tokens of a text that are no padding. */
import { cast, div, max, reduceSum, reshape, where } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/**
 * The mean over one of the first two axes of x float32 [a, b, width] where `isReal` (bool [a, b]) is true: [b, width] over
 * axis 0, [a, width] over axis 1. It is 0 where none is real.
 */
export function maskedMean(x: Value, isReal: Value, axis: 0 | 1): Value {
  const real = reshape(isReal, [...isReal.shape, 1]);
  const sum = reduceSum(where(real, x, 0), { axes: [axis] });
  return div(sum, max(reduceSum(cast(real, 'float32'), { axes: [axis] }), 1));
}
