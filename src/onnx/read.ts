/** ONNX file → graph: reads what serialize.ts wrote, and any other file that keeps to the same ops. */
import { DATA_TYPES, type EmittedOp, ENCODINGS, OPSET } from './encoding.ts';
import type { Graph } from './graph.ts';
import * as ops from './ops.ts';
import { decodeModel, type NodeProto, type TensorProto, type ValueInfoProto } from './proto.ts';
import { show } from './shapes.ts';
import { type Dim, type DType, isOp, type Shape, type Value } from './value.ts';

export interface OnnxFile {
  readonly graph: Graph;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Throws where the file is no ONNX model or uses an op, attribute or dtype outside the op set. */
export function read(bytes: Uint8Array): OnnxFile {
  const model = decodeModel(bytes);
  const opset = model.opsetImport.find(({ domain }) => domain === '')?.version;
  if (opset !== OPSET) throw new Error(`read: expected opset ${OPSET}, got ${opset}`);
  const values = new Map<string, Value>();
  const inputs = model.graph.input.map((info) => ops.input(info.name, ...inputType(info)));
  for (const value of inputs) if (isOp(value.node, 'Input')) values.set(value.node.attributes.name, value);
  for (const tensor of model.graph.initializer) values.set(tensor.name, constantOf(tensor));
  const used = new Set(model.graph.node.flatMap(({ input }) => input));
  for (const { name } of model.graph.output) used.add(name);
  for (const node of model.graph.node) {
    // An anchor (execution-order.ts), or something else that has no effect.
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
  if (!value) throw new Error(`read: ${where}: nothing before it is named "${name}"`);
  return value;
}

function dtypeOf(type: number, name: string): DType {
  const dtypes: readonly DType[] = ['float32', 'float16', 'int32', 'int64', 'bool', 'uint8'];
  const dtype = dtypes.find((candidate) => DATA_TYPES[candidate] === type);
  if (!dtype) throw new Error(`read: ${name}: expected one of ${dtypes.join(', ')}, got data type ${type}`);
  return dtype;
}

function inputType({ name, type }: ValueInfoProto): [Shape, DType] {
  const tensor = type?.tensorType;
  if (!tensor?.shape) throw new Error(`read: input ${name}: expected a tensor of known rank`);
  return [
    tensor.shape.dim.map((dim): Dim => (dim.dimParam ? symbolicDim(dim.dimParam) : (dim.dimValue ?? 0))),
    dtypeOf(tensor.elemType, name),
  ];
}

function symbolicDim(name: string): Dim {
  const multiple = /^(\d+)·batch$/.exec(name);
  return multiple ? `${Number(multiple[1])}·batch` : 'batch';
}

function constantOf({ name, dims, dataType, rawData }: TensorProto): Value {
  const dtype = dtypeOf(dataType, name);
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

/** Says where in the file an op's complaint arose. */
function within<T>(where: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`read: ${where}: ${message}`);
  }
}

/** The attributes of one node, by name, whether the file holds them as attributes or as constant operands. */
class AttributeReader {
  readonly #node: NodeProto;
  readonly #lists: ReadonlyMap<string, readonly number[]>;

  constructor(node: NodeProto, lists: ReadonlyMap<string, readonly number[]>) {
    this.#node = node;
    this.#lists = lists;
  }

  /** Throws where the node has an attribute that is none of these: what is not read must not be ignored. */
  expectOnly(names: readonly string[]): void {
    const other = this.#node.attribute.find(({ name }) => !names.includes(name));
    if (other) throw new Error(`expected attributes among [${names.join(', ')}], got ${other.name}`);
  }

