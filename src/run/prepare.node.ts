/** Before a run: its graph, and how it fits into memory. */
import { existsSync } from 'node:fs';
import { freemem } from 'node:os';
import path from 'node:path';
import type { MemoryVariant } from '../artifacts/graphs.ts';

import { type GraphFolder, graphsOf, openGraph, openModule, withSpec } from '../artifacts/store.node.ts';
import type { TrainConfig } from '../config/config.ts';
import { DATASET_NAMES, entryOf, usualBytes } from '../data/names.ts';
import { expectDataFolder } from '../data/open.node.ts';
import { nearestName, UserError } from '../errors.ts';
import { datasetSource, specInUse } from '../inference/source.ts';
import { TEST_BATCH } from './data.node.ts';
import { estimateMemory } from './memory-estimate.ts';
import { chooseMemory, gigabytes } from './micro-batch.ts';

export interface PreparedRun {
  readonly config: TrainConfig;
  readonly graph: GraphFolder;
  /** Estimated bytes at the peak. */
  readonly bytes: number;
  readonly note: string;
  /** What the user should know of the choice. */
  readonly warning?: string;
}

/** Opens the graph that a config names, or the module of its own that takes the graph's place. Throws UserError. */
export async function openRunGraph(config: TrainConfig): Promise<GraphFolder> {
  const { graph, model, dataset, batchSize } = config;
  if (model === undefined) {
    if (dataset === undefined) {
      const opened = await openGraph(graph);
      return withSpec(opened, specInUse(opened.spec, config));
    }
    throw new UserError('--dataset: a graph names its dataset itself; give --dataset with --model only');
  }
  if (!existsSync(model)) {
    throw new UserError(`--model ${model}: no such file; expected a module that exports task`);
  }
  // A module without a dataset of another name exports `open` itself.
  const examples = dataset === undefined || !entryOf(dataset) ? path.resolve(dataset ?? model) : dataset;
  if (dataset !== undefined) expectDataset(dataset, examples);
  return openModule(model, { dataset: examples, microBatch: batchSize });
}

function expectDataset(given: string, file: string): void {
  if (entryOf(given) || existsSync(file)) return;
  const nearest = nearestName(given, DATASET_NAMES);
  throw new UserError(
    `--dataset ${given}: no such file, nor one of ${DATASET_NAMES.join(', ')}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
  );
}

/**
 * Opens the graph that a config names, and chooses the micro-batch and the memory level. The run may use `share` of the
 * free memory. Throws UserError.
 */
export async function prepareRun(given: TrainConfig, share = 1): Promise<PreparedRun> {
  const graph = await openRunGraph(given);
  expectDataFolder(datasetSource(given, graph));
  const config = staysOnDevice(given)
    ? { ...given, microBatch: given.microBatch || given.batchSize, memory: given.memory ?? 'fast' }
    : given;
  const variantOf = (variant: MemoryVariant) => graphsOf(graph, { ...variant, freeze: config.freeze });
  const { coupled } = variantOf({ microBatch: config.batchSize, memory: 'fast' }).pass;
  const free = share * freeBytes();
  const data = { bytes: usualBytes(graph.spec.dataset), testBatch: TEST_BATCH };
  const group = { ...config, batchSize: config.batchSize / config.perturbationGroups };
  const { microBatch, memory, bytes, fits } = chooseMemory(
    graph.spec,
    // A batch whose examples see each other is not cut unless the user says so: it would be another batch to them.
    coupled && config.microBatch === 0 ? { ...group, microBatch: group.batchSize } : group,
    (variant) => estimateMemory(variantOf(variant), config, data),
    free,
  );
  const warning = fits ? '' : `, of ${gigabytes(free)} that are free`;
  return {
    config: { ...config, microBatch, memory },
    graph,
    bytes,
    ...(coupled &&
      microBatch < config.batchSize && { warning: coupledWarning(microBatch, config.batchSize) }),
    note: `${graph.name}: batch ${config.batchSize}, micro-batch ${microBatch}, memory ${memory}, about ${gigabytes(bytes)} at the peak${warning}`,
  };
}

function coupledWarning(microBatch: number, batchSize: number): string {
  return `examples of a batch see each other in this model: with --micro-batch ${microBatch} each sees ${microBatch} in place of ${batchSize}, which changes what is trained`;
}

/** On WebGPU the state stays on the device, and a step is one run of one graph. */
export function staysOnDevice({ device }: TrainConfig): boolean {
  return device === 'webgpu';
}

/** The machine's free memory, or the container's limit if that is smaller. */
function freeBytes(): number {
  const limit = process.constrainedMemory();
  return limit ? Math.min(freemem(), limit) : freemem();
}
