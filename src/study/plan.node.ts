/** What a study's cells will take, known before any of them runs. */
import { type GraphFolder, graphsOf, openGraph } from '../artifacts/store.node.ts';
import type { TrainConfig } from '../config/config.ts';
import { entryOf } from '../data/names.ts';
import { openDataset } from '../data/open.node.ts';
import { heldOutCount } from '../data/subset.ts';
import { UserError } from '../errors.ts';
import { datasetSource } from '../inference/source.ts';
import { matmulFlops } from '../passes/flops.ts';
import { planRun } from '../run/plan.ts';
import type { Cell } from './design.ts';

export interface PlannedCell extends Cell {
  readonly dataset: string;
  /** The graph's name without the dataset. */
  readonly model: string;
  /** Floating-point operations of one example's gradient, in matrix products. */
  readonly gradientFlops: number;
  /** Training examples in an epoch. */
  readonly trainExamples: number;
  readonly totalSteps: number;
  /** The steps in which the gradient is regularized. */
  readonly regularizedSteps: number;
  /** Floating-point operations of the matrix products of the whole run, without evaluation. */
  readonly flops: number;
}

/**
 * The cost of a regularized gradient in plain ones. A tangent costs two more; a finite difference needs a second one.
 */
const GRADIENTS: Readonly<Record<TrainConfig['gr'], number>> = {
  none: 1,
  exact: 3,
  fd: 2,
  sam: 2,
  asam: 2,
  gsam: 2,
  looksam: 2,
};

/**
 * Opens the cells' graphs and datasets. `data` is the folder of datasets that do not come with the project. With
 * `officialSizes`, a dataset without a folder is taken to have its official number of images. Throws a UserError where
 * a file is missing or does not fit.
 */
export async function planCells(
  cells: readonly Cell[],
  { data, officialSizes = false }: { readonly data: string | undefined; readonly officialSizes?: boolean },
): Promise<PlannedCell[]> {
  const graphs = new Map<string, ReturnType<typeof open>>();
  const sizes = new Map<string, Promise<number>>();
  const planned: PlannedCell[] = [];
  for (const cell of cells) {
    const { id, config: given } = cell;
    const { graph, gradientFlops } = await once(graphs, given.graph, () => open(given.graph));
    const { spec } = graph;
    const folder = given.data ?? (entryOf(spec.dataset)?.isBundled ? undefined : data);
    const config: TrainConfig = { ...given, data: folder };
    // The number of images held out does not depend on the seed, so one dataset serves all seeds.
    const source = datasetSource({ ...config, seed: 0 }, graph);
    const trainExamples = await once(sizes, JSON.stringify(source), async () => {
      const official = entryOf(spec.dataset)?.trainSize;
      if (!officialSizes || folder !== undefined || official === undefined)
        return (await openDataset(source)).train.length;
      const inUse = Math.round(official * config.trainFraction);
      return source.holdOut === undefined ? inUse : inUse - heldOutCount(inUse, source.holdOut);
    });
    const { totalSteps, regularizer } = planRun(config, Math.floor(trainExamples / config.batchSize));
    if (totalSteps === 0) {
      throw new UserError(
        `${id}: ${trainExamples} training examples are fewer than one batch of ${config.batchSize}; lower batchSize or raise trainFraction`,
      );
    }
    let regularizedSteps = 0;
    for (let step = 0; step < totalSteps; step++) {
      const { active, reuses = false } = regularizer(step);
      if (active && !reuses) regularizedSteps++;
    }
    const gradients = totalSteps + regularizedSteps * (GRADIENTS[config.gr] - 1);
    planned.push({
      ...cell,
      config,
      dataset: spec.dataset,
      model: modelName(graph.name, spec.dataset),
      gradientFlops,
      trainExamples,
      totalSteps,
      regularizedSteps,
      flops: gradients * config.batchSize * gradientFlops,
    });
  }
  return planned;
}

/** `vit-micro` of the graph `vit-micro-mnist`. */
export function modelName(graph: string, dataset: string): string {
  return graph.endsWith(`-${dataset}`) ? graph.slice(0, -dataset.length - 1) : graph;
}

/** Floating-point operations of one example's gradient, in matrix products. Throws a UserError for an unknown graph. */
export async function gradientFlopsOf(name: string): Promise<number> {
  return (await open(name)).gradientFlops;
}

async function open(name: string): Promise<{ graph: GraphFolder; gradientFlops: number }> {
  const graph = await openGraph(name);
  const graphs = graphsOf(graph, { microBatch: 1, memory: 'fast' });
  return { graph, gradientFlops: matmulFlops(graphs.graph('loss-grad')) };
}

function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}
