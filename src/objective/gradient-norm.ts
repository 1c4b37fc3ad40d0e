/**
 * Gradient regularization: the loss plus λ‖∇L‖ (Zhao, Zhang & Hu, *Penalizing Gradient Norm for Efficiently
 * Improving Generalization in Deep Learning*, ICML 2022, equation 2).
 */
import { hvp } from '../autodiff/grad.ts';
import { add, concat, div, greater, mul, reduceSum, reshape, sqrt, where } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/**
 * The l2 norm of all values together: float32 of any static shape → a float32 scalar. Throws where there is no value.
 * Squares are summed axis by axis: ONNX Runtime sums a whole tensor one element after the other, and of four million
 * elements the sum then has only three correct digits.
 */
export function globalNorm(values: readonly Value[]): Value {
  if (values.length === 0) throw new Error('globalNorm: expected at least one value, got none');
  return sqrt(reduceSum(concat(values.map(sumOfSquares), 0)));
}

function sumOfSquares(value: Value): Value {
  let total = mul(value, value);
  while (total.shape.length > 1) total = reduceSum(total, { axes: [-1] });
  return total.shape.length === 0 ? reshape(total, [1]) : reduceSum(total, { keepdims: true });
}

/**
 * The exact gradient of L + λ‖∇L‖ (equation 4): g + λ·H·g/‖g‖, with H·g the tangent of the gradient along itself.
 * Where ‖g‖ = 0 it is g. `gradient` is ∇L at `parameters`, float32 values of their shapes; `norm` is its global norm
 * and `lambda` the weight of the penalty, float32 scalars. `differentiated` may be another graph of the same gradient:
 * it is the one that is differentiated again. The result has the shapes of the parameters.
 */
export function penalizedGradient(
  gradient: readonly Value[],
  parameters: readonly Value[],
  norm: Value,
  lambda: Value,
  differentiated: readonly Value[] = gradient,
): Value[] {
  const strength = overNorm(lambda, norm);
  const products = hvp(differentiated, parameters, gradient);
  return gradient.map((g, i) => {
    const product = products[i];
    return product ? add(g, mul(product, strength)) : g;
  });
}

/** A scalar over a norm; 0 where the norm is 0. */
export function overNorm(x: Value, norm: Value): Value {
  return where(greater(norm, 0), div(x, norm), 0);
}
