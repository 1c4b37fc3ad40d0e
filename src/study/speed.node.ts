/** Measures how fast a study's graphs run here, to estimate its time. */
import { availableParallelism } from 'node:os';
import { createSession, expectDevice } from '#runtime';
import { ensureArtifact } from '../artifacts/store.node.ts';
import { emptyBatch } from '../data/batch.ts';
import { createEngine } from '../run/engine.ts';
import { prepareRun } from '../run/prepare.node.ts';
import { VariableArrays } from '../run/variables.ts';
import type { PlannedCell } from './plan.node.ts';

/** Timed runs. The run before them is slower and is not timed. */
const RUNS = 2;

/**
 * The seconds that each cell's gradients take when `jobs` cells run in parallel. One gradient of each graph is timed,
 * and scaled by the operations of all. Evaluation, checkpoints and start-up are not included. Throws a UserError where
 * a graph does not run here.
 */
export async function estimateSeconds(
  cells: readonly PlannedCell[],
  jobs: number,
): Promise<Map<PlannedCell, number>> {
  const rates = new Map<string, number>();
  const seconds = new Map<PlannedCell, number>();
  for (const cell of cells) {
    const rate = rates.get(cell.config.graph) ?? (await measure(cell, jobs));
    rates.set(cell.config.graph, rate);
    seconds.set(cell, cell.flops / rate);
  }
  return seconds;
}

/** Floating-point operations of matrix products per second. */
async function measure(cell: PlannedCell, jobs: number): Promise<number> {
  const { config, graph } = await prepareRun({ ...cell.config, gr: 'none' }, 1 / jobs);
  const { device, microBatch, memory = 'fast' } = config;
  await expectDevice(device);
  const { manifest, file } = await ensureArtifact(graph, { microBatch, memory }, ['loss-grad']);
  const variables = new VariableArrays(manifest, 0);
  variables.initialize(0);
  const threads = config.threads || availableParallelism();
  const engine = createEngine({
    manifest,
    variables,
    seed: 0,
    load: (name) => createSession(file(name), { device, threads, keepsMemory: memory === 'fast' }),
  });
  const batch = emptyBatch(graph.task.fields, microBatch);
  const gradient = async (): Promise<void> => {
    await (await engine.pass(batch, { step: 0 })).derivatives.gradient();
  };
  await gradient();
  const begin = performance.now();
  for (let i = 0; i < RUNS; i++) await gradient();
  const seconds = (performance.now() - begin) / 1000 / RUNS;
  await engine.release();
  return (cell.gradientFlops * microBatch) / seconds;
}
