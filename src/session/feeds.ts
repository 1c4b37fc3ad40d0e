/** Feeds and fetches as ONNX Runtime takes them: checked, and read as the fields of a batch. Also for browsers. */
import type { FieldData } from '../data/batch.ts';
import { emptyField } from '../data/batch.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { OrtTensor, Tensor } from '../runtime/session.ts';
import type { Field, Fields } from '../tasks/task.ts';
import type { TrainingDocument } from './document.ts';

/** A tensor as ONNX Runtime has it ({type, data, dims}), or as this library's sessions have it ({dtype, data, shape}). */
export type FedTensor = Tensor | Pick<OrtTensor, 'type' | 'data' | 'dims'>;
/** Tensors by the names of inputs. */
export type Feeds = Readonly<Record<string, FedTensor>>;
/** Names of outputs, or an object whose keys are these; a tensor there is filled with the result. */
export type Fetches = readonly string[] | Readonly<Record<string, OrtTensor | null>>;
/** ONNX Runtime's options of a run. Training steps have none of them: they are taken and not used. */
export type RunOptions = Readonly<Record<string, unknown>>;

/** Fields of a batch, and how many examples it has. */
export interface Fed {
  readonly examples: number;
  readonly fields: Readonly<Record<string, FieldData>>;
}

interface Given {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: unknown;
}

/**
 * The feeds of a call as fields. Whole numbers of one type stand for those of another. Throws UserError for feeds that
 * are no object, a field that is missing or unknown, a type or shape that does not fit, batches of different sizes, and
 * classes that there are not.
 */
