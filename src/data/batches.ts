/** Mini-batches depend only on (seed, epoch, step), so that a resumed run sees the same ones as an uninterrupted run. */
import type { OwnedFloats, OwnedIndices, OwnedInts } from '../owned-array.ts';
import { permutation, Random } from '../random.ts';
import { type Augmentation, drawPlacement, normalizationTable, writeNormalized } from './augment.ts';
import type { DatasetInfo, ImageSplit } from './dataset.ts';

export interface Batch {
  /** Normalised, [n, channels, height, width]. */
  readonly images: OwnedFloats;
  /** [n], each in [0, classes). */
  readonly labels: OwnedInts;
  /** [n]: the indices of the images in their split. */
  readonly indices: OwnedIndices;
  readonly epoch: number;
  /** Number of this batch within its epoch, from 0. */
  readonly step: number;
}

export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly augmentation: Augmentation;
  /** Whether a last batch of fewer than `batchSize` images is left out. */
  readonly dropLast: boolean;
}

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

/** Reads, augments and normalises the images at `indices`. `table` is `normalizationTable(info)`. */
export async function assembleBatch(
  info: DatasetInfo,
  split: ImageSplit,
  table: Float32Array,
  { seed, augmentation }: Pick<BatchOptions, 'seed' | 'augmentation'>,
  indices: OwnedIndices,
  epoch: number,
  step: number,
): Promise<Batch> {
  const size = info.channels * info.height * info.width;
  const pixels = new Uint8Array(indices.length * size);
  await Promise.all(Array.from(indices, (index, i) => split.read(index, pixels, i * size)));
  const images = new Float32Array(pixels.length);
  indices.forEach((index, i) => {
    const placement = drawPlacement(augmentation, seed, epoch, index);
    writeNormalized(pixels, i * size, info, table, placement, images, i * size);
  });
  const labels = Int32Array.from(indices, (index) => split.labels[index] ?? 0);
  return { images, labels, indices, epoch, step };
}

/** All batches of `split`. The order of one epoch, the last one that was asked for, is kept in memory. */
export function batchesOf(info: DatasetInfo, split: ImageSplit, options: BatchOptions): Batches {
  const { batchSize, seed, shuffle } = options;
  const table = normalizationTable(info);
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
      return assembleBatch(info, split, table, options, indices, epoch, step);
    },
  };
}
