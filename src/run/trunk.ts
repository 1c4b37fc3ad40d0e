/** Batches as a task reads them, where its data go through a part that only runs first (`Trunk`). Also for browsers. */

import { createSession } from '#runtime';
import { type Batch, emptyField, type FieldData } from '../data/batch.ts';
import { copyInto } from '../data/copy-example.ts';
import { UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Session, SessionOptions, Tensor } from '../runtime/session.ts';
import type { Fields, Task } from '../tasks/task.ts';

/** Data → fields of a task. */
export interface TrunkRunner {
  /** The batch with the task's fields in place of the data's. */
  fields(batch: Batch): Promise<Batch>;
  release(): Promise<void>;
}

/** What batches come from, one epoch after the other: a loader, say. */
export interface BatchSource {
  batches(from: { readonly epoch: number; readonly fromBatch?: number | undefined }): AsyncIterable<Batch>;
  close(): Promise<void>;
}

/**
 * Loads the graphs of a task's trunk; undefined where it has none. ONNX Runtime's own rewrites are on, since these graphs
 * hold their weights. Throws an error where ONNX Runtime cannot load one.
 */
export async function openTrunk(
  { fields, trunk }: Pick<Task, 'fields' | 'trunk'>,
  options: SessionOptions,
): Promise<TrunkRunner | undefined> {
  if (!trunk) return undefined;
  const loaded: Session[] = [];
  const release = async (): Promise<void> => {
    await Promise.all(loaded.map((session) => session.release()));
  };
  try {
    for (const { bytes } of trunk.graphs) {
      loaded.push(await createSession(bytes(), { ...options, optimize: true }));
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    async fields(batch) {
      let known = tensorsOf(trunk.fields, batch);
      for (const [at, session] of loaded.entries()) {
        const { inputs = {}, outputs = {}, batch: size = batch.examples } = trunk.graphs[at] ?? {};
        const feeds = Object.entries(inputs).map(([name, from]) => [name, tensorNamed(known, from)]);
        const given = await runInParts(session, Object.fromEntries(feeds), Object.keys(outputs), {
          ...{ size, examples: batch.examples },
        });
        const named = Object.entries(outputs).map(([output, name]) => [name, tensorNamed(given, output)]);
        known = { ...known, ...Object.fromEntries(named) };
      }
      return { ...batch, fields: dataOf(fields, known, batch.examples) };
    },
    release,
  };
}

/** A source whose batches go through a trunk. Closing it does not release the trunk, which others may use. */
export function throughTrunk<S extends BatchSource>(source: S, trunk: TrunkRunner | undefined): S {
  if (!trunk) return source;
  return {
    ...source,
    async *batches(from: Parameters<BatchSource['batches']>[0]) {
      for await (const batch of source.batches(from)) yield trunk.fields(batch);
    },
  };
}

/** Runs a graph on `size` examples at a time. The last are filled up with zeros where they are fewer. */
async function runInParts(
  session: Session,
  feeds: Tensors,
  outputs: readonly string[],
  { size, examples }: { readonly size: number; readonly examples: number },
): Promise<Tensors> {
  if (size === examples) return session.run(feeds, outputs);
  const parts: Tensors[] = [];
  for (let first = 0; first < examples; first += size) {
    const part = Object.entries(feeds).map(([name, { dtype, shape, data }]): [string, Tensor] => {
      const each = data.length / examples;
      const out = emptyField(dtype, size * each);
      copyInto(out, data.subarray(first * each, Math.min(first + size, examples) * each), 0);
      return [name, { dtype, shape: [size, ...shape.slice(1)], data: out }];
    });
    parts.push(await session.run(Object.fromEntries(part), outputs));
  }
  return Object.fromEntries(
    outputs.map((name): [string, Tensor] => {
      const { dtype, shape, data } = tensorNamed(parts[0] ?? {}, name);
      const each = data.length / size;
      const out = emptyField(dtype, examples * each);
      parts.forEach((part, i) => {
        const count = Math.min(size, examples - i * size);
        copyInto(out, tensorNamed(part, name).data.subarray(0, count * each), i * size * each);
      });
      return [name, { dtype, shape: [examples, ...shape.slice(1)], data: out }];
    }),
  );
}

type Tensors = Readonly<Record<string, Tensor>>;

function tensorNamed(tensors: Tensors, name: string): Tensor {
  const tensor = tensors[name];
  if (tensor) return tensor;
  throw new Error(`internal: the trunk has no ${name} among ${Object.keys(tensors).join(', ')}`);
}

function tensorsOf(fields: Fields, { fields: data, examples }: Batch): Tensors {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]): [string, Tensor] => {
      const array = data[name];
      if (!array) throw new Error(`internal: a batch without ${name}`);
      return [name, { dtype, shape: [examples, ...shape], data: array }];
    }),
  );
}

function dataOf(fields: Fields, tensors: Tensors, examples: number): Record<string, FieldData> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => {
      const tensor = tensorNamed(tensors, name);
      const wanted = examples * sizeOf(shape);
      if (tensor.dtype === dtype && tensor.data.length === wanted) return [name, tensor.data];
      throw new UserError(
        `${name}: the part of the model that only runs gives ${tensor.dtype} [${tensor.shape.join(', ')}] for ${examples} examples, expected ${dtype} [${[examples, ...shape].join(', ')}]`,
      );
    }),
  );
}
