/**
 * Runs a study's cells in parallel processes. It skips cells that are over and continues those that were interrupted.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { moduleBeside } from '../module-beside.node.ts';
import { makeFolder } from '../storage/run-folder.node.ts';
import type { CellReply, CellRequest } from './cell-process.node.ts';
import { type CellOutcome, readOutcome, writeOutcome } from './outcome.node.ts';
import type { PlannedCell } from './plan.node.ts';

export interface StudyObserver {
  /** Called for each cell when the study begins. `outcome` is undefined where the cell is still to be run. */
  found(cell: PlannedCell, outcome: CellOutcome | undefined): void;
  step(cell: PlannedCell, step: number): void;
  over(cell: PlannedCell, outcome: CellOutcome): void;
}

export interface RunningStudy {
  /** Resolves when all cells are over, or stopped after `stop`. Rejects where a cell's folder cannot be written. */
  readonly done: Promise<'done' | 'interrupted'>;
  /** Stops the study. The cells that run save a checkpoint first. */
  stop(): void;
}

export function cellFolder(study: string, { id }: { readonly id: string }): string {
  return join(study, 'cells', id);
}

/**
 * Runs the cells that are not over, `jobs` at a time. Diverged cells count as over: they would diverge again. Failed
 * cells are run again, since their failure may have had a cause outside, such as too little memory.
 */
export function runStudy(
  folder: string,
  cells: readonly PlannedCell[],
  jobs: number,
  observer: StudyObserver,
): RunningStudy {
  const processes = new Set<CellProcess>();
  let isStopping = false;
  let isFailed = false;

  const conclude = async (cell: PlannedCell, outcome: Omit<CellOutcome, 'trainExamples'>): Promise<void> => {
    const whole = { ...outcome, trainExamples: cell.trainExamples };
    const target = cellFolder(folder, cell);
    // A cell that failed early may have no folder yet. makeFolder() throws where the study's folder was removed.
    await makeFolder(dirname(target));
    await makeFolder(target);
    await writeOutcome(target, whole);
    observer.over(cell, whole);
  };

  const work = async (waiting: PlannedCell[]): Promise<void> => {
    let worker: CellProcess | undefined;
    try {
      for (let cell = waiting.shift(); cell && !isStopping && !isFailed; cell = waiting.shift()) {
        const current = cell;
        if (!worker?.isAlive()) {
          if (worker) processes.delete(worker);
          worker = startProcess();
          processes.add(worker);
        }
        const reply = await worker.run(
          { kind: 'run', folder: cellFolder(folder, current), config: current.config, share: 1 / jobs },
          (step) => observer.step(current, step),
        );
        if (reply.kind === 'over') await conclude(current, reply.outcome);
      }
    } catch (error) {
      isFailed = true;
      for (const process of processes) process.stop();
      throw error;
    } finally {
      await worker?.close();
    }
  };

  const all = async (): Promise<'done' | 'interrupted'> => {
    const waiting: PlannedCell[] = [];
    for (const cell of cells) {
      const outcome = await readOutcome(cellFolder(folder, cell));
      const isOver = outcome !== undefined && outcome.state !== 'failed';
      observer.found(cell, isOver ? outcome : undefined);
      if (!isOver) waiting.push(cell);
    }
    const results = await Promise.allSettled(
      Array.from({ length: Math.min(jobs, waiting.length) }, () => work(waiting)),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return isStopping ? 'interrupted' : 'done';
  };

  return {
    done: all(),
    stop() {
      isStopping = true;
      for (const process of processes) process.stop();
    },
  };
}

type Ending = Exclude<CellReply, { kind: 'step' }>;

interface CellProcess {
  /** Runs a cell. Never rejects: where the process dies, the cell has failed. */
  run(request: Extract<CellRequest, { kind: 'run' }>, step: (step: number) => void): Promise<Ending>;
  isAlive(): boolean;
  stop(): void;
  close(): Promise<void>;
}

/** The most characters kept of what a process last wrote to stderr, to say why it died. */
const TAIL = 500;

function startProcess(): CellProcess {
  const child = fork(fileURLToPath(moduleBeside('cell-process.node', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let tail = '';
  child.stderr?.on('data', (text) => {
    tail = (tail + text).slice(-TAIL);
  });
  // 'exit' rather than 'close': node emits no 'close' after a disconnect from this side.
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null && child.connected;
  const send = (request: CellRequest): void => {
    // An error in sending is ignored: a process that has just died is noticed by its 'close'.
    if (child.connected) child.send(request, () => {});
  };
  let isStopping = false;
  return {
    async run(request, step) {
      return new Promise<Ending>((resolve) => {
        const finish = (ending: Ending): void => {
          child.off('message', hear);
          child.off('close', died);
          resolve(ending);
        };
        const hear = (reply: CellReply): void => {
          if (reply.kind === 'step') step(reply.step);
          else finish(reply);
        };
        const died = (): void =>
          finish(isStopping ? { kind: 'stopped' } : { kind: 'over', outcome: death(child, tail) });
        child.on('message', hear);
        child.once('close', died);
        send(request);
      });
    },
    isAlive,
    stop() {
      isStopping = true;
      send({ kind: 'stop' });
    },
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function death({ exitCode, signalCode }: ChildProcess, tail: string): Omit<CellOutcome, 'trainExamples'> {
  const last = tail.trim().split('\n').at(-1) ?? '';
  const how = signalCode === null ? `exited with code ${exitCode}` : `was killed by ${signalCode}`;
  const likely = signalCode === 'SIGKILL' ? ': most likely out of memory; lower --jobs, or microBatch' : '';
  return {
    state: 'failed',
    message: `its process ${how}${likely}${last === '' ? '' : `: ${last}`}`,
    warmupSteps: null,
    totalSteps: null,
  };
}
