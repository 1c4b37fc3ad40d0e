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

/** The lines of a regression, with an evaluation after every tenth step, of which that of step 30 has the lowest MAE. */
export function regressionRun(steps: number): MetricsLine[] {
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricsLine[] => {
    const left = Math.exp((-3 * step) / steps);
    const noise = 1 + 0.1 * Math.sin(step * step);
    const at = { step, epoch: Math.ceil(step / 10), examples_per_second: 4000 };
    const train = metricsLine({
      ...at,
      split: 'train',
      loss: (0.2 + 4 * left) * noise,
      metrics: { mae: (0.35 + 2 * left) * noise, rmse: (0.45 + 2.5 * left) * noise, r2: 1 - left * noise },
      ...{ grad_norm: 1 + left, gr_grad_norm: null, lr: 1e-3, spike: null },
      ...{ lambda: null, r: null, alpha: null },
    });
    if (step % 10 !== 0) return [train];
    const isLast = step === steps;
    const mae = step === 30 ? 0.41 : isLast ? 0.5 : 0.45 + 2 * left;
    const metrics = { mae, rmse: 1.5 * mae, r2: isLast ? 0.9 : 1 - left };
    const loss = isLast ? 0.25 : step === 50 ? 0.23 : 0.3 + left;
    return [train, metricsLine({ ...at, split: 'test', loss, metrics })];
  });
}
