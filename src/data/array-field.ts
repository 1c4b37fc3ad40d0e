/** One array of a user's: which field it is, and its numbers in that field's type. Pure: also for browsers. */
import { counted } from '../counted.ts';
import { show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Field, FieldType } from '../tasks/task.ts';
import type { FieldData } from './batch.ts';
import { flattened, type Nested } from './nested.ts';

type Flat = FieldData | Float64Array | readonly number[] | readonly boolean[];

/**
 * A field of every example, the batch axis first: numbers row-major with a `shape` that includes the batch axis, or nested
 * lists. In a flat array each element is an example, unless the fields are known to be of another shape: of floating-point
 * numbers a column [batch, 1], of integers (labels, tokens) and booleans [batch]. Lists of numbers and Float64Arrays
 * become float32, unless the fields are known to be of another type.
 */
export type ArrayField = Flat | Nested | { readonly data: Flat; readonly shape: readonly number[] };

/** What a field must be, and what says so: `data`. */
export interface ExpectedField {
  readonly field: Field;
  readonly asIn: string;
}

export interface ReadField {
  readonly field: Field;
  readonly data: FieldData;
  readonly length: number;
}

/** Typed arrays are taken in place. Throws a UserError, `where` in front, for what is no array of finite numbers. */
export function readField(where: string, given: unknown, expected?: ExpectedField): ReadField {
  const { flat, shape } = shaped(where, given);
  const type = typeOf(where, flat);
  const dtype = expected && becomes(type, expected.field.dtype) ? expected.field.dtype : type.dtype;
  const whole = shape ?? shapeOfFlat(flat.length, dtype, expected?.field);
  const field = { dtype, shape: whole.slice(1) };
  if (expected && !isSame(field, expected.field)) {
    throw new UserError(
      `${where}: expected ${text(expected.field)}, as in ${expected.asIn}, got ${text(field)}`,
    );
  }
  return { field, data: converted(where, flat, field), length: whole[0] ?? 0 };
}

function shaped(where: string, given: unknown): { flat: Flat; shape?: readonly number[] } {
  if (isNested(given)) {
    const { data, shape } = flattened(where, given);
    return { flat: data, shape };
  }
  if (isFlat(given)) return { flat: given };
  const { data, shape }: { data?: unknown; shape?: unknown } =
    typeof given === 'object' && given !== null ? given : {};
  if (!isFlat(data)) {
    throw new UserError(
      `${where}: expected a typed array, a list of numbers or {data, shape}, got ${show(given)}`,
    );
  }
  if (shape === undefined) return { flat: data };
  if (!Array.isArray(shape) || shape.length === 0 || !shape.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new UserError(
      `${where}: shape: expected integers, the number of examples first, got ${show(shape)}`,
    );
  }
  if (sizeOf(shape) !== data.length) {
    throw new UserError(
      `${where}: shape ${show(shape)} holds ${counted(sizeOf(shape), 'element')}, got ${data.length}`,
    );
  }
  return { flat: data, shape };
}

function isNested(given: unknown): given is Nested {
  return Array.isArray(given) && Array.isArray(given[0]);
}

function isFlat(given: unknown): given is Flat {
  return (
    Array.isArray(given) ||
    [Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array].some((type) => given instanceof type)
  );
}

/** What an array holds, and whether its numbers are of no certain type. */
function typeOf(where: string, flat: Flat): { readonly dtype: FieldType; readonly isLoose: boolean } {
  if (flat instanceof Float32Array) return { dtype: 'float32', isLoose: false };
  if (flat instanceof Float64Array) return { dtype: 'float32', isLoose: true };
  if (flat instanceof Int32Array) return { dtype: 'int32', isLoose: false };
  if (flat instanceof BigInt64Array) return { dtype: 'int64', isLoose: false };
  if (flat instanceof Uint8Array) return { dtype: 'uint8', isLoose: false };
  const kind = typeof flat[0] === 'boolean' ? 'boolean' : 'number';
  const wrong = flat.findIndex((element) => typeof element !== kind);
  if (wrong >= 0) {
    throw new UserError(`${where}: example ${wrong}: expected a ${kind}, got ${show(flat[wrong])}`);
  }
  return kind === 'boolean' ? { dtype: 'bool', isLoose: false } : { dtype: 'float32', isLoose: true };
}

function becomes({ dtype, isLoose }: ReturnType<typeof typeOf>, wanted: FieldType): boolean {
  return isLoose || dtype === wanted || (dtype === 'uint8' && wanted === 'bool');
}

function shapeOfFlat(length: number, dtype: FieldType, expected: Field | undefined): readonly number[] {
  if (expected?.dtype === dtype && length % sizeOf(expected.shape) === 0) {
    return [length / sizeOf(expected.shape), ...expected.shape];
  }
  return dtype === 'float32' ? [length, 1] : [length];
}

function isSame(a: Field, b: Field): boolean {
  return a.dtype === b.dtype && String(a.shape) === String(b.shape);
}

function text({ dtype, shape }: Field): string {
  return `${dtype} [${['batch', ...shape].join(', ')}]`;
}

/** The numbers in the field's type; in place where they are of it. */
function converted(where: string, flat: Flat, { dtype, shape }: Field): FieldData {
  const isTyped = !Array.isArray(flat) && !(flat instanceof Float64Array) && 'buffer' in flat;
  const isWhole = isTyped && !(flat instanceof Float32Array);
  if (flat instanceof BigInt64Array || (isTyped && isWhole)) return flat;
  const numbers: ArrayLike<number> = isTyped ? flat : Float64Array.from(flat, Number);
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] ?? Number.NaN;
    if (fits(number, dtype)) continue;
    const at = `${where}: example ${Math.floor(i / sizeOf(shape))}`;
    if (dtype !== 'float32') throw new UserError(`${at}: expected numbers of ${dtype}, got ${show(number)}`);
    throw new UserError(
      `${at}: expected finite numbers, got ${number}; leave such examples out, or fill them in`,
    );
  }
  return isTyped ? flat : inType(numbers, dtype);
}

function fits(value: number, dtype: FieldType): boolean {
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

function inType(numbers: ArrayLike<number>, dtype: FieldType): FieldData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(numbers);
    case 'int32':
      return Int32Array.from(numbers);
    case 'int64':
      return BigInt64Array.from(numbers, BigInt);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(numbers);
  }
}
