/**
 * A process that trains cells for the runner, one after the other. A cell can end its process (no memory left, a crash
 * in native code); the rest of the study then goes on. The runner handles interrupts and tells this process when to
 * stop.
 */
import path from 'node:path';
import { parseConfig, type TrainConfig } from '../config/config.ts';
import { messageOf, UserError } from '../errors.ts';
import type { Plan } from '../run/plan.ts';
import { openRunGraph, prepareRun } from '../run/prepare.node.ts';
import { type RunObserver, trainRun } from '../run/run.node.ts';
import { DivergedError } from '../run/trainer.ts';
import { documentFile, hasCheckpoint, loadCheckpoint } from '../storage/checkpoint-folder.node.ts';
import { emptyRunFolder, makeFolder } from '../storage/run-folder.node.ts';
import { lockRun, type RunLock } from '../storage/run-lock.node.ts';
import type { CellOutcome } from './outcome.node.ts';

export type CellRequest =
  | {
      readonly kind: 'run';
      readonly folder: string;
      readonly config: TrainConfig;
      /** The part of the free memory that this process may count on, 0 to 1. */
      readonly share: number;
    }
  | { readonly kind: 'stop' };

export type CellReply =
  /** `step` of `totalSteps` steps are taken. */
  | { readonly kind: 'step'; readonly step: number; readonly totalSteps: number }
  /** The cell was stopped and has saved a checkpoint. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'over'; readonly outcome: Omit<CellOutcome, 'trainExamples'> };

/** The least time between two messages of a cell's step. */
const EVERY_MS = 250;
/** How long this process may take to end once the study was killed: it notices that only after the step at hand. */
const LEAVING_MS = 120_000;

let isStopping = false;

process.on('SIGINT', () => {});
process.on('SIGTERM', () => {
  isStopping = true;
});
// The runner is gone. A resumed study may want the cell at once, so this process leaves it.
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
  const over = (
    state: CellOutcome['state'],
    message: string | null,
    told: Pick<CellOutcome, 'metrics'> = {},
  ): CellReply => ({
    kind: 'over',
    outcome: {
      state,
      message,
      warmupSteps: plan?.warmupSteps ?? null,
      totalSteps: plan?.totalSteps ?? null,
      ...told,
    },
  });
  let lock: RunLock | undefined;
  try {
    await makeFolder(path.dirname(folder));
    await makeFolder(folder);
    lock = await lockRun(folder, { waitMs: LEAVING_MS });
    const { outcome, metrics } = await begin(folder, config, share, observer, lock);
    return outcome === 'done' ? over('done', null, { metrics: [...metrics] }) : { kind: 'stopped' };
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
    const graph = await openRunGraph(saved);
    return trainRun(folder, { config: saved, graph }, observer, checkpoint, lock);
  }
  // Files in the folder are of a run that ended before its first checkpoint.
  await emptyRunFolder(folder);
  return trainRun(folder, await prepareRun(config, share), observer, undefined, lock);
}

function reasonOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return `internal error: ${messageOf(error).split('\n', 1)[0]}`;
}
