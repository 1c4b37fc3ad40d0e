/**
 * The values of an axis over regularization: none, GR at α = 1 (so λ = r), and GR with each of the paper's three warmups.
 * The strength r is the base's, or another axis'.
 */
export const GR_AXIS = {
  none: { gr: 'none' },
  GR: { gr: 'fd', alpha: 1, grWarmup: 'none' },
  'GR + λ-warmup': { gr: 'fd', alpha: 1, grWarmup: 'lambda' },
  'GR + r-warmup': { gr: 'fd', alpha: 1, grWarmup: 'r' },
  'GR + zero-warmup': { gr: 'fd', alpha: 1, grWarmup: 'zero' },
} as const;
