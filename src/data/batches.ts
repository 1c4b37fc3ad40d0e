/** Mini-batches depend only on (seed, epoch, step), so that a resumed run sees the same ones as an uninterrupted run. */
import { sizeOf } from '../onnx/shapes.ts';
import type { OwnedIndices } from '../owned-array.ts';
import { permutation, Random } from '../random.ts';
import type { Fields } from '../tasks/task.ts';
import { type Batch, emptyField } from './batch.ts';
import { copyExample } from './copy-example.ts';
import { BrokenExample, type Draw, type Split } from './dataset.ts';

export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Whether examples are read for training, with draws: augmented, where the dataset does that. */
  readonly augment: boolean;
  /** Whether a last batch of fewer than `batchSize` examples is left out. */
  readonly dropLast: boolean;
  /** As in `Assembly`: where it is given, broken examples are skipped. */
  readonly skipped?: Skipped;
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

/** Told of a broken example, and of its number in the split. */
export type Skipped = (error: BrokenExample, index: number) => void;

/** How the examples of a batch are read. */
export interface Assembly {
  readonly epoch?: number;
  readonly step?: number;
  /** Examples are read for training, with draws. */
  readonly seed?: number;
  /**
   * Told of each broken example, which is skipped: where the batch must stay `whole`, the next one of the split that is
   * not broken takes its place, and otherwise it is left out. Without it, a broken example is an error.
   */
  readonly skipped?: Skipped | undefined;
  readonly whole?: boolean;
}

/** The examples at `indices`, read straight into the arrays of a batch. Throws UserError for a broken example. */
export async function assembleBatch(
  fields: Fields,
  split: Split,
  indices: OwnedIndices,
  { epoch = 0, step = 0, seed, skipped, whole = false }: Assembly = {},
): Promise<Batch> {
  const examples = indices.length;
  const out = Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => [
      name,
      emptyField(dtype, examples * sizeOf(shape)),
    ]),
  );
  const drawOf = (index: number): Draw | undefined =>
    seed === undefined ? undefined : { seed, epoch, index, step };
  const broken: number[] = [];
  // Most datasets read at once; a promise for each of their examples would cost more than the reading.
  const reading: Promise<void>[] = [];
  indices.forEach((index, at) => {
    if (skipped) {
      const another = whole ? split.length - 1 : 0;
      const read = readOrSkip(split, { index, another, out, at, draw: drawOf(index) }, skipped);
      reading.push(read.then((isThere) => void (isThere || broken.push(at))));
      return;
    }
    const read = split.read(index, out, at, drawOf(index));
    if (read) reading.push(read);
  });
  if (reading.length > 0) await Promise.all(reading);
  if (seed !== undefined) split.mix?.(out, examples, { seed, epoch, step });
  const batch = { fields: out, examples, indices, epoch, step };
  return broken.length === 0 ? batch : without(broken, batch, fields);
}

/** Whether the example, or one of `another` that follow it in the split, was read. */
async function readOrSkip(
  split: Split,
  {
    index,
    another,
    out,
    at,
    draw,
  }: {
    readonly index: number;
    readonly another: number;
    readonly out: Batch['fields'];
    readonly at: number;
    readonly draw: Draw | undefined;
  },
  skipped: Skipped,
): Promise<boolean> {
  for (let more = 0; ; more++) {
    const number = (index + more) % split.length;
    try {
      await split.read(number, out, at, draw);
      return true;
    } catch (error) {
      if (!(error instanceof BrokenExample)) throw error;
      skipped(error, number);
      if (more < another) continue;
      if (another > 0) throw error;
      return false;
    }
  }
}

/** The batch without the examples at some of its places. */
function without(places: readonly number[], batch: Batch, fields: Fields): Batch {
  const kept = Array.from(batch.indices.keys()).filter((at) => !places.includes(at));
  return {
    ...batch,
    examples: kept.length,
    indices: Uint32Array.from(kept, (at) => batch.indices[at] ?? 0),
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, { dtype, shape }]) => {
        const size = sizeOf(shape);
        const [from, to] = [batch.fields[name], emptyField(dtype, kept.length * size)];
        kept.forEach((at, i) => {
          copyExample(name, from, size, at, to, i);
        });
        return [name, to];
      }),
    ),
  };
}

/** All batches of `split`. The order of one epoch, the last one that was asked for, is kept in memory. */
export function batchesOf(fields: Fields, split: Split, options: BatchOptions): Batches {
  const { batchSize, seed, shuffle, augment, dropLast, skipped } = options;
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
      return assembleBatch(fields, split, indices, {
        ...{ epoch, step, skipped, whole: dropLast },
        ...(augment && { seed }),
      });
    },
  };
}

/** The batches of an epoch one after the other, as a run takes them. */
export function inSequence({ perEpoch, batch }: Batches): {
  batches(from: { readonly epoch: number; readonly fromBatch?: number | undefined }): AsyncIterable<Batch>;
} {
  return {
    async *batches({ epoch, fromBatch = 0 }) {
      for (let step = fromBatch; step < perEpoch; step++) {
        const next = await batch(epoch, step);
        // Of a batch that is broken as a whole nothing is left.
        if (next.examples > 0) yield next;
      }
    },
  };
}
