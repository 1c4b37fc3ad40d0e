/** Graph → ONNX file. */
import { bytesOf } from '../bytes.ts';
import { VERSION } from '../version.ts';
import { isEmittedNode, SCHEMAS } from './apply.ts';
import { DATA_TYPES, IR_VERSION, MICROSOFT, OPSET } from './encoding.ts';
import { fileOrderFor } from './execution-order.ts';
import { expectInputs, type Graph, inlineCalls, mapOutputs } from './graph.ts';
import { type Names, nameGraph } from './names.ts';
import { identity } from './ops.ts';
import {
  ATTRIBUTE_TYPES,
  type AttributeProto,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts';
import { staticShape } from './shapes.ts';
import {
  type ConstantData,
  type DType,
  type EmittedOp,
  isOp,
  type Node,
  operands,
  type Value,
} from './value.ts';

/** What to write into an ONNX file besides its graph. */
export interface SerializeOptions {
  /** Values to store in the file, by the name of their input. These are no inputs of the file; the others are. */
  readonly weights?: ReadonlyMap<string, ConstantData>;
  /** Key-value pairs for the file's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** A text for people, in the file's `doc_string`. */
  /** A text for people, in the file's `doc_string`. */
  readonly doc?: string;
}

/**
 * The bytes of an ONNX model (opset 18, IR version 8). Composites are inlined; nothing else is changed. Throws UserError
 * where an output needs an input that `graph.inputs` leaves out.
 */
export function serialize(graph: Graph, options: SerializeOptions = {}): Uint8Array {
  expectInputs('serialize', graph);
  const flat = withDistinctOutputs(mapOutputs(graph, inlineCalls));
  const names = nameGraph(flat);
  const constants = new ConstantPool(names);
  const emitted = names.order.filter(isEmittedNode);
  const file = graph.order ? fileOrderFor(emitted) : { nodes: emitted, anchors: [] };
  const nodes = [
    ...file.nodes.map((node) => nodeProto(node, names, constants)),
    ...file.anchors.map((node) => anchorProto(node, names)),
  ];
  const initializers: TensorProto[] = [];
  const inputs: ValueInfoProto[] = [];
  for (const value of flat.inputs) {
    const name = names.value(value);
    const weights = options.weights?.get(name);
    if (weights) initializers.push(tensorProto(name, value.dtype, staticShape(value.shape, name), weights));
    else inputs.push(valueInfo(name, value));
  }
  const fused = nodes.some((node) => node.domain === MICROSOFT);
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: 'ortgrad',
    producerVersion: VERSION,
    ...(options.doc === undefined ? {} : { docString: options.doc }),
    opsetImport: [{ domain: '', version: OPSET }, ...(fused ? [{ domain: MICROSOFT, version: 1 }] : [])],
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: flat.name,
      node: nodes,
      initializer: [...initializers, ...constants.tensors],
      input: inputs,
      output: Object.entries(flat.outputs).map(([name, value]) => valueInfo(name, value)),
    },
  });
}

/** ONNX wants each output to be the result of a node: inputs, constants and repeated outputs get an Identity. */
function withDistinctOutputs(graph: Graph): Graph {
  const used = new Set<Value>();
  const outputs = Object.entries(graph.outputs).map(([name, value]): [string, Value] => {
    const own = !used.has(value) && !isOp(value.node, 'Input') && !isOp(value.node, 'Constant');
    used.add(value);
    return [name, own ? value : identity(value)];
  });
  return { ...graph, outputs: Object.fromEntries(outputs) };
}

/** An anchor: the Shape of a value, which nobody uses. See execution-order.ts. */
function anchorProto(node: Node, names: Names): NodeProto {
  const name = `order/${names.node(node)}`;
  const [value] = node.outputs;
  if (!value) throw new Error(`internal: ${node.op} without output`);
  return { name, opType: 'Shape', domain: '', input: [names.value(value)], output: [name], attribute: [] };
}

