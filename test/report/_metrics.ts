import type { MetricsLine } from '../../src/train/metrics.ts';

const NOTHING = {
  grad_norm: null,
  gr_grad_norm: null,
  lr: null,
  lambda: null,
  r: null,
  alpha: null,
  spike: null,
};

/** A small run's lines, with an evaluation after every tenth step; `regularized` by finite differences or not at all. */
export function syntheticRun(steps: number, { regularized = true } = {}): MetricsLine[] {
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricsLine[] => {
    const loss = 2.3 * Math.exp((-3 * step) / steps);
    const at = {
      step,
      epoch: Math.ceil(step / 10),
      loss,
      top1: 1 - loss / 3,
      top5: 1,
      images_per_second: 500,
    };
    const gr = { gr_grad_norm: 2 + loss, lambda: 0.1, r: 0.05, alpha: 2 };
    const train = {
      ...at,
      ...NOTHING,
      split: 'train' as const,
      grad_norm: 1 + loss,
      lr: 1e-3,
      ...(regularized && gr),
    };
    return step % 10 === 0 ? [train, { ...at, ...NOTHING, split: 'test' }] : [train];
  });
}
