/**
 * The values of an axis over regularization: none, GR of strength r at α = 1 (so λ = r), and GR with each of the paper's
 * three warmups.
 */
export function withWarmups(r: number) {
  const on = { gr: 'fd', r, alpha: 1 } as const;
  return {
    none: { gr: 'none' },
    GR: { ...on, grWarmup: 'none' },
    'GR + λ-warmup': { ...on, grWarmup: 'lambda' },
    'GR + r-warmup': { ...on, grWarmup: 'r' },
    'GR + zero-warmup': { ...on, grWarmup: 'zero' },
  } as const;
}
