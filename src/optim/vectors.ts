/** Sums and combinations of arrays as large as the weights, in any memory. They compute in float64 and store float32. */
import { kernelsForAny, kernelsOf, vectorized } from './kernels/memory.ts';

/** to ← a·x + b·y; `to` may be one of them. */
export function combine(to: Float32Array, a: number, x: Float32Array, b: number, y: Float32Array): void {
  if (x.length !== to.length || y.length !== to.length)
    throw new Error(`internal: arrays of ${to.length}, ${x.length} and ${y.length} elements`);
  const kernels = kernelsOf(to) ?? kernelsForAny();
  kernels?.combine(to, a, x, b, y);
  for (let i = kernels ? vectorized(to.length) : 0; i < to.length; i++)
    to[i] = a * (x[i] ?? 0) + b * (y[i] ?? 0);
}

/** Σ x². */
export function sumOfSquares(x: Float32Array): number {
  const kernels = kernelsOf(x) ?? kernelsForAny();
  let total = kernels?.sumOfSquares(x) ?? 0;
  for (let i = kernels ? vectorized(x.length) : 0; i < x.length; i++) total += (x[i] ?? 0) ** 2;
  return total;
}

/** Σ x·y. */
export function dot(x: Float32Array, y: Float32Array): number {
  if (x.length !== y.length) throw new Error(`internal: arrays of ${x.length} and ${y.length} elements`);
  const kernels = kernelsOf(x) ?? kernelsForAny();
  let total = kernels?.dot(x, y) ?? 0;
  for (let i = kernels ? vectorized(x.length) : 0; i < x.length; i++) total += (x[i] ?? 0) * (y[i] ?? 0);
  return total;
}
