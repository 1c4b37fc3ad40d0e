import {
  cast,
  cumSum,
  div,
  equal,
  expand,
  mul,
  type ReduceOptions,
  reduceMean,
  reduceSum,
  reshape,
} from '../../onnx/ops.ts';
import type { reduction } from '../../onnx/opset/reduction.ts';
import { sizeOf, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { keptShape } from '../linear.ts';
import { type Rules, unary, zeroDerivative } from './rule.ts';

interface Axes extends ReduceOptions {
  readonly axes: readonly number[];
}

/** Spreads the derivative of a reduction's result over the axes that it reduced. */
function spread(d: Value, x: Value, { axes }: Axes): Value {
  return expand(reshape(d, keptShape(x.shape, axes)), staticShape(x.shape, 'reduction'));
}

/** 1/n at each of the n elements that attain a maximum, 0 elsewhere: they share its derivative equally. */
function share(x: Value, y: Value, { axes }: Axes): Value {
  const attained = cast(equal(x, reshape(y, keptShape(x.shape, axes))), 'float32');
  return div(attained, reduceSum(attained, { axes, keepdims: true }));
}

export const reduce: Rules<keyof typeof reduction> = {
  ReduceSum: unary(
    (ct, _y, x, options) => spread(ct, x, options),
    (t, _y, _x, options) => reduceSum(t, options),
  ),
  ReduceMean: unary(
    (ct, y, x, options) => spread(mul(ct, sizeOf(y.shape) / sizeOf(x.shape)), x, options),
    (t, _y, _x, options) => reduceMean(t, options),
  ),
  ReduceMax: unary(
    (ct, y, x, options) => mul(spread(ct, x, options), share(x, y, options)),
    (t, y, x, options) => reduceSum(mul(t, share(x, y, options)), options),
  ),
  ArgMax: zeroDerivative,
  CumSum: unary(
    (ct, _y, _x, { axis, exclusive, reverse }) => cumSum(ct, axis, { exclusive, reverse: !reverse }),
    (t, _y, _x, { axis, ...options }) => cumSum(t, axis, options),
  ),
};
