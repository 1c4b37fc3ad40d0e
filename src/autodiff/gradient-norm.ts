/**
 * Gradient regularization: the loss plus λ‖∇L‖ (Zhao, Zhang & Hu, *Penalizing Gradient Norm for Efficiently
 * Improving Generalization in Deep Learning*, ICML 2022, equation 2).
 */

import { add, concat, div, greater, mul, reduceSum, reshape, sqrt, where } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { hvp } from './grad.ts';

/**
 * The l2 norm of all values together: float32 of any static shape → a float32 scalar. Throws where there is no value.
 * Squares are summed axis by axis: ONNX Runtime sums a whole tensor one element after the other, and of four million
 * elements the sum then has only three correct digits.
 * Values with as many rows as each other share the last of these sums: a network has hundreds of parameters in a few
 * shapes, and ONNX Runtime creates a session faster when there are fewer nodes.
 */
export function globalNorm(values: readonly Value[]): Value {
  if (values.length === 0) throw new Error('globalNorm: expected at least one value, got none');
  const byRows = new Map<number, Value[]>();
  for (const value of values) {
    const sums = rowSums(mul(value, value));
    const rows = sizeOf(sums.shape);
    byRows.set(rows, [...(byRows.get(rows) ?? []), sums]);
  }
  const totals = [...byRows].map(([rows, sums]) => {
    const table = reshape(concat(sums, 0), [sums.length, rows]);
    return reduceSum(table, { axes: [1] });
  });
  return sqrt(reduceSum(concat(totals, 0)));
}

/** The sums over all axes but the first; of a scalar itself, as a vector. */
function rowSums(value: Value): Value {
  let sums = value;
  while (sums.shape.length > 1) sums = reduceSum(sums, { axes: [-1] });
  return sums.shape.length === 0 ? reshape(sums, [1]) : sums;
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
