/** Batches as a task reads them, where its data go through a part that only runs first (`Trunk`). Also for browsers. */
import { createSession } from '#runtime';
import type { Batch, FieldData } from '../data/batch.ts';
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
        const { inputs = {}, outputs = {} } = trunk.graphs[at] ?? {};
        const feeds = Object.entries(inputs).map(([name, from]) => [name, tensorNamed(known, from)]);
        const given = await session.run(Object.fromEntries(feeds), Object.keys(outputs));
        const named = Object.entries(outputs).map(([output, name]) => [
          name,
          tensorNamed(given, output),
        ]);
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
