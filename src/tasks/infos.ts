/** What displays must know of a task's loss and metrics. */
import { type MetricInfos, metricInfos } from '../metrics/info.ts';
import type { Task } from './task.ts';

/** Throws an Error for a metric whose name records cannot hold. */
export function infosOf({ metrics, lossInfo }: Pick<Task, 'metrics' | 'lossInfo'>): MetricInfos {
  const shown = Object.entries(metrics).filter(([, { evaluationOnly }]) => !evaluationOnly);
  return metricInfos(Object.fromEntries(shown), lossInfo);
}