  text(name: string): string {
    return new TextDecoder().decode(this.#find(name)?.s);
  }

  number(name: string, otherwise: number): number {
    const attribute = this.#find(name);
    // A float32 written out has 7 digits that count: 1e-6 comes back as such.
    if (attribute?.type === 1) return Number((attribute.f ?? otherwise).toPrecision(7));
    return attribute?.i ?? otherwise;
  }

  flag(name: string, otherwise: boolean): boolean {
    return this.number(name, Number(otherwise)) !== 0;
  }

  list(name: string): readonly number[] {
    const list = this.#lists.get(name) ?? this.#find(name)?.ints;
    if (!list) throw new Error(`read: node ${this.#node.name}: ${this.#node.opType} has no ${name}`);
    return list;
  }

  #find(name: string) {
    return this.#node.attribute.find((attribute) => attribute.name === name);
  }
}

type Builder = (x: readonly Value[], attributes: AttributeReader) => readonly Value[];

const one =
  (build: (x: Value, attributes: AttributeReader) => Value): Builder =>
  ([x, ...rest], attributes) => {
    if (!x || rest.length > 0) throw new Error(`expected one operand, got ${rest.length + (x ? 1 : 0)}`);
    return [build(x, attributes)];
  };
const two =
  (build: (a: Value, b: Value, attributes: AttributeReader) => Value): Builder =>
  ([a, b, ...rest], attributes) => {
    if (!a || !b || rest.length > 0) throw new Error('expected two operands');
    return [build(a, b, attributes)];
  };
const three =
  (build: (a: Value, b: Value, c: Value, attributes: AttributeReader) => Value): Builder =>
  ([a, b, c], attributes) => {
    if (!a || !b || !c) throw new Error('expected three operands');
    return [build(a, b, c, attributes)];
  };
const reduction = (reduce: (x: Value, options: ops.ReduceOptions) => Value): Builder =>
  one((x, a) => reduce(x, { axes: a.list('axes'), keepdims: a.flag('keepdims', true) }));

const BUILDERS: { readonly [Op in EmittedOp]: Builder } = {
  Identity: one(ops.identity),
  Neg: one(ops.neg),
  Abs: one(ops.abs),
  Sign: one(ops.sign),
  Exp: one(ops.exp),
  Log: one(ops.log),
  Sqrt: one(ops.sqrt),
  Reciprocal: one(ops.reciprocal),
  Erf: one(ops.erf),
  Tanh: one(ops.tanh),
  Sigmoid: one(ops.sigmoid),
  Relu: one(ops.relu),
  Cast: one((x, a) => ops.cast(x, dtypeOf(a.number('to', 1), 'Cast'))),
  Add: two(ops.add),
  Sub: two(ops.sub),
  Mul: two(ops.mul),
  Div: two(ops.div),
  Pow: two(ops.pow),
  Equal: two(ops.equal),
  Greater: two(ops.greater),
  Less: two(ops.less),
  Where: three(ops.where),
  ReduceSum: reduction(ops.reduceSum),
  ReduceMean: reduction(ops.reduceMean),
  ReduceMax: reduction(ops.reduceMax),
  MatMul: two((a, b, at) =>
    ops.matmul(a, b, {
      transA: at.flag('transA', false),
      transB: at.flag('transB', false),
      alpha: at.number('alpha', 1),
    }),
  ),
  Gemm: ([a, b, c], at) => {
    if (!a || !b) throw new Error('expected two or three operands');
    return [
      ops.gemm(a, b, c, {
        transA: at.flag('transA', false),
        transB: at.flag('transB', false),
        alpha: at.number('alpha', 1),
        beta: at.number('beta', 1),
      }),
    ];
  },
  Reshape: one((x, a) => ops.reshape(x, leftOver(x, a.list('shape')))),
  Transpose: one((x, a) => ops.transpose(x, a.list('perm'))),
  Expand: one((x, a) => ops.expand(x, a.list('shape'))),
  Slice: one((x, a) => {
    const [starts, ends] = [a.list('starts'), a.list('ends')];
    return a.list('axes').reduce((value, axis, i) => ops.slice(value, axis, starts[i] ?? 0, ends[i] ?? 0), x);
  }),
  Pad: one((x, a) => {
    const pads = a.list('pads');
    return x.shape.reduce(
      (value: Value, _, i) => ops.pad(value, i, pads[i] ?? 0, pads[i + x.shape.length] ?? 0),
      x,
    );
  }),
  Concat: (x, a) => [ops.concat(x, a.number('axis', 0))],
  Split: ([x], a) => {
    if (!x) throw new Error('expected one operand');
    return ops.split(x, a.number('axis', 0), a.list('sizes'));
  },
  Gather: two((x, indices, a) => ops.gather(x, indices, a.number('axis', 0))),
  GatherElements: two((x, indices, a) => ops.gatherElements(x, indices, a.number('axis', 0))),
  ScatterElements: three((x, indices, updates, a) => {
    if (a.text('reduction') !== 'add') throw new Error('expected reduction add');
    return ops.scatterElements(x, indices, updates, a.number('axis', 0));
  }),
  Softmax: one((x, a) => ops.softmaxOp(x, a.number('axis', -1))),
  LogSoftmax: one((x, a) => ops.logSoftmax(x, a.number('axis', -1))),
  LayerNormalization: ([x, scale, bias], a) => {
    if (!x || !scale || bias) throw new Error('expected two operands');
    return ops.layerNormalization(x, scale, a.number('epsilon', 1e-5));
  },
};

function isEmittedOp(op: string): op is EmittedOp {
  return Object.hasOwn(ENCODINGS, op);
}

function build(node: NodeProto, operands: readonly Value[]): readonly Value[] {
  const op = node.opType === 'FusedMatMul' ? 'MatMul' : node.opType;
  if (!isEmittedOp(op)) throw new Error(`read: node ${node.name}: ${node.opType} is not in the op set`);
  const lists = new Map<string, readonly number[]>();
  const listNames = Object.entries(ENCODINGS[op]).flatMap(([name, field]) =>
    field === 'input' ? [name] : [],
  );
  const first = operands.length - listNames.length;
  listNames.forEach((name, i) => {
    lists.set(name, listOf(operands[first + i], node));
  });
  const attributes = new AttributeReader(node, lists);
  return within(`node ${node.name} (${node.opType})`, () => {
    attributes.expectOnly([
      ...Object.keys(ENCODINGS[op]),
      ...(op === 'ScatterElements' ? ['reduction'] : []),
    ]);
    return BUILDERS[op](operands.slice(0, first), attributes);
  });
}

function listOf(value: Value | undefined, node: NodeProto): readonly number[] {
  if (!value || !isOp(value.node, 'Constant'))
    throw new Error(`read: node ${node.name}: expected a constant list`);
  return Array.from(value.node.attributes.data, Number);
}

/** The shape with its −1 worked out: in our files it stands for a multiple of `batch`. */
function leftOver(x: Value, shape: readonly number[]): Shape {
  const at = shape.indexOf(-1);
  if (at < 0) return shape;
  const known = shape.reduce((size, dim) => (dim === -1 ? size : size * dim), 1);
  const total = x.shape.reduce(
    (size: number, dim) => size * (typeof dim === 'number' ? dim : Number.parseInt(dim, 10) || 1),
    1,
  );
  if (total % known !== 0) throw new Error(`Reshape of ${show(x.shape)} to ${show(shape)}`);
  const count = total / known;
  const isSymbolic = x.shape.some((dim) => typeof dim !== 'number');
  const dim: Dim = isSymbolic ? (count === 1 ? 'batch' : `${count}·batch`) : count;
  return shape.map((d) => (d === -1 ? dim : d));
}
