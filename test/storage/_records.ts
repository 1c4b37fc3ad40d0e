import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { metricInfos } from '../../src/metrics/info.ts';
import type { EvaluationRecord, TrainRecord } from '../../src/storage/metrics.ts';

/** A folder that goes when the test ends. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ortgrad-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

export function trainRecord(step: number, changes: Partial<TrainRecord> = {}): TrainRecord {
  return {
    split: 'train',
    step,
    epoch: Math.ceil(step / 10),
    loss: 2 / step,
    metrics: { top1: 0.25, top5: 0.75 },
    grad_norm: 1.5,
    gr_grad_norm: 2.5,
    lr: 0.001,
    lambda: 0.1,
    r: null,
    alpha: null,
    spike: null,
    examples_per_second: 640,
    ...changes,
  };
}

export function testRecord(step: number, changes: Partial<EvaluationRecord> = {}): EvaluationRecord {
  const epoch = Math.ceil(step / 10);
  return {
    split: 'test',
    step,
    epoch,
    loss: 0.5,
    metrics: { top1: 0.875, top5: 1 },
    examples_per_second: 1280,
    ...changes,
  };
}

/** What a regression says of its metrics: less is better, and for R² more. */
export const REGRESSION = metricInfos(
  {
    mae: { label: 'MAE', better: 'lower', unit: 'k$' },
    rmse: { label: 'RMSE', better: 'lower', unit: 'k$' },
    r2: { label: 'R²', better: 'higher' },
  },
  { label: 'mean squared error' },
);
