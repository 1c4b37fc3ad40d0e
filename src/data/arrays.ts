/** A dataset of arrays in memory, as `fit` takes them. Pure: also for browsers. */
import { show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Field, Fields } from '../tasks/task.ts';
import type { FieldData } from './batch.ts';
import type { Dataset, Split } from './dataset.ts';
import { flattened, type Nested } from './nested.ts';

/** Float64Array becomes float32; so do numbers in an ordinary array, unless the field says otherwise. */
type Numbers = FieldData | Float64Array | readonly number[];

/**
 * The examples of one field, the batch axis first: nested lists, or numbers row-major with a `shape` that includes the
 * batch axis. Numbers without a shape are of the shape that the fields say, and else one number an example.
 */
export type ArrayField = Numbers | Nested | { readonly data: Numbers; readonly shape: readonly number[] };

export interface ArraysOptions {
  readonly name?: string;
  /** What the fields are, where the arrays do not say it: labels in an ordinary array are int32. */
  readonly fields?: Fields;
  /** By which field examples are stratified where some are drawn; int32 []. Plainly at random without it. */
  readonly strata?: string;
  /** Arrays of the same fields to test with. Without them the test split is the training split. */
  readonly test?: Readonly<Record<string, ArrayField>>;
}

/**
 * A dataset whose training split is `arrays`. Typed arrays are used in place, and must not change while it is in use.
 * Throws a UserError that names the field whose dtype, shape or length is not right.
 */
export function arraysDataset(
  arrays: Readonly<Record<string, ArrayField>>,
  { name = 'arrays', fields: given, strata, test }: ArraysOptions = {},
): Dataset {
  const train = readArrays('data', arrays, given);
  const tests = test && readArrays('test', test, train.fields);
  const splitOf = (read: ReadArrays): Split => arraysSplit(read, strata);
  const bytes = [train, ...(tests ? [tests] : [])]
    .flatMap(({ columns }) => columns)
    .reduce((sum, { data }) => sum + data.byteLength, 0);
  return {
    name,
    fields: train.fields,
    found: `${train.length} examples in memory${tests ? `, ${tests.length} to test` : ''}`,
    about: {},
    bytes,
    train: splitOf(train),
    test: splitOf(tests ?? train),
  };
}

interface Column {
  readonly name: string;
  readonly data: FieldData;
  /** Elements of one example. */
  readonly size: number;
}

interface ReadArrays {
  readonly fields: Fields;
  readonly columns: readonly Column[];
  readonly length: number;
}

function arraysSplit({ columns, length }: ReadArrays, by: string | undefined): Split {
  const strata = by === undefined ? undefined : columns.find(({ name }) => name === by)?.data;
  if (by !== undefined && !(strata instanceof Int32Array && strata.length === length)) {
    throw new UserError(`strata: expected the name of an int32 field of shape [], got ${show(by)}`);
  }
  return {
    length,
    ...(strata instanceof Int32Array && { strata }),
    read(index, out, at) {
      for (const { name, data, size } of columns) copyExample(name, data, size, index, out[name], at);
    },
  };
}

/** Copies example `index` of a field to the place of example `at`. */
function copyExample(
  name: string,
  data: FieldData,
  size: number,
  index: number,
  out: FieldData | undefined,
  at: number,
): void {
  if (data instanceof BigInt64Array && out instanceof BigInt64Array) {
    out.set(data.subarray(index * size, (index + 1) * size), at * size);
  } else if (data instanceof BigInt64Array || !out || out instanceof BigInt64Array) {
    throw new Error(`internal: a batch with another type of ${name}`);
  } else if (size === 1) {
    out[at] = data[index] ?? 0; // A view for each number would cost more than the copy.
  } else out.set(data.subarray(index * size, (index + 1) * size), at * size);
}

