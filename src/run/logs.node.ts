/** What a run writes to its folder beside checkpoints: metrics, diagnostics, and TensorBoard's file. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { hyperparametersOf, type TrainConfig } from '../config/config.ts';
import { openDiagnosticsLog } from '../storage/diagnostics-log.node.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import { lastMetrics, openMetricsLog } from '../storage/metrics-log.node.ts';
import { METRICS_FILE } from '../storage/run-archive.ts';
import { openTensorBoard } from '../storage/tensorboard.node.ts';
import { SPIKE_WINDOW } from './diagnostics/spikes.ts';
import type { RunEvent } from './run.ts';

export interface RunLogs {
  /** The last steps of the run so far. */
  readonly recent: readonly MetricsLine[];
  take(event: RunEvent): void;
  flush(): void;
  close(): void;
}

/** Opens the logs of a run; a resumed one forgets what it had written past `resumeAtStep`. Throws UserError. */
export function openLogs(
  folder: string,
  config: TrainConfig,
  at: { readonly resumeAtStep?: number },
): RunLogs {
  const metrics = path.join(folder, METRICS_FILE);
  const board = openTensorBoard(path.join(folder, 'tensorboard'), {
    ...at,
    hyperparameters: hyperparametersOf(config),
  });
  const sinks = [openMetricsLog(metrics, at), board];
  const file = path.join(folder, 'diagnostics.jsonl');
  const isWanted = config.diagnosticsEvery > 0 || config.hessianEvery > 0;
  // A resumed run without diagnostics still removes the lines past its step.
  const diagnostics = isWanted || existsSync(file) ? openDiagnosticsLog(file, at) : undefined;
  const all = [...sinks, ...(diagnostics ? [diagnostics] : [])];
  return {
    recent: lastMetrics(metrics, 'train', SPIKE_WINDOW),
    take(event) {
      if (event.kind === 'step' || event.kind === 'evaluated') {
        for (const sink of sinks) sink.write(event.record);
      }
      if (event.kind === 'diagnosed') {
        diagnostics?.write(event.record);
        board.diagnose(event.record);
      }
    },
    flush() {
      for (const log of all) log.flush();
    },
    close() {
      for (const log of all) log.close();
    },
  };
}