export function readFeeds(
  call: string,
  feeds: unknown,
  fields: Fields,
  labels: TrainingDocument['labels'] = {},
): Fed {
  const names = Object.keys(fields);
  if (!isRecord(feeds)) {
    const got = Array.isArray(feeds) ? 'a list' : isTensor(feeds) ? 'a tensor' : show(feeds);
    throw new UserError(
      `${call}: feeds: expected an object of tensors by the names ${names.join(', ')}, got ${got}`,
    );
  }
  const missing = names.find((name) => feeds[name] === undefined);
  if (missing !== undefined) {
    throw new UserError(
      `${call}: feeds: input '${missing}' is missing; expected ${names.join(', ')}, got ${Object.keys(feeds).join(', ') || 'none'}`,
    );
  }
  const unknown = Object.keys(feeds).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, names);
    throw new UserError(
      `${call}: feeds: expected no inputs but ${names.join(', ')}, got ${show(unknown)}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    );
  }
  let examples: number | undefined;
  const read = Object.entries(fields).map(([name, field]): [string, FieldData] => {
    const tensor = tensorIn(`${call}: feeds: ${name}`, feeds[name]);
    const [batch = 0] = tensor.shape;
    expectShape(`${call}: feeds: ${name}`, tensor, field);
    examples ??= batch;
    if (batch !== examples) {
      throw new UserError(
        `${call}: feeds: expected one batch size, got ${examples} of ${names[0]} and ${batch} of ${name}`,
      );
    }
    const data = dataAs(`${call}: feeds: ${name}`, tensor, field);
    const known = labels[name];
    if (known) expectClasses(`${call}: feeds: ${name}`, data, known);
    return [name, data];
  });
  if (!examples) throw new UserError(`${call}: feeds: expected at least one example, got none`);
  return { examples, fields: Object.fromEntries(read) };
}

function isRecord(feeds: unknown): feeds is Readonly<Record<string, unknown>> {
  return typeof feeds === 'object' && feeds !== null && !Array.isArray(feeds) && !isTensor(feeds);
}

function isTensor(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && 'data' in value && ('dims' in value || 'shape' in value)
  );
}

function tensorIn(what: string, value: unknown): Given {
  const given: Readonly<Record<string, unknown>> = { ...Object(value) };
  // ONNX Runtime's tensors have these as accessors, which a copy of their own properties does not have.
  const read = (name: string): unknown =>
    given[name] ?? (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined);
  const [dtype, shape] = [read('dtype') ?? read('type'), read('shape') ?? read('dims')];
  if (typeof dtype !== 'string' || !isShape(shape) || typeof read('data') !== 'object') {
    throw new UserError(
      `${what}: expected a tensor, {type, data, dims} or {dtype, data, shape}, got ${show(value)}`,
    );
  }
  return { dtype, shape, data: read('data') };
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((dim) => Number.isInteger(dim) && dim >= 0);
}

function expectShape(what: string, { shape, data, dtype }: Given, field: Field): void {
  if (shape.length !== field.shape.length + 1 || field.shape.some((dim, i) => shape[i + 1] !== dim)) {
    throw new UserError(
      `${what}: expected ${field.dtype} [${['batch', ...field.shape].join(', ')}], got ${dtype} ${show(shape)}`,
    );
  }
  const length = Object(data).length;
  if (length !== sizeOf(shape))
    throw new UserError(`${what}: shape ${show(shape)} holds ${sizeOf(shape)} elements, got ${length}`);
}

const INTEGERS: readonly string[] = ['int32', 'int64', 'uint8', 'bool'];

/** The array of a tensor in the type of its field. */
function dataAs(what: string, { dtype, data }: Given, field: Field): FieldData {
  if (dtype === field.dtype && isFieldData(data, field)) return data;
  if (
    INTEGERS.includes(dtype) &&
    INTEGERS.includes(field.dtype) &&
    field.dtype !== 'bool' &&
    isNumbers(data)
  ) {
    const out = emptyField(field.dtype, data.length);
    if (out instanceof BigInt64Array) for (let i = 0; i < out.length; i++) out[i] = BigInt(data[i] ?? 0);
    else for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
    return out;
  }
  throw new UserError(`${what}: expected ${field.dtype}, got ${dtype} in a ${nameOf(data)}`);
}

function isFieldData(data: unknown, { dtype }: Field): data is FieldData {
  return emptyField(dtype, 0).constructor === Object(data).constructor;
}

function isNumbers(data: unknown): data is Exclude<FieldData, Float32Array> {
  return data instanceof BigInt64Array || data instanceof Int32Array || data instanceof Uint8Array;
}

function nameOf(data: unknown): string {
  return Object(data).constructor?.name ?? typeof data;
}

/** A class that there is not would count as an example of none, without a word. */
function expectClasses(
  what: string,
  data: FieldData,
  { classes, ignored }: TrainingDocument['labels'][string],
): void {
  for (const label of data) {
    const number = Number(label);
    if ((number >= 0 && number < classes) || number === ignored) continue;
    throw new UserError(
      `${what}: expected classes of 0 to ${classes - 1}, or ${ignored} for what does not count, got ${number}`,
    );
  }
}

/** What a call wants: names of outputs, and tensors to be filled. */
export interface Wanted {
  readonly names: readonly string[];
  readonly into: Readonly<Record<string, OrtTensor>>;
}

/**
 * The fetches of a call, or all outputs where the argument is none or is ONNX Runtime's options of a run. Throws
 * UserError for names that are no outputs.
 */
export function readFetches(
  call: string,
  outputs: readonly string[],
  given: unknown,
  options: unknown,
): Wanted {
  const all: Wanted = { names: outputs, into: {} };
  if (options !== undefined && (typeof options !== 'object' || options === null))
    throw new UserError(`${call}: options: expected an object, got ${show(options)}`);
  if (given === undefined) return all;
  if (typeof given !== 'object' || given === null || isTensor(given)) {
    throw new UserError(
      `${call}: expected fetches, a list of outputs among ${outputs.join(', ')}, or options as the second argument, got ${isTensor(given) ? 'a tensor' : show(given)}`,
    );
  }
  if (Array.isArray(given)) {
    if (given.length === 0)
      throw new UserError(`${call}: fetches: expected at least one output, got an empty list`);
    const wrong = given.find((name) => !outputs.includes(name));
    if (wrong !== undefined) {
      throw new UserError(
        `${call}: fetches: expected outputs among ${outputs.join(', ')}, got ${show(wrong)}`,
      );
    }
    return { names: given, into: {} };
  }
  const fetched = outputs.flatMap((name): [string, OrtTensor | null][] => {
    const value: unknown = Reflect.get(given, name);
    if (value === null) return [[name, null]];
    return isOrtTensor(value) ? [[name, value]] : [];
  });
  if (fetched.length === 0) return all;
  return {
    names: fetched.map(([name]) => name),
    into: Object.fromEntries(
      fetched.flatMap(([name, value]): [string, OrtTensor][] => (value ? [[name, value]] : [])),
    ),
  };
}

function isOrtTensor(value: unknown): value is OrtTensor {
  return isTensor(value);
}
