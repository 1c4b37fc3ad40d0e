/** The examples of a run: its loaders, as its options and its graph say. */
import type { GraphFolder } from '../artifacts/store.node.ts';
import type { TrainConfig } from '../config/config.ts';
import type { Batch } from '../data/batch.ts';
import { IN_ORDER, TO_TRAIN } from '../data/batches.ts';
import type { DatasetSource, SplitName } from '../data/dataset.ts';
import { type Loader, openLoader } from '../data/loader.node.ts';
import { datasetSource } from '../inference/source.ts';
import type { SessionOptions } from '../runtime/session.ts';
import type { Task } from '../tasks/task.ts';
import { openTrunk, type TrunkRunner, throughTrunk } from './trunk.ts';

/** How many examples one run of the graph `evaluate` holds. */
export const TEST_BATCH = 100;

export interface RunData {
  readonly train: Loader;
  readonly validation: Loader | undefined;
  readonly test: Loader;
  close(): Promise<void>;
}

/**
 * Opens the loaders of a run; `note` is told what the user should know of the examples, while they are read too. Throws
 * UserError where the data are missing, broken, or do not fit the task.
 */
export async function openData(
  config: TrainConfig,
  graph: GraphFolder,
  note: (text: string) => void,
): Promise<RunData> {
  const source = datasetSource(config, graph);
  const { batchSize, seed } = config;
  const opened: Loader[] = [];
  let trunk: TrunkRunner | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([...opened.map((loader) => loader.close()), trunk?.release()]);
  };
  const open = async (loader: Promise<Loader>): Promise<Loader> => {
    opened.push(await loader);
    return throughTrunk(await loader, trunk);
  };
  try {
    trunk = await openTrunk(graph.task, config);
    const inUse = { split: 'train', batchSize, seed, shuffle: true, ...TO_TRAIN } as const;
    const train = await open(openLoader({ source, ...inUse, note }));
    const validation = train.hasValidation ? await open(openInOrder(source, 'validation', note)) : undefined;
    return { train, validation, test: await open(openInOrder(source, 'test', note)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The test examples of a task's dataset, in order, not augmented. `note` as in `openData`. */
export async function openTestLoader(
  { task, source }: { readonly task: Task; readonly source: DatasetSource },
  options: SessionOptions,
  note?: (text: string) => void,
): Promise<Loader> {
  const loader = await openInOrder(source, 'test', note);
  const trunk = await openTrunk(task, options).catch(async (error: unknown) => {
    await loader.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await Promise.all([loader.close(), trunk?.release()]);
  };
  return { ...throughTrunk(loader, trunk), close };
}

/** A batch of training examples, not augmented. It is the same for every seed, unless the seed holds out examples. */
export async function openFixedBatch(config: TrainConfig, graph: GraphFolder): Promise<Batch> {
  const loader = await openLoader({
    source: datasetSource(config, graph),
    ...{
      split: 'train',
      batchSize: config.batchSize,
      seed: 0,
      shuffle: true,
      dropLast: true,
      augment: false,
    },
    prefetch: 0,
  });
  let trunk: TrunkRunner | undefined;
  try {
    trunk = await openTrunk(graph.task, config);
    for await (const batch of throughTrunk(loader, trunk).batches({ epoch: 0 })) return batch;
    throw new Error('internal: a loader without a batch');
  } finally {
    await Promise.all([loader.close(), trunk?.release()]);
  }
}

function openInOrder(
  source: DatasetSource,
  split: SplitName,
  note: ((text: string) => void) | undefined,
): Promise<Loader> {
  return openLoader({ source, split, batchSize: TEST_BATCH, ...IN_ORDER, note });
}
