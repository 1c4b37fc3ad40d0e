/** A user's arrays as fields: checked once, before anything is trained, and gathered into batches. Also for browsers. */
import { counted } from '../counted.ts';
import { type Batch, cutFields, emptyField, type FieldData } from '../data/batch.ts';
import { epochOrder } from '../data/batches.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { BatchSource } from '../run/run.ts';
import type { Field, Fields, FieldType } from '../tasks/task.ts';

type Flat =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | readonly number[]
  | readonly boolean[];

/**
 * A field of every example, the batch axis first. Of a flat array each element is an example: of floating-point numbers
 * a column [batch, 1], of integers (labels, tokens) and booleans [batch]. `shape` says anything else: `[batch, 28, 28]`.
 * Lists of numbers and Float64Arrays become float32.
 */
export type Column = Flat | { readonly data: Flat; readonly shape: readonly number[] };

/** Fields by name, with the same number of examples each. */
export type Columns = Readonly<Record<string, Column>>;

/** Examples in arrays. */
export interface ArrayData {
  readonly fields: Fields;
  readonly arrays: Readonly<Record<string, FieldData>>;
  readonly length: number;
}

/**
 * Reads a user's arrays; `what` names the option in errors. `like` holds the fields that they must have: all of them, and
 * no others unless `more` names them. Throws UserError for a field that is none, fields of different lengths and numbers
 * that are not finite.
 */
export function readColumns(
  what: string,
  columns: Columns,
  { like, more = [] }: { readonly like?: Fields; readonly more?: readonly string[] } = {},
): ArrayData {
  if (typeof columns !== 'object' || columns === null || Object.keys(columns).length === 0) {
    throw new UserError(`${what}: expected arrays by the names of their fields, got ${show(columns)}`);
  }
  const wanted = like ? expectNames(what, Object.keys(columns), Object.keys(like), more) : undefined;
  const read = Object.entries(columns)
    .filter(([name]) => wanted?.includes(name) ?? true)
    .map(([name, column]) => ({ name, ...readColumn(`${what}: ${name}`, column) }));
  const [first] = read;
  const other = read.find(({ length }) => length !== first?.length);
  if (first && other) {
    throw new UserError(
      `${what}: ${first.name} has ${counted(first.length, 'example')} and ${other.name} has ${other.length}; expected a value of every field for each example`,
    );
  }
  for (const { name, field, data } of read) {
    const expected = like?.[name];
    if (expected) expectField(`${what}: ${name}`, field, expected);
    expectFiniteNumbers(`${what}: ${name}`, data, sizeOf(field.shape));
  }
  const byName = <T>(of: (column: (typeof read)[number]) => T): Record<string, T> =>
    Object.fromEntries(read.map((column) => [column.name, of(column)]));
  return {
    fields: byName(({ field }) => field),
    arrays: byName(({ data }) => data),
    length: first?.length ?? 0,
  };
}

/** The wanted names, all of which are there. */
function expectNames(
  what: string,
  names: readonly string[],
  wanted: readonly string[],
  more: readonly string[],
): readonly string[] {
  const unknown = names.find((name) => !wanted.includes(name) && !more.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, wanted);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new UserError(`${what}: expected no fields but ${wanted.join(', ')}, got ${show(unknown)}${hint}`);
  }
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new UserError(`${what}: expected the field ${missing}, got ${names.join(', ')}`);
  }
  return wanted;
}

function readColumn(what: string, column: Column): { field: Field; data: FieldData; length: number } {
  const shaped = isFlat(column) ? { data: column, shape: undefined } : column;
  if (typeof shaped !== 'object' || shaped === null || !isFlat(shaped.data)) {
    throw new UserError(
      `${what}: expected a typed array, a list of numbers or {data, shape}, got ${show(column)}`,
    );
  }
  const { dtype, data } = typed(what, shaped.data);
  const shape = shaped.shape ?? (dtype === 'float32' ? [data.length, 1] : [data.length]);
  if (!Array.isArray(shape) || shape.length === 0 || !shape.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new UserError(
      `${what}: shape: expected integers, the number of examples first, got ${show(shape)}`,
    );
  }
  if (sizeOf(shape) !== data.length) {
    throw new UserError(
      `${what}: shape ${show(shape)} holds ${counted(sizeOf(shape), 'element')}, got ${data.length}`,
    );
  }
  const [length = 0, ...rest] = shape;
  return { field: { dtype, shape: rest }, data, length };
}

