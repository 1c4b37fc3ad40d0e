/** Numbers that are known while a graph is lowered: between tensors of a file, constants of ours, and dimensions. */
import { UserError } from '../errors.ts';
import { constant } from '../onnx/ops.ts';
import { show } from '../onnx/shapes.ts';
import type { ConstantData, Dim, DType, Value } from '../onnx/value.ts';
import type { Known } from './tensor.ts';

/** More numbers than these are left to the graph. They are enough for tables of positions and for shapes of any kind. */
export const MOST_KNOWN = 65_536;

/** int64 numbers of at most one axis: a shape, or one size. */
export const knownList = (data: readonly Dim[]): Known => ({ dtype: 'int64', shape: [data.length], data });
export const knownScalar = (dtype: DType, value: Dim): Known => ({ dtype, shape: [], data: [value] });

export function knownOf(data: ConstantData, shape: readonly number[], dtype: DType): Known | undefined {
  return data.length > MOST_KNOWN ? undefined : { dtype, shape, data: Array.from(data, Number) };
}

/** Known numbers as a constant. Throws UserError where one depends on the batch: a constant has none. */
export function constantOf({ dtype, shape, data }: Known, where: string): Value {
  const numbers = data.map((dim) => {
    if (typeof dim === 'number') return dim;
    throw new UserError(`${where}: expected numbers that do not depend on the size of the batch, got ${dim}`);
  });
  return constant(arrayOf(dtype, numbers), shape, dtype);
}

/** The largest int64, which files write for "up to the end". It is no exact number here. */
const LARGEST = 2n ** 63n - 1n;

function toBigInt(x: number): bigint {
  if (x >= 2 ** 63) return LARGEST;
  return x <= -(2 ** 63) ? -LARGEST - 1n : BigInt(Math.trunc(x));
}

function arrayOf(dtype: DType, numbers: readonly number[]): ConstantData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(numbers);
    case 'int32':
      return Int32Array.from(numbers);
    case 'int64':
      return BigInt64Array.from(numbers, toBigInt);
    case 'float16':
      throw new Error('internal: no known number is float16');
    default:
      return Uint8Array.from(numbers);
  }
}

// ---- arithmetic with multiples of the batch --------------------------------------------------------------------

/** How often the batch a dimension is; undefined for a number. */
export function batchMultiple(dim: Dim): number | undefined {
  if (typeof dim === 'number') return undefined;
  return dim === 'batch' ? 1 : Number.parseInt(dim, 10);
}

/** `count` times the batch. */
export const timesBatch = (count: number): Dim => {
  if (count === 0) return 0;
  return count === 1 ? 'batch' : `${count}·batch`;
};

/** A product, undefined where it is no multiple of the batch. */
export function multiply(a: Dim, b: Dim): Dim | undefined {
  const [x, y] = [batchMultiple(a), batchMultiple(b)];
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (x !== undefined && typeof b === 'number') return whole(x * b);
  return y !== undefined && typeof a === 'number' ? whole(a * y) : undefined;
}

const whole = (count: number): Dim | undefined =>
  Number.isInteger(count) && count >= 0 ? timesBatch(count) : undefined;

/** A sum, undefined where it is no multiple of the batch. */
export function plus(a: Dim, b: Dim, sign = 1): Dim | undefined {
  const [x, y] = [batchMultiple(a), batchMultiple(b)];
  if (typeof a === 'number' && typeof b === 'number') return a + sign * b;
  if (x !== undefined && y !== undefined) return whole(x + sign * y);
  if (b === 0) return a;
  return a === 0 && sign === 1 ? b : undefined;
}

/** A dimension of a graph with a symbolic batch in one of `batch` examples. */
export function dimIn(dim: Dim, batch: Dim): Dim {
  const multiple = batchMultiple(dim);
  if (multiple === undefined) return dim;
  const found = multiply(multiple, batch);
  if (found === undefined) throw new Error(`internal: ${dim} with ${show([batch])}`);
  return found;
}
