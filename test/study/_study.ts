/** A study of a few seconds, on the program tests' small graph and data. */
import { expandDesign, parseDesign } from '../../src/study/design.ts';
import { type PlannedCell, planCells } from '../../src/study/plan.node.ts';
import { workspace } from '../cli/_program.ts';

export function smallDesign(): { folder: string; graph: string; data: string; design: object } {
  const { folder, graph, data } = workspace();
  const design = {
    data,
    base: {
      graph,
      batchSize: 16,
      epochs: 6,
      warmupEpochs: 2,
      threads: 1,
      checkpointEvery: 3,
      learningRate: 0.01,
    },
    axes: {
      gr: { none: { gr: 'none' }, zero: { gr: 'fd', r: 0.1, alpha: 1, grWarmup: 'zero' } },
      seed: [0, 1],
    },
  };
  return { folder, graph, data, design };
}

export async function plannedCells(design: object): Promise<PlannedCell[]> {
  const parsed = parseDesign(design, 'test');
  return planCells(expandDesign(parsed, 'test').cells, { data: parsed.data });
}
