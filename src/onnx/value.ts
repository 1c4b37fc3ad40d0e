/**
 * The graph: immutable values and the nodes that produce them. There is no builder: a graph is whatever can be
 * reached from its outputs, and it gets its names once, when it is serialized.
 */

/** `float16` is for storage: it is cast to float32 before anything is computed. */
export type DType = 'float32' | 'float16' | 'int32' | 'int64' | 'bool' | 'uint8';

/** A dimension: a number, or a multiple of the one symbolic dimension, `batch`, that inference graphs keep. */
export type Dim = number | 'batch' | `${number}·batch`;
export type Shape = readonly Dim[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A float16 is the bits of a uint16. */
export type ConstantData = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** One output of a node. */
export interface Value extends TensorType {
  readonly node: Node;
  readonly output: number;
}

type Maybe<Values extends readonly unknown[]> = { readonly [I in keyof Values]: Value | undefined };

/** What an op takes and gives: its inputs, its attributes, its outputs. */
interface Signature<
  In extends readonly (Value | undefined)[],
  Attributes extends object = object,
  Out extends readonly Value[] = readonly [Value],
> {
  readonly inputs: In;
  readonly attributes: Attributes;
  readonly outputs: Out;
  /** A rule of a one-output op is called only with a cotangent; of several outputs some may have none. */
  readonly cotangents: Out extends readonly [Value] ? readonly [Value] : Maybe<Out>;
}

type Unary<Attributes extends object = object> = Signature<readonly [Value], Attributes>;
type Binary<Attributes extends object = object> = Signature<readonly [Value, Value], Attributes>;
type Reduction = Unary<{ readonly axes: readonly number[]; readonly keepdims: boolean }>;

/**
 * The closed set of ops: everything that the graph core can write, read and differentiate. Semantics are those
 * of the ONNX operator of the same name (opset 18); static lists that ONNX takes as tensors are attributes here.
 */
export interface Ops {
  /** A graph input; a trainable parameter is one named by its path. */
  Input: Signature<readonly [], { readonly name: string }>;
  Constant: Signature<readonly [], { readonly data: ConstantData }>;
  /** A composite: a named function of ops with derivative rules of its own (autodiff/composite.ts). */
  Call: Signature<
    readonly Value[],
    { readonly composite: Composite; readonly body: readonly Value[] },
    readonly Value[]
  >;

  Identity: Unary;
  Neg: Unary;
  Abs: Unary;
  Sign: Unary;
  Exp: Unary;
  Log: Unary;
  Sqrt: Unary;
  Reciprocal: Unary;
  Erf: Unary;
  Tanh: Unary;
  Sigmoid: Unary;
  Relu: Unary;
  Cast: Unary<{ readonly to: DType }>;

  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  Pow: Binary;
  Equal: Binary;
  Greater: Binary;
  Less: Binary;
  Where: Signature<readonly [condition: Value, a: Value, b: Value]>;

  ReduceSum: Reduction;
  ReduceMean: Reduction;
  ReduceMax: Reduction;

  /** alpha·A·B over the last two axes, leading axes broadcast; either factor may be transposed. */
  MatMul: Binary<{ readonly transA: boolean; readonly transB: boolean; readonly alpha: number }>;
  /** alpha·A·B + beta·C on matrices; C is broadcast to the result. */
  Gemm: Signature<
    readonly [a: Value, b: Value, c?: Value],
    { readonly transA: boolean; readonly transB: boolean; readonly alpha: number; readonly beta: number }
  >;

  Reshape: Unary<{ readonly shape: Shape }>;
  Transpose: Unary<{ readonly perm: readonly number[] }>;
  Expand: Unary<{ readonly shape: readonly number[] }>;
  Slice: Unary<{
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly axes: readonly number[];
  }>;
  /** Zero padding: `pads` are the counts before each axis, then after each. */
  Pad: Unary<{ readonly pads: readonly number[] }>;
  Concat: Signature<readonly Value[], { readonly axis: number }>;
  Split: Signature<
    readonly [Value],
    { readonly axis: number; readonly sizes: readonly number[] },
    readonly Value[]
  >;
  Gather: Signature<readonly [data: Value, indices: Value], { readonly axis: number }>;
  GatherElements: Signature<readonly [data: Value, indices: Value], { readonly axis: number }>;
  /** Adds each update to the element of data that its index names. */
  ScatterElements: Signature<
    readonly [data: Value, indices: Value, updates: Value],
    { readonly axis: number }
  >;

  Softmax: Unary<{ readonly axis: number }>;
  LogSoftmax: Unary<{ readonly axis: number }>;
  /** Over the last axis: the normalised and scaled values, the mean, and 1/σ (both with a last axis of 1). */
  LayerNormalization: Signature<
    readonly [x: Value, scale: Value],
    { readonly epsilon: number },
    readonly [y: Value, mean: Value, inverseDeviation: Value]
  >;
}

export type OpType = keyof Ops;
export type Inputs<Op extends OpType> = Ops[Op]['inputs'];
export type Attributes<Op extends OpType> = Ops[Op]['attributes'];
export type Outputs<Op extends OpType> = Ops[Op]['outputs'];
export type Cotangents<Op extends OpType> = Ops[Op]['cotangents'];
export type Tangents<Op extends OpType> = Maybe<Inputs<Op>>;

/** (cotangents of the outputs, outputs, inputs, attributes) → cotangents of the inputs, none where zero. */
export type VjpRule<Op extends OpType> = (
  ct: Cotangents<Op>,
  y: Outputs<Op>,
  x: Inputs<Op>,
  attributes: Attributes<Op>,
) => Maybe<Inputs<Op>>;

/** (tangents of the inputs, outputs, inputs, attributes) → tangents of the outputs, none where zero. */
export type JvpRule<Op extends OpType> = (
  t: Tangents<Op>,
  y: Outputs<Op>,
  x: Inputs<Op>,
  attributes: Attributes<Op>,
) => Maybe<Outputs<Op>>;

/** A named function of ops whose derivatives are written in closed form. */
export interface Composite {
  readonly name: string;
  /** Whether each element of the result depends on the operand's element at its place only. */
  readonly elementwise?: boolean;
  /** What runs: the same function in elementary ops, and the oracle that the rules are tested against. */
  readonly body: (x: readonly Value[]) => readonly Value[];
  readonly vjp: VjpRule<'Call'>;
  readonly jvp: JvpRule<'Call'>;
}

/** One operation. */
export class Node<Op extends OpType = OpType> {
  readonly op: Op;
  readonly inputs: Inputs<Op>;
  readonly attributes: Attributes<Op>;
  readonly outputs: Outputs<Op>;

  /** `declare` calls its argument once per output, in order, with the output's type. */
  constructor(
    op: Op,
    inputs: Inputs<Op>,
    attributes: Attributes<Op>,
    declare: (output: (type: TensorType) => Value) => Outputs<Op>,
  ) {
    this.op = op;
    this.inputs = inputs;
    this.attributes = attributes;
    let count = 0;
    this.outputs = declare(({ dtype, shape }) => ({ node: this, output: count++, dtype, shape }));
  }
}

/** Narrows a node to one op, so that its inputs and attributes have their types. */
export function isOp<Op extends OpType>(node: Node, op: Op): node is Node<Op> {
  return node.op === op;
}

/** The inputs of a node that are there (an optional one may be missing). */
export function operands(node: Node): readonly Value[] {
  const inputs: readonly (Value | undefined)[] = node.inputs;
  // Nearly always all are: passes ask this a hundred thousand times.
  return areThere(inputs) ? inputs : inputs.filter((input) => input !== undefined);
}

function areThere(inputs: readonly (Value | undefined)[]): inputs is readonly Value[] {
  for (const input of inputs) if (input === undefined) return false;
  return true;
}
