/** Small ONNX files for tests of the importer, and what ONNX Runtime makes of them. */
import { type ImportedModel, type ImportOptions, importModel } from '../../src/import/import-model.ts';
import { Scope } from '../../src/layers/scope.ts';
import { input } from '../../src/onnx/ops.ts';
import {
  ATTRIBUTE_TYPES,
  type AttributeProto,
  encodeModel,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/onnx/proto.ts';
import type { Dim, Value } from '../../src/onnx/value.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { run } from '../_run.ts';

export type Attribute =
  | number
  | string
  | readonly number[]
  | TensorProto
  | GraphProto
  | { readonly float: number };

function attributeOf(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'string')
    return { name, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPES.int, i: value };
  if (isList(value)) {
    const isWhole = value.every(Number.isInteger);
    return isWhole
      ? { name, type: ATTRIBUTE_TYPES.ints, ints: [...value] }
      : { name, type: ATTRIBUTE_TYPES.floats, floats: [...value] };
  }
  if ('float' in value) return { name, type: ATTRIBUTE_TYPES.float, f: value.float };
  if ('node' in value) return { name, type: ATTRIBUTE_TYPES.graph, g: value };
  return { name, type: ATTRIBUTE_TYPES.tensor, t: value };
}

const isList = (value: Attribute): value is readonly number[] => Array.isArray(value);

/** `node('Gemm', ['x', 'w'], 'y', { transB: 1 })`. The domain stands before a dot. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: string | readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): NodeProto {
  const dot = op.lastIndexOf('.');
  return {
    name: `${op}_of_${[outputs].flat()[0]}`,
    opType: op.slice(dot + 1),
    domain: op.slice(0, Math.max(dot, 0)),
    input: [...inputs],
    output: [outputs].flat(),
    attribute: Object.entries(attributes).map(([name, value]) => attributeOf(name, value)),
  };
}

export const ELEMENTS = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  half: 10,
  double: 11,
} as const;

/** A tensor whose numbers are raw bytes. */
export function tensor(
  name: string,
  dims: readonly number[],
  data: Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Float64Array | Uint16Array,
  dataType: number = typeOf(data),
): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: [...dims], dataType, rawData };
}

function typeOf(data: { readonly constructor: { readonly name: string } }): number {
  const { name } = data.constructor;
  const types: Readonly<Record<string, number>> = {
    Float32Array: 1,
    Uint8Array: 2,
    Int8Array: 3,
    Int32Array: 6,
    BigInt64Array: 7,
    Uint16Array: 10,
    Float64Array: 11,
  };
  return types[name] ?? 0;
}

export const floats = (name: string, dims: readonly number[], data: readonly number[]): TensorProto =>
  tensor(name, dims, Float32Array.from(data));
export const ints = (name: string, ...data: readonly number[]): TensorProto =>
  tensor(name, [data.length], BigInt64Array.from(data, BigInt));
/** Numbers between −1 and 1 that look like any, and are the same each time. */
export const wave = (count: number, step = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * 1.7 * step));
export const weight = (name: string, ...dims: number[]): TensorProto =>
  tensor(
    name,
    dims,
    wave(
      dims.reduce((size, dim) => size * dim, 1),
      name.length,
    ).map((x) => x / 2),
  );

export function info(
  name: string,
  dims: readonly (number | string)[] | undefined,
  elemType = 1,
): ValueInfoProto {
  const dim = dims?.map((each) => (typeof each === 'number' ? { dimValue: each } : { dimParam: each }));
  return { name, type: { tensorType: { elemType, shape: dim ? { dim } : null } } };
}

export interface FileParts {
  readonly nodes: readonly NodeProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly (string | ValueInfoProto)[];
  readonly initializers?: readonly TensorProto[];
  readonly opset?: number;
  readonly opsets?: ModelProto['opsetImport'];
  readonly functions?: FunctionProto[];
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly irVersion?: number;
}

export function graphProto({
  nodes,
  inputs,
  outputs,
  initializers = [],
  valueInfo = [],
}: FileParts): GraphProto {
  return {
    name: 'test',
    node: [...nodes],
    initializer: [...initializers],
    input: [...inputs],
    output: outputs.map((each) => (typeof each === 'string' ? info(each, undefined) : each)),
    valueInfo: [...valueInfo],
  };
}

export function file(parts: FileParts): Uint8Array {
  const { opset = 18, opsets = [], functions = [], irVersion = 8 } = parts;
  return encodeModel({
    irVersion,
    producerName: 'test',
    producerVersion: '1',
    opsetImport: [{ domain: '', version: opset }, ...opsets],
    metadataProps: [],
    graph: graphProto(parts),
    functions,
  });
}