function readArrays(
  what: string,
  arrays: Readonly<Record<string, ArrayField>>,
  given: Fields | undefined,
): ReadArrays {
  const names = Object.keys(given ?? arrays);
  if (names.length === 0) {
    throw new UserError(`${what}: expected at least one field, { x: new Float32Array(…) }, got none`);
  }
  for (const name of Object.keys(arrays)) {
    if (names.includes(name)) continue;
    throw new UserError(`${what}: ${name}: no such field; expected ${names.join(', ')}`);
  }
  const read = names.map((name) => readField(`${what}: ${name}`, name, arrays[name], given?.[name]));
  const lengths = read.map(({ column: { data, size } }) => data.length / size);
  const [length = 0] = lengths;
  if (lengths.some((each) => each !== length)) {
    const all = names.map((name, i) => `${name} has ${lengths[i]}`).join(', ');
    throw new UserError(`${what}: expected as many examples in each field, but ${all}`);
  }
  if (length === 0) throw new UserError(`${what}: expected at least one example, got none`);
  return {
    fields: Object.fromEntries(read.map(({ column: { name }, field }) => [name, field])),
    columns: read.map(({ column }) => column),
    length,
  };
}

function readField(
  where: string,
  name: string,
  given: ArrayField | undefined,
  expected: Field | undefined,
): { column: Column; field: Field } {
  if (given === undefined) throw new UserError(`${where}: expected an array, got none`);
  const { data, shape } = isNested(given)
    ? flattened(where, given)
    : isNumbers(given)
      ? { data: given, shape: undefined }
      : given;
  if (!isNumbers(data)) {
    throw new UserError(
      `${where}: expected a typed array, an array of numbers, or { data, shape }, got ${show(given)}`,
    );
  }
  if (shape && (shape.length === 0 || sizeOf(shape) !== data.length)) {
    throw new UserError(
      `${where}: expected a shape [examples, …] of ${data.length} numbers, got [${shape.join(', ')}]`,
    );
  }
  const exampleShape = shape?.slice(1) ?? expected?.shape ?? [];
  if (expected && exampleShape.join() !== expected.shape.join()) {
    throw new UserError(
      `${where}: expected examples of shape [${expected.shape.join(', ')}], got [${exampleShape.join(', ')}]`,
    );
  }
  const size = sizeOf(exampleShape);
  if (data.length % size !== 0) {
    throw new UserError(
      `${where}: expected a multiple of ${size} numbers, those of an example, got ${data.length}`,
    );
  }
  const field = { dtype: expected?.dtype ?? typeOf(data), shape: exampleShape };
  return { column: { name, data: converted(where, data, field.dtype), size }, field };
}

function isNested(given: ArrayField): given is Nested {
  return Array.isArray(given) && Array.isArray(given[0]);
}

function isNumbers(given: unknown): given is Numbers {
  return (
    Array.isArray(given) ||
    [Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array].some((type) => given instanceof type)
  );
}

function typeOf(data: Numbers): Field['dtype'] {
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  return data instanceof Uint8Array ? 'uint8' : 'float32';
}

/** The numbers as an array of the type; in place where they are one. */
function converted(where: string, data: Numbers, dtype: Field['dtype']): FieldData {
  const is = typeOf(data);
  const isTyped = !Array.isArray(data) && !(data instanceof Float64Array);
  if (isTyped && (is === dtype || (is === 'uint8' && dtype === 'bool')) && isFieldData(data)) return data;
  if (isTyped || data instanceof BigInt64Array) {
    throw new UserError(`${where}: expected ${dtype}, got ${is}`);
  }
  const numbers = Float64Array.from(data);
  const wrong = numbers.findIndex((value, i) => !fits(value, dtype) || typeof data[i] !== 'number');
  if (wrong >= 0) {
    throw new UserError(`${where}: expected numbers of ${dtype}, got ${show(data[wrong])} at ${wrong}`);
  }
  switch (dtype) {
    case 'float32':
      return Float32Array.from(numbers);
    case 'int32':
      return Int32Array.from(numbers);
    case 'int64':
      return BigInt64Array.from(Array.from(numbers, BigInt));
    case 'uint8':
    case 'bool':
      return Uint8Array.from(numbers);
  }
}

function isFieldData(data: Numbers): data is FieldData {
  return !Array.isArray(data) && !(data instanceof Float64Array);
}

function fits(value: number, dtype: Field['dtype']): boolean {
  switch (dtype) {
    case 'float32':
      return Number.isFinite(Math.fround(value));
    case 'int32':
      return (value | 0) === value;
    case 'int64':
      return Number.isSafeInteger(value);
    case 'uint8':
      return (value & 255) === value;
    case 'bool':
      return value === 0 || value === 1;
  }
}