function nodeProto(node: Node<EmittedOp>, names: Names, constants: ConstantPool): NodeProto {
  const fused = isFusedMatMul(node);
  const { attribute, lists } = encode(node);
  const operandLists = lists.map(([name, numbers]) => constants.list(name, numbers));
  return {
    name: names.node(node),
    opType: fused ? 'FusedMatMul' : node.op,
    domain: fused ? MICROSOFT : '',
    input: [...operands(node).map((value) => constants.reference(value)), ...operandLists],
    output: node.outputs.map((value) => names.value(value)),
    attribute: isOp(node, 'MatMul') && !fused ? [] : attribute,
  };
}

/** ONNX's MatMul neither transposes nor scales; ONNX Runtime's own does. */
function isFusedMatMul(node: Node): boolean {
  if (!isOp(node, 'MatMul')) return false;
  const { transA, transB, alpha } = node.attributes;
  return transA || transB || alpha !== 1;
}

interface Encoded {
  readonly attribute: AttributeProto[];
  /** The attributes that ONNX takes as constant operands, in order. */
  readonly lists: [name: string, numbers: readonly number[]][];
}

/** The attributes of a node, encoded as the description of its op says. */
function encode<Op extends EmittedOp>({ op, attributes }: Node<Op>): Encoded {
  const { attributes: fields, fixed = {} } = SCHEMAS[op];
  const encoded: Encoded = { attribute: [], lists: [] };
  for (const name in fields) {
    const { place, write } = fields[name];
    const numbers = write(attributes[name]);
    if (place === 'operand') encoded.lists.push([name, numbers]);
    else encoded.attribute.push(attributeProto(name, place, numbers));
  }
  for (const [name, text] of Object.entries(fixed)) {
    encoded.attribute.push({ name, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(text) });
  }
  return encoded;
}

function attributeProto(
  name: string,
  place: 'int' | 'float' | 'ints',
  numbers: readonly number[],
): AttributeProto {
  const type = ATTRIBUTE_TYPES[place];
  const [number = 0] = numbers;
  if (place === 'ints') return { name, type, ints: [...numbers] };
  return place === 'int' ? { name, type, i: number } : { name, type, f: number };
}

/** The constants of a file, each stored once. */
class ConstantPool {
  readonly tensors: TensorProto[] = [];
  readonly #names: Names;
  readonly #known = new Map<string, string>();
  readonly #stored = new Map<Node, string>();

  constructor(names: Names) {
    this.#names = names;
  }

  /** The name of a value; a constant is stored when it is first referred to. */
  reference(value: Value): string {
    if (!isOp(value.node, 'Constant')) return this.#names.value(value);
    const stored = this.#stored.get(value.node);
    if (stored !== undefined) return stored;
    const { data } = value.node.attributes;
    const shape = staticShape(value.shape);
    const label = shape.length === 0 ? `const/${data[0]}` : `const/${value.dtype}[${shape.join(',')}]`;
    const name = this.#store(label, value.dtype, shape, data);
    this.#stored.set(value.node, name);
    return name;
  }

  list(label: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.#store(`${label}/${values.join(',')}`, 'int64', [values.length], data);
  }

  #store(label: string, dtype: DType, shape: readonly number[], data: ConstantData): string {
    const key = `${dtype} ${shape} ${data.length > 4096 ? this.tensors.length : data}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const isTaken = this.tensors.some((tensor) => tensor.name === label);
    const name = isTaken ? `${label}_${this.tensors.length}` : label;
    this.#known.set(key, name);
    this.tensors.push(tensorProto(name, dtype, shape, data));
    return name;
  }
}

function tensorProto(name: string, dtype: DType, shape: readonly number[], data: ConstantData): TensorProto {
  return { name, dims: [...shape], dataType: DATA_TYPES[dtype], rawData: bytesOf(data) };
}

function valueInfo(name: string, { dtype, shape }: Value): ValueInfoProto {
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: DATA_TYPES[dtype], shape: { dim } } } };
}