export type Feeds = Readonly<Record<string, Tensor>>;

export const feed = (shape: readonly number[], data: Tensor['data'] = wave(sizeOf(shape))): Tensor => ({
  dtype: dtypeOf(data),
  shape,
  data,
});

function dtypeOf(data: Tensor['data']): Tensor['dtype'] {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof BigInt64Array) return 'int64';
  return data instanceof Int32Array ? 'int32' : 'uint8';
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** What ONNX Runtime gives for a file. */
export async function runFile(bytes: Uint8Array, feeds: Feeds): Promise<Record<string, Float32Array>> {
  const session = await createSession(bytes, { device: 'cpu', threads: 1, optimize: true });
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, Float32Array.from(data, Number)]),
  );
}

/** An imported model, traced over a batch. */
export function traced(
  model: ImportedModel,
  batch: Dim,
  training = false,
): { readonly outputs: Readonly<Record<string, Value>>; readonly scope: Scope } {
  const scope = new Scope({ training });
  const fields = Object.entries(model.inputs).map(([name, { dtype, shape }]): [string, Value] => [
    name,
    input(name, [batch, ...shape], dtype),
  ]);
  return { outputs: model.predict(scope, Object.fromEntries(fields)), scope };
}

/** What the imported file gives in ONNX Runtime, with a batch of this size or a symbolic one. */
export async function runImported(
  model: ImportedModel,
  feeds: Feeds,
  batch: Dim = 'batch',
): Promise<Record<string, Float32Array>> {
  const { outputs } = traced(model, batch);
  const data = Object.fromEntries(Object.entries(feeds).map(([name, each]) => [name, each.data]));
  return run(outputs, { ...Object.fromEntries(model.weights()), ...data });
}

/** The largest difference of an import from ONNX Runtime's own run of the file, over all outputs and both traces. */
export async function difference(
  bytes: Uint8Array,
  feeds: Feeds,
  options: ImportOptions = {},
): Promise<{ readonly worst: number; readonly model: ImportedModel }> {
  const model = importModel(bytes, options);
  const expected = await runFile(bytes, feeds);
  const size = Object.values(feeds)[0]?.shape[0] ?? 1;
  let worst = 0;
  for (const batch of ['batch', size] as const) {
    const found = await runImported(model, feeds, batch);
    for (const [name, values] of Object.entries(expected)) {
      if (options.outputs && !options.outputs.includes(name)) continue;
      if (found[name]?.length !== values.length) return { worst: Number.POSITIVE_INFINITY, model };
      values.forEach((value, i) => {
        worst = Math.max(worst, distance(value, found[name]?.[i] ?? Number.NaN));
      });
    }
  }
  return { worst, model };
}

/** NaN and infinities are no distance from themselves. */
function distance(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  const gap = Math.abs(a - b);
  return Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap;
}

/** As torchvision's classifiers are exported: convolutions, batch normalization, a pool, shape arithmetic, a classifier. */
export const cnn = file({
  inputs: [info('image', ['N', 3, 8, 8])],
  initializers: [
    weight('conv.weight', 4, 3, 3, 3),
    weight('conv.bias', 4),
    floats('bn.weight', [4], [1, 0.5, 2, 1.5]),
    weight('bn.bias', 4),
    weight('bn.running_mean', 4),
    floats('bn.running_var', [4], [0.5, 1, 1.5, 2]),
    weight('down.weight', 8, 2, 3, 3),
    weight('fc.weight', 5, 8),
    weight('fc.bias', 5),
    ints('zero', 0),
    ints('minus', -1),
  ],
  nodes: [
    node('Conv', ['image', 'conv.weight', 'conv.bias'], 'c', { pads: [1, 1, 1, 1], strides: [1, 1] }),
    node('BatchNormalization', ['c', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'], 'n', {
      epsilon: { float: 1e-5 },
    }),
    node('Relu', ['n'], 'r'),
    node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
    node('Conv', ['p', 'down.weight'], 'd', { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }),
    node('Sigmoid', ['d'], 's'),
    node('Mul', ['d', 's'], 'm'),
    node('GlobalAveragePool', ['m'], 'g'),
    node('Shape', ['g'], 'shape'),
    node('Gather', ['shape', 'zero'], 'n0', { axis: 0 }),
    node('Concat', ['n0', 'minus'], 'target', { axis: 0 }),
    node('Reshape', ['g', 'target'], 'f'),
    node('Gemm', ['f', 'fc.weight', 'fc.bias'], 'y', { transB: 1 }),
  ],
  outputs: ['y'],
});
