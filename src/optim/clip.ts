/** The l2 norm over all arrays together, accumulated in float64. */
export function globalNorm(arrays: readonly Float32Array[]): number {
  let total = 0;
  for (const array of arrays) for (let i = 0; i < array.length; i++) total += (array[i] ?? 0) ** 2;
  return Math.sqrt(total);
}

/** The factor that brings a gradient of this norm to at most `maxNorm` (as torch's `clip_grad_norm_`, which adds 1e-6). */
export function clipScale(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}
