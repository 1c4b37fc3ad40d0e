/**
 * Matrix products, float32. Each throws a UserError that names the op where inner dimensions differ or leading ones do
 * not broadcast.
 */
import { apply } from '../apply.ts';
import { product } from '../shapes.ts';
import type { Value } from '../value.ts';
import { reshape } from './layout.ts';

/** How a product takes its factors. */
/** How a product takes its factors. */
export interface MatMulOptions {
  /** Whether the last two axes of A, or of B, are swapped first. */
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** A number that multiplies the product; 1 by default. */
  readonly alpha?: number;
}

/**
 * alpha·A·B over the last two axes: [..., m, k] times [..., k, n] is [..., m, n]. Leading axes broadcast. A stack of
 * matrices times one matrix is written as one product of all their rows, which is faster. Its gradient is faster
 * too: it needs no sum over the stack.
 */
export function matmul(a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  const [whole] = apply('MatMul', [a, b], { transA, transB, alpha });
  const width = a.shape.at(-1);
  if (a.shape.length <= 2 || b.shape.length !== 2 || transA || width === undefined) return whole;
  const rows = reshape(a, [product(a.shape.slice(0, -1)), width]);
  return reshape(matmul(rows, b, options), whole.shape);
}

/** alpha·A·B + beta·C: A [m, k], B [k, n], and C of a shape that broadcasts to [m, n]. C may be left out. */
export function gemm(
  a: Value,
  b: Value,
  c?: Value,
  options: MatMulOptions & { readonly beta?: number } = {},
): Value {
  const { transA = false, transB = false, alpha = 1, beta = 1 } = options;
  return apply('Gemm', c ? [a, b, c] : [a, b], { transA, transB, alpha, beta })[0];
}
