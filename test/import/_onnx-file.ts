/** ONNX files as another program would write them, from lists of nodes. */
import {
  ATTRIBUTE_TYPES,
  type AttributeProto,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/onnx/proto.ts';

export type Attribute = number | string | readonly number[];

export interface FileNode {
  readonly op: string;
  readonly name?: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers are ints; `floats` names those that are floats all the same. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly floats?: readonly string[];
}

export interface FileTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int8Array;
}

export interface FileOptions {
  readonly nodes: readonly FileNode[];
  readonly tensors: Readonly<Record<string, FileTensor>>;
  /** float32, but for names with a type after a colon: `ids:int64`. */
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly opset?: number;
}

const TYPES: Readonly<Record<string, number>> = { float32: 1, int8: 3, int32: 6, int64: 7 };

export function onnxFile({ nodes, tensors, inputs, outputs, opset = 17 }: FileOptions): Uint8Array {
  const value = ([name, dims]: readonly [string, readonly (number | string)[]]): ValueInfoProto => {
    const [plain = '', type = 'float32'] = name.split(':');
    const dim = dims.map((each) => (typeof each === 'number' ? { dimValue: each } : { dimParam: each }));
    return { name: plain, type: { tensorType: { elemType: TYPES[type] ?? 1, shape: { dim } } } };
  };
  return encodeModel({
    irVersion: 8,
    producerName: 'somebody',
    producerVersion: '1',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: [],
    graph: {
      name: 'main',
      node: nodes.map(nodeProto),
      initializer: Object.entries(tensors).map(([name, tensor]) => tensorProto(name, tensor)),
      input: Object.entries(inputs).map(value),
      output: Object.entries(outputs).map(value),
    },
  });
}

function nodeProto({
  op,
  name = '',
  domain = '',
  inputs,
  outputs,
  attributes = {},
  floats = [],
}: FileNode): NodeProto {
  return {
    ...{ name, domain, opType: op, input: [...inputs], output: [...outputs] },
    attribute: Object.entries(attributes).map(([key, given]): AttributeProto => {
      if (typeof given === 'string')
        return { name: key, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(given) };
      if (typeof given !== 'number') return { name: key, type: ATTRIBUTE_TYPES.ints, ints: [...given] };
      return floats.includes(key) || !Number.isInteger(given)
        ? { name: key, type: ATTRIBUTE_TYPES.float, f: given }
        : { name: key, type: ATTRIBUTE_TYPES.int, i: given };
    }),
  };
}

function tensorProto(name: string, { shape, data }: FileTensor): TensorProto {
  const dataType = data instanceof Float32Array ? 1 : data instanceof Int8Array ? 3 : 7;
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { name, dims: [...shape], dataType, rawData };
}

/** Numbers between −½ and ½ times `scale`, as scripts/peers/golden_lora.py has them. */
export function grid(shape: readonly number[], scale = 1): FileTensor & { readonly data: Float32Array } {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: count }, (_, i) => {
    const x = Math.fround(((i * 37 + 11) % 23) / 23 - 0.5);
    return Math.fround(x * Math.fround(scale));
  });
  return { shape, data };
}
