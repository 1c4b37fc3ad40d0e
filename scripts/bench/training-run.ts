/** A training run whose steps are timed: what bench-loop.ts and bench-diagnostics.ts share. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { integer, type OptionTable, text } from '../../src/config/options.ts';
import type { Plan } from '../../src/run/plan.ts';
import type { PreparedRun } from '../../src/run/prepare.node.ts';
import { trainRun } from '../../src/run/run.node.ts';

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

/** Trains in a folder that is removed afterwards. Returns when each step ended, and the plan of the run. */
export async function timedRun(
  prepared: PreparedRun,
): Promise<{ readonly ends: readonly number[]; readonly plan: Plan }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ortgrad-run-'));
  const ends: number[] = [];
  try {
    const { plan } = await trainRun(folder, prepared, {
      step: () => ends.push(performance.now()),
    });
    return { ends, plan };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
