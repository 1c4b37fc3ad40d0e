/** The examples of a run: its loaders, as its options and its graph say. */
import type { GraphFolder } from '../artifacts/store.node.ts';
import type { TrainConfig } from '../config/config.ts';
import type { Batch } from '../data/batch.ts';
import { IN_ORDER, TO_TRAIN } from '../data/batches.ts';
import type { DatasetSource, SplitName } from '../data/dataset.ts';
import { type Loader, openLoader } from '../data/loader.node.ts';
import { datasetSource } from '../inference/source.ts';

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
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((loader) => loader.close()));
  };
  const open = async (loader: Promise<Loader>): Promise<Loader> => {
    opened.push(await loader);
    return loader;
  };
  try {
    const inUse = { split: 'train', batchSize, seed, shuffle: true, ...TO_TRAIN } as const;
    const train = await open(openLoader({ source, ...inUse, note }));
    const validation = train.hasValidation ? await open(openInOrder(source, 'validation', note)) : undefined;
    return { train, validation, test: await open(openInOrder(source, 'test', note)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The test examples of a dataset, in order, not augmented. `note` as in `openData`. */
export function openTestLoader(source: DatasetSource, note?: (text: string) => void): Promise<Loader> {
  return openInOrder(source, 'test', note);
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
  try {
    for await (const batch of loader.batches({ epoch: 0 })) return batch;
    throw new Error('internal: a loader without a batch');
  } finally {
    await loader.close();
  }
}

function openInOrder(
  source: DatasetSource,
  split: SplitName,
  note: ((text: string) => void) | undefined,
): Promise<Loader> {
  return openLoader({ source, split, batchSize: TEST_BATCH, ...IN_ORDER, note });
}
