/**
 * Matrix products, float32. Each throws a UserError that names it where inner dimensions differ or leading ones do not
 * broadcast.
 */
import { apply } from '../apply.ts';
import { product } from '../shapes.ts';
import type { Value } from '../value.ts';
import { reshape } from './layout.ts';

export interface MatMulOptions {
  /** Whether the last two axes of A, or of B, are swapped first. */
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** A number that multiplies the product; 1 by default. */
  readonly alpha?: number;
}

/**
 * alpha·A·B over the last two axes: [..., m, k] times [..., k, n] is [..., m, n]. Leading axes broadcast. A stack of
 * matrices times one matrix is written as one product of all their rows: it is larger and faster, here and in the
 * gradient, where it saves a sum over the stack.
 */
export function matmul(a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  const [whole] = apply('MatMul', [a, b], { transA, transB, alpha });
  const width = a.shape.at(-1);
  if (a.shape.length <= 2 || b.shape.length !== 2 || transA || width === undefined) return whole;
  const rows = reshape(a, [product(a.shape.slice(0, -1)), width]);
  return reshape(matmul(rows, b, options), whole.shape);
}

/** alpha·A·B + beta·C: A [m, k], B [k, n] and C, which may be left out, of a shape that broadcasts to [m, n]. */
export function gemm(
  a: Value,
  b: Value,
  c?: Value,
  options: MatMulOptions & { readonly beta?: number } = {},
): Value {
  const { transA = false, transB = false, alpha = 1, beta = 1 } = options;
  return apply('Gemm', c ? [a, b, c] : [a, b], { transA, transB, alpha, beta })[0];
}