function isFlat(column: unknown): column is Flat {
  return (
    Array.isArray(column) ||
    column instanceof Float32Array ||
    column instanceof Float64Array ||
    column instanceof Int32Array ||
    column instanceof BigInt64Array ||
    column instanceof Uint8Array
  );
}

function typed(what: string, flat: Flat): { readonly dtype: FieldType; readonly data: FieldData } {
  if (flat instanceof Float32Array) return { dtype: 'float32', data: flat };
  if (flat instanceof Float64Array) return { dtype: 'float32', data: Float32Array.from(flat) };
  if (flat instanceof Int32Array) return { dtype: 'int32', data: flat };
  if (flat instanceof BigInt64Array) return { dtype: 'int64', data: flat };
  if (flat instanceof Uint8Array) return { dtype: 'uint8', data: flat };
  const kind = typeof flat[0] === 'boolean' ? 'boolean' : 'number';
  const wrong = flat.findIndex((element) => typeof element !== kind);
  if (wrong >= 0) {
    throw new UserError(`${what}: example ${wrong}: expected a ${kind}, got ${show(flat[wrong])}`);
  }
  return kind === 'boolean'
    ? { dtype: 'bool', data: Uint8Array.from(flat, Number) }
    : { dtype: 'float32', data: Float32Array.from(flat, Number) };
}

function expectField(what: string, got: Field, expected: Field): void {
  if (got.dtype === expected.dtype && String(got.shape) === String(expected.shape)) return;
  const text = ({ dtype, shape }: Field): string => `${dtype} [${['batch', ...shape].join(', ')}]`;
  throw new UserError(`${what}: expected ${text(expected)}, as in data, got ${text(got)}`);
}

function expectFiniteNumbers(what: string, data: FieldData, size: number): void {
  if (!(data instanceof Float32Array)) return;
  const wrong = data.findIndex((x) => !Number.isFinite(x));
  if (wrong < 0) return;
  throw new UserError(
    `${what}: example ${Math.floor(wrong / size)}: expected finite numbers, got ${data[wrong]}; leave such examples out, or fill them in`,
  );
}

/** The examples at `indices`. */
export function gather({ fields, arrays }: ArrayData, indices: Uint32Array): Record<string, FieldData> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => {
      const from = arrays[name];
      if (!from) throw new Error(`internal: no field ${name}`);
      const size = sizeOf(shape);
      const out = emptyField(dtype, indices.length * size);
      indices.forEach((index, i) => {
        copy(out, i * size, from, index * size, size);
      });
      return [name, out];
    }),
  );
}

function copy(out: FieldData, at: number, from: FieldData, start: number, size: number): void {
  // For a number or a few, a loop is faster than a view.
  if (out instanceof BigInt64Array || from instanceof BigInt64Array) {
    if (out instanceof BigInt64Array && from instanceof BigInt64Array)
      out.set(from.subarray(start, start + size), at);
  } else if (size > 16) out.set(from.subarray(start, start + size), at);
  else for (let k = 0; k < size; k++) out[at + k] = from[start + k] ?? 0;
}

/** Some of the examples, in arrays of their own. */
export function pick(data: ArrayData, indices: Uint32Array): ArrayData {
  return { fields: data.fields, arrays: gather(data, indices), length: indices.length };
}

/** Batches in an order that depends on (seed, epoch) alone; what is left over at the end of an epoch waits for another. */
export function trainingBatches(
  data: ArrayData,
  {
    batchSize,
    seed,
    shuffle,
  }: { readonly batchSize: number; readonly seed: number; readonly shuffle: boolean },
): BatchSource {
  return {
    async *batches({ epoch, fromBatch = 0 }): AsyncGenerator<Batch> {
      const order = epochOrder(data.length, seed, epoch, shuffle);
      for (let step = fromBatch; (step + 1) * batchSize <= data.length; step++) {
        const indices = order.slice(step * batchSize, (step + 1) * batchSize);
        yield { fields: gather(data, indices), examples: batchSize, indices, epoch, step };
      }
    },
  };
}

/** Examples that evaluation and prediction take at once, at least. */
export const EVALUATED = 256;

/** All examples in their order, without copies. */
export function allBatches({ fields, arrays, length }: ArrayData, batchSize: number): BatchSource {
  return {
    async *batches({ epoch }): AsyncGenerator<Batch> {
      for (let from = 0, step = 0; from < length; from += batchSize, step++) {
        const to = Math.min(length, from + batchSize);
        const indices = Uint32Array.from({ length: to - from }, (_, i) => from + i);
        yield { fields: cutFields(arrays, fields, from, to), examples: to - from, indices, epoch, step };
      }
    },
  };
}
