/** ONNX file → graph: reads what serialize.ts wrote, and any other file that keeps to the same ops. */
import { messageOf, UserError } from '../errors.ts';
import { applyTo, isEmitted, SCHEMAS } from './apply.ts';
import { dtypeOf, OPSET, sevenDigits } from './encoding.ts';
import type { Graph } from './graph.ts';
import * as ops from './ops.ts';
import {
  ATTRIBUTE_TYPES,
  decodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts';
import {
  type Attributes,
  type Dim,
  type DType,
  type EmittedOp,
  isOp,
  type Shape,
  type Value,
} from './value.ts';

export interface OnnxFile {
  readonly graph: Graph;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads an ONNX file. Throws where it is no ONNX model, or uses an op, attribute or dtype outside the op set. */
export function read(bytes: Uint8Array): OnnxFile {
  const model = decodeModel(bytes);
  const opset = model.opsetImport.find(({ domain }) => domain === '')?.version;
  if (opset !== OPSET) throw new UserError(`read: expected opset ${OPSET}, got ${opset}`);
  const values = new Map<string, Value>();
  const inputs = model.graph.input.map((info) => ops.input(info.name, ...inputType(info)));
  for (const value of inputs) if (isOp(value.node, 'Input')) values.set(value.node.attributes.name, value);
  for (const tensor of model.graph.initializer) values.set(tensor.name, constantOf(tensor));
  const used = new Set(model.graph.node.flatMap(({ input }) => input));
  for (const { name } of model.graph.output) used.add(name);
  for (const node of model.graph.node) {
    // An anchor (execution-order.ts), or another node that has no effect.
    if (!node.output.some((name) => used.has(name))) continue;
    const operands = node.input.map((name) => lookUp(values, name, `node ${node.name}`));
    build(node, operands).forEach((value, i) => {
      const name = node.output[i];
      if (name !== undefined) values.set(name, value);
    });
  }
  const outputs = model.graph.output.map(({ name }): [string, Value] => [
    name,
    lookUp(values, name, 'the outputs'),
  ]);
  return {
    graph: { name: model.graph.name, inputs, outputs: Object.fromEntries(outputs) },
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

function lookUp(values: ReadonlyMap<string, Value>, name: string, where: string): Value {
  const value = values.get(name);
  if (!value) throw new UserError(`read: ${where}: nothing before it is named "${name}"`);
  return value;
}

function inputType({ name, type }: ValueInfoProto): [Shape, DType] {
  const tensor = type?.tensorType;
  if (!tensor?.shape) throw new UserError(`read: input ${name}: expected a tensor of known rank`);
  return [
    tensor.shape.dim.map((dim): Dim => (dim.dimParam ? symbolicDim(dim.dimParam) : (dim.dimValue ?? 0))),
    dtypeOf(tensor.elemType, `read: ${name}`),
  ];
}

function symbolicDim(name: string): Dim {
  const multiple = /^(\d+)·batch$/.exec(name);
  return multiple ? `${Number(multiple[1])}·batch` : 'batch';
}

function constantOf({ name, dims, dataType, rawData }: TensorProto): Value {
  const dtype = dtypeOf(dataType, `read: ${name}`);
  const bytes = new Uint8Array(rawData).buffer; // a copy, since typed arrays need alignment
  const Type = ARRAYS[dtype];
  return within(`initializer ${name}`, () => {
    if (bytes.byteLength % Type.BYTES_PER_ELEMENT !== 0)
      throw new Error(`expected ${Type.BYTES_PER_ELEMENT} bytes for each ${dtype}, got ${bytes.byteLength}`);
    return ops.constant(new Type(bytes), dims, dtype);
  });
}

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  uint8: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** Adds the place in the file to an op's error. */
function within<T>(where: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    throw new UserError(`read: ${where}: ${messageOf(error)}`);
  }
}

function build(node: NodeProto, operands: readonly Value[]): readonly Value[] {
  const op = node.opType === 'FusedMatMul' ? 'MatMul' : node.opType;
  if (!isEmitted(op)) throw new UserError(`read: node ${node.name}: ${node.opType} is not in the op set`);
  return within(`node ${node.name} (${node.opType})`, () => decode(op, node, operands));
}

/** The results of a node. The description of its op says how its attributes are read. */
function decode<Op extends EmittedOp>(op: Op, node: NodeProto, operands: readonly Value[]): readonly Value[] {
  const { attributes: fields, fixed = {} } = SCHEMAS[op];
  const known = [...Object.keys(fields), ...Object.keys(fixed)];
  // An attribute that is not read could change what the node means, so it is not ignored.
  const other = node.attribute.find(({ name }) => !known.includes(name));
  if (other) throw new UserError(`expected attributes among [${known.join(', ')}], got ${other.name}`);
  for (const [name, text] of Object.entries(fixed)) {
    const found = new TextDecoder().decode(node.attribute.find((each) => each.name === name)?.s);
    if (found !== text) throw new UserError(`expected ${name} ${text}`);
  }
  let own = operands.length;
  for (const name in fields) if (fields[name].place === 'operand') own--;
  const values = operands.slice(0, own);
  const attributes: Partial<Attributes<Op>> = {};
  let next = own;
  for (const name in fields) {
    const field = fields[name];
    const numbers = field.place === 'operand' ? listOf(name, operands[next++]) : numbersOf(node, name);
    const value = numbers ? field.read(numbers, values[0]) : field.otherwise;
    if (value === undefined) throw new UserError(`expected ${name}, got none`);
    attributes[name] = value;
  }
  if (!areAll<Op>(op, attributes)) throw new Error(`internal: ${op} was read without an attribute`);
  return applyTo(op, values, attributes);
}

function areAll<Op extends EmittedOp>(
  op: Op,
  attributes: Partial<Attributes<Op>>,
): attributes is Attributes<Op> {
  return Object.keys(SCHEMAS[op].attributes).every((name) => name in attributes);
}

function numbersOf(node: NodeProto, name: string): readonly number[] | undefined {
  const attribute = node.attribute.find((each) => each.name === name);
  if (!attribute) return undefined;
  const { type, i = 0, f = 0, ints = [] } = attribute;
  if (type === ATTRIBUTE_TYPES.ints) return ints;
  return [type === ATTRIBUTE_TYPES.float ? sevenDigits(f) : i];
}

function listOf(name: string, value: Value | undefined): readonly number[] {
  if (!value || !isOp(value.node, 'Constant')) throw new UserError(`expected a constant list for ${name}`);
  return Array.from(value.node.attributes.data, Number);
}
