/**
 * A process that trains cells for the runner, one after the other: a cell that takes the process down with it (no memory
 * left, a crash in native code) takes nothing else. Interrupts are the runner's to handle; it says when to stop.
 */
import path from 'node:path';
import { openGraph } from '../artifacts/store.ts';
import { messageOf, UserError } from '../errors.ts';
import { documentFile, hasCheckpoint, loadCheckpoint } from '../train/checkpoint-folder.ts';
import { parseConfig, type TrainConfig } from '../train/config.ts';
import { prepareRun, type RunObserver, trainRun } from '../train/run.ts';
import { emptyRunFolder, makeFolder } from '../train/run-folder.ts';
import { lockRun, type RunLock } from '../train/run-lock.ts';
import { DivergedError, type Plan } from '../train/trainer.ts';
import type { CellOutcome } from './outcome.ts';

export type CellRequest =
  | {
      readonly kind: 'run';
      readonly folder: string;
      readonly config: TrainConfig;
      /** Of the free memory that this process may count on. */
      readonly share: number;
    }
  | { readonly kind: 'stop' };

export type CellReply =
  /** Steps taken, of how many. */
  | { readonly kind: 'step'; readonly step: number; readonly totalSteps: number }
  /** It was stopped and has saved. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'over'; readonly outcome: Omit<CellOutcome, 'trainImages'> };

/** Between two messages of where a cell is. */
const EVERY_MS = 250;
/** How long a process of a killed study may take for the step in which it learns of that. */
const LEAVING_MS = 120_000;

let isStopping = false;

process.on('SIGINT', () => {});
process.on('SIGTERM', () => {
  isStopping = true;
});
// The runner is gone: a resumed study may want the cell at once.
process.on('disconnect', () => process.exit());
process.on('message', (request: CellRequest) => {
  if (request.kind === 'stop') isStopping = true;
  else
    void run(request).then((reply) => {
      if (process.connected) process.send?.(reply);
    });
});

async function run({ folder, config, share }: Extract<CellRequest, { kind: 'run' }>): Promise<CellReply> {
  let plan: Plan | undefined;
  let reported = Number.NEGATIVE_INFINITY;
  const observer: RunObserver = {
    note() {},
    started(started) {
      plan = started;
    },
    step({ step }) {
      if (performance.now() - reported < EVERY_MS) return;
      reported = performance.now();
      const reply: CellReply = { kind: 'step', step, totalSteps: plan?.totalSteps ?? step };
      if (process.connected) process.send?.(reply);
    },
    evaluated() {},
    shouldStop: () => isStopping,
  };
  const over = (state: CellOutcome['state'], message: string | null): CellReply => ({
    kind: 'over',
    outcome: {
      state,
      message,
      warmupSteps: plan?.warmupSteps ?? null,
      totalSteps: plan?.totalSteps ?? null,
    },
  });
  let lock: RunLock | undefined;
  try {
    await makeFolder(path.dirname(folder));
    await makeFolder(folder);
    lock = await lockRun(folder, { waitMs: LEAVING_MS });
    const { outcome } = await begin(folder, config, share, observer, lock);
    return outcome === 'done' ? over('done', null) : { kind: 'stopped' };
  } catch (error) {
    if (error instanceof DivergedError) return over('diverged', error.message);
    return over('failed', reasonOf(error));
  } finally {
    await lock?.release();
  }
}

/** Trains from the last checkpoint, or from the beginning where there is none. */
async function begin(
  folder: string,
  config: TrainConfig,
  share: number,
  observer: RunObserver,
  lock: RunLock,
) {
  if (await hasCheckpoint(folder)) {
    const checkpoint = await loadCheckpoint(folder);
    const saved = parseConfig(checkpoint.config, await documentFile(folder));
    const graph = await openGraph(saved.graph);
    return trainRun(folder, { config: saved, graph }, observer, checkpoint, lock);
  }
  // What is there began and did not get as far as a checkpoint.
  await emptyRunFolder(folder);
  return trainRun(folder, await prepareRun(config, share), observer, undefined, lock);
}

function reasonOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return `internal error: ${messageOf(error).split('\n', 1)[0]}`;
}
