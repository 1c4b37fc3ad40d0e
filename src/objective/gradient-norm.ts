/**
 * Gradient regularization: the loss plus λ‖∇L‖ (Zhao, Zhang & Hu, *Penalizing Gradient Norm for Efficiently
 * Improving Generalization in Deep Learning*, ICML 2022, equation 2).
 */
import { hvp } from '../autodiff/grad.ts';
import { add, concat, div, greater, mul, reduceSum, reshape, sqrt, where } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/**
 * The l2 norm of all the values together: a float32 scalar. Products are summed axis by axis: ONNX Runtime adds a whole
 * tensor up one element after the other, and four million of them to three digits only.
 */
export function globalNorm(values: readonly Value[]): Value {
  if (values.length === 0) throw new Error('globalNorm: expected at least one value, got none');
  return sqrt(globalDot(values, values));
}

/** The inner product of two such lists: a float32 scalar. */
export function globalDot(values: readonly Value[], others: readonly Value[]): Value {
  const products = values.flatMap((value, i) => {
    const other = others[i];
    return other ? [sumOfProducts(value, other)] : [];
  });
  if (products.length !== values.length || products.length !== others.length)
    throw new Error(
      `globalDot: expected as many values on both sides, got ${values.length} and ${others.length}`,
    );
  return reduceSum(concat(products, 0));
}

function sumOfProducts(value: Value, other: Value): Value {
  let total = mul(value, other);
  while (total.shape.length > 1) total = reduceSum(total, { axes: [-1] });
  return total.shape.length === 0 ? reshape(total, [1]) : reduceSum(total, { keepdims: true });
}

/**
 * The exact gradient of L + λ‖∇L‖ (equation 4): g + λ·H·g/‖g‖, with H·g the tangent of the gradient along itself.
 * Where ‖g‖ = 0 it is g. `gradient` is ∇L at `parameters`, `norm` its global norm, `lambda` a float32 scalar; the graph
 * that is differentiated again may be another one of the same gradient.
 */
export function penalizedGradient(
  gradient: readonly Value[],
  parameters: readonly Value[],
  norm: Value,
  lambda: Value,
  differentiated: readonly Value[] = gradient,
): Value[] {
  const strength = where(greater(norm, 0), div(lambda, norm), 0);
  const products = hvp(differentiated, parameters, gradient);
  return gradient.map((g, i) => {
    const product = products[i];
    return product ? add(g, mul(product, strength)) : g;
  });
}
