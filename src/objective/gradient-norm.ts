/**
 * Gradient regularization: the loss plus λ‖∇L‖ (Zhao, Zhang & Hu, *Penalizing Gradient Norm for Efficiently
 * Improving Generalization in Deep Learning*, ICML 2022, equation 2).
 */
import { hvp } from '../autodiff/grad.ts';
import { add, div, greater, mul, reduceSum, sqrt, where } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/** The l2 norm of all the values together: a float32 scalar. */
export function globalNorm(values: readonly Value[]): Value {
  const [first, ...rest] = values.map((value) => reduceSum(mul(value, value)));
  if (!first) throw new Error('globalNorm: expected at least one value, got none');
  return sqrt(rest.reduce((total, square) => add(total, square), first));
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
