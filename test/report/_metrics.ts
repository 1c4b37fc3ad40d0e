import { type MetricsLine, metricsLine } from '../../src/storage/metrics.ts';

/** A small run's lines, with an evaluation after every tenth step; `regularized` by finite differences or not at all. */
export function syntheticRun(steps: number, { regularized = true } = {}): MetricsLine[] {
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricsLine[] => {
    const loss = 2.3 * Math.exp((-3 * step) / steps);
    const at = {
      step,
      epoch: Math.ceil(step / 10),
      loss,
      metrics: { top1: 1 - loss / 3, top5: 1 },
      examples_per_second: 500,
    };
    const gr = { gr_grad_norm: 2 + loss, lambda: 0.1, r: 0.05, alpha: 2 };
    const none = { gr_grad_norm: null, lambda: null, r: null, alpha: null };
    const train = metricsLine({
      ...at,
      split: 'train',
      grad_norm: 1 + loss,
      lr: 1e-3,
      spike: null,
      ...(regularized ? gr : none),
    });
    return step % 10 === 0 ? [train, metricsLine({ ...at, split: 'test' })] : [train];
  });
}
