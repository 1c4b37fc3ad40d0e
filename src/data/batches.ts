/** Mini-batches depend only on (seed, epoch, step), so that a resumed run sees the same ones as an uninterrupted run. */
import { sizeOf } from '../onnx/shapes.ts';
import type { OwnedIndices } from '../owned-array.ts';
import { permutation, Random } from '../random.ts';
import type { Fields } from '../tasks/task.ts';
import { type Batch, emptyField } from './batch.ts';
import type { Split } from './dataset.ts';

export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Whether examples are read for training, with draws: augmented, where the dataset does that. */
  readonly augment: boolean;
  /** Whether a last batch of fewer than `batchSize` examples is left out. */
  readonly dropLast: boolean;
}

/** Examples to train with: an epoch leaves out what does not fill a batch. */
export const TO_TRAIN = { augment: true, dropLast: true } as const;

/** Every example once, in the split's order and as it is: to measure and to predict. */
export const IN_ORDER = { seed: 0, shuffle: false, augment: false, dropLast: false } as const;

/** The batches of a split, at random access. */
export interface Batches {
  readonly perEpoch: number;
  batch(epoch: number, step: number): Promise<Batch>;
}

export function batchesPerEpoch(
  length: number,
  { batchSize, dropLast }: Pick<BatchOptions, 'batchSize' | 'dropLast'>,
): number {
  return dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

/** The order in which an epoch visits 0 … length − 1. */
export function epochOrder(length: number, seed: number, epoch: number, shuffle: boolean): OwnedIndices {
  return shuffle
    ? permutation(length, new Random(seed, 'shuffle', epoch))
    : Uint32Array.from({ length }, (_, i) => i);
}

/** The examples at `indices`, read straight into the arrays of a batch; with a seed for training, with draws. */
export async function assembleBatch(
  fields: Fields,
  split: Split,
  indices: OwnedIndices,
  {
    epoch = 0,
    step = 0,
    seed,
  }: { readonly epoch?: number; readonly step?: number; readonly seed?: number } = {},
): Promise<Batch> {
  const examples = indices.length;
  const out = Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => [
      name,
      emptyField(dtype, examples * sizeOf(shape)),
    ]),
  );
  // Most datasets read at once; a promise for each of their examples would cost more than the reading.
  const reading: Promise<void>[] = [];
  indices.forEach((index, at) => {
    const read = split.read(index, out, at, seed === undefined ? undefined : { seed, epoch, index });
    if (read) reading.push(read);
  });
  if (reading.length > 0) await Promise.all(reading);
  return { fields: out, examples, indices, epoch, step };
}

/** All batches of `split`. The order of one epoch, the last one that was asked for, is kept in memory. */
export function batchesOf(fields: Fields, split: Split, options: BatchOptions): Batches {
  const { batchSize, seed, shuffle, augment } = options;
  const perEpoch = batchesPerEpoch(split.length, options);
  let current: { epoch: number; order: OwnedIndices } | undefined;
  return {
    perEpoch,
    async batch(epoch, step) {
      if (!(step >= 0 && step < perEpoch)) throw new Error(`internal: batch ${step} of ${perEpoch}`);
      if (current?.epoch !== epoch) {
        current = { epoch, order: epochOrder(split.length, seed, epoch, shuffle) };
      }
      const indices = current.order.slice(step * batchSize, (step + 1) * batchSize);
      return assembleBatch(fields, split, indices, { epoch, step, ...(augment && { seed }) });
    },
  };
}

/** The batches of an epoch one after the other, as a run takes them. */
export function inSequence({ perEpoch, batch }: Batches): {
  batches(from: { readonly epoch: number; readonly fromBatch?: number | undefined }): AsyncIterable<Batch>;
} {
  return {
    async *batches({ epoch, fromBatch = 0 }) {
      for (let step = fromBatch; step < perEpoch; step++) yield await batch(epoch, step);
    },
  };
}
