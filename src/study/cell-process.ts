/**
 * A process that trains cells for the runner, one after the other: a cell that takes the process down with it (no memory
 * left, a crash in native code) takes nothing else. Interrupts are the runner's to handle; it says when to stop.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openGraph } from '../artifacts/store.ts';
import { messageOf, UserError } from '../errors.ts';
import { hasCheckpoint, loadCheckpoint } from '../train/checkpoint-folder.ts';
import { configText, parseConfig, type TrainConfig } from '../train/config.ts';
import { prepareRun, type RunObserver, trainRun } from '../train/run.ts';
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
  try {
    await claim(folder);
    const { outcome } = await begin(folder, config, share, observer);
    return outcome === 'done' ? over('done', null) : { kind: 'stopped' };
  } catch (error) {
    if (error instanceof DivergedError) return over('diverged', error.message);
    return over('failed', reasonOf(error));
  } finally {
    await release(folder);
  }
}

/** How long a process of a killed study may take for the step in which it learns of that. */
const LEAVING_MS = 120_000;

const claimFile = (folder: string): string => `${folder}.pid`;

/** Two processes must not train one cell: waits for one that is leaving. Throws UserError where it stays. */
async function claim(folder: string): Promise<void> {
  const file = claimFile(folder);
  await mkdir(path.dirname(file), { recursive: true });
  for (const end = performance.now() + LEAVING_MS; ; await setTimeout(50)) {
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    if (owner === 0 || !isAlive(owner)) break;
    if (performance.now() > end) {
      throw new UserError(
        `${folder}: process ${owner} is training this cell; let it end, or delete ${file} if that process is another program`,
      );
    }
  }
  await writeFile(file, String(process.pid));
}

async function release(folder: string): Promise<void> {
  const file = claimFile(folder);
  if ((await readFile(file, 'utf8').catch(() => '')) === String(process.pid)) await rm(file);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Trains from the last checkpoint, or from the beginning where there is none. */
async function begin(folder: string, config: TrainConfig, share: number, observer: RunObserver) {
  if (await hasCheckpoint(folder)) {
    const checkpoint = await loadCheckpoint(folder);
    const saved = parseConfig(checkpoint.config, folder);
    return trainRun(folder, { config: saved, graph: await openGraph(saved.graph) }, observer, checkpoint);
  }
  // What is there began and did not get as far as a checkpoint.
  await rm(folder, { recursive: true, force: true });
  const prepared = await prepareRun(config, share);
  return trainRun(folder, prepared, observer, undefined, async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'config.json'), configText(prepared.config));
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return `internal error: ${messageOf(error).split('\n', 1)[0]}`;
}
