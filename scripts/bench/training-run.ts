/** A training run whose steps are timed: what bench-loop.ts and bench-diagnostics.ts share. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { integer, type OptionTable, text } from '../../src/config/options.ts';
import type { Plan } from '../../src/run/images/trainer.ts';
import { type prepareRun, trainRun } from '../../src/run/run.node.ts';

/** What to train. */
export const RUN_FLAGS = {
  graph: text({
    group: 'Benchmark',
    help: 'What to train.',
    placeholder: 'NAME',
    default: 'vit-micro-mnist',
  }),
  data: text({
    group: 'Benchmark',
    help: 'Folder of the dataset.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: "as train's",
  }),
  batch: integer({ min: 1 }, { group: 'Benchmark', help: 'Images a step.', default: 64 }),
} as const satisfies OptionTable;

export type Prepared = Awaited<ReturnType<typeof prepareRun>>;

/** Trains in a folder that is removed afterwards. Returns when each step ended, and the plan of the run. */
export async function timedRun(
  prepared: Prepared,
): Promise<{ readonly ends: readonly number[]; readonly plan: Plan }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ortgrad-run-'));
  const ends: number[] = [];
  try {
    const { plan } = await trainRun(folder, prepared, {
      note() {},
      started() {},
      step: () => ends.push(performance.now()),
      evaluated() {},
      shouldStop: () => false,
    });
    return { ends, plan };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
