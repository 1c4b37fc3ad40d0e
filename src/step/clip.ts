import { expectNumber } from '../expect.ts';

/**
 * The factor that brings a gradient of this norm to at most `maxNorm` (as torch's `clip_grad_norm_`, which adds 1e-6).
 * Throws UserError where one of them is no finite number ≥ 0.
 */
export function clipScale(norm: number, maxNorm: number): number {
  expectNumber('clipScale: norm', norm, { min: 0 });
  expectNumber('clipScale: maxNorm', maxNorm, { min: 0 });
  return Math.min(1, maxNorm / (norm + 1e-6));
}
