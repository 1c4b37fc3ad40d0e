/**
 * The graph: immutable values and the nodes that produce them. There is no builder: a graph is all that can be reached
 * from its outputs. Nodes get their names when the graph is serialized.
 */

import type { OPS } from './opset/index.ts';
import type { Operands, Schema } from './opset/schema.ts';

/** The type of an element. `float16` is for storage only: it is cast to float32 before anything is computed. */
export type DType = 'float32' | 'float16' | 'int32' | 'int64' | 'bool' | 'uint8';

/** A dimension: a number, or in inference graphs a multiple of `batch`, the one symbolic dimension. */
export type Dim = number | 'batch' | `${number}·batch`;
/** The dimensions of a tensor, outermost first; empty for a scalar. */
/** The dimensions of a tensor, outermost first; empty for a scalar. */
export type Shape = readonly Dim[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** The elements of a constant. A float16 is stored as its bits, in a Uint16Array. */
export type ConstantData = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** One output of a node. */
export interface Value extends TensorType {
  readonly node: Node;
  readonly output: number;
}

type Maybe<Values extends readonly unknown[]> = { readonly [I in keyof Values]: Value | undefined };
type ValuesLike<Types extends readonly unknown[]> = { readonly [I in keyof Types]: Value };
type TypesLike<Values extends readonly unknown[]> = { readonly [I in keyof Values]: TensorType };

/** What an op takes and gives: its inputs, its attributes, its outputs. */
interface Signature<
  In extends readonly (Value | undefined)[],
  Attributes extends object,
  Out extends readonly Value[],
> {
  readonly inputs: In;
  readonly attributes: Attributes;
  readonly outputs: Out;
}

/** The signature that a description gives an op. */
type Described<S> =
  S extends Schema<infer A, infer Attributes extends object, infer Out extends readonly TensorType[]>
    ? Signature<Operands<Value>[A], Attributes, ValuesLike<Out>>
    : never;

/** Ops that a file has nodes for. Inputs and constants are no nodes there, and calls are inlined. */
export type EmittedOp = keyof typeof OPS;

interface Leaves {
  /** A graph input. One whose name is a path is a trainable parameter. */
  readonly Input: Signature<readonly [], { readonly name: string }, readonly [Value]>;
  readonly Constant: Signature<readonly [], { readonly data: ConstantData }, readonly [Value]>;
  /** A composite: a named function of ops with derivative rules of its own (autodiff/composite.ts). */
  readonly Call: Signature<
    readonly Value[],
    { readonly composite: Composite; readonly body: readonly Value[] },
    readonly Value[]
  >;
}
type Ops = Leaves & { readonly [Op in EmittedOp]: Described<(typeof OPS)[Op]> };

export type OpType = keyof Ops;
export type Inputs<Op extends OpType> = Ops[Op]['inputs'];
export type Attributes<Op extends OpType> = Ops[Op]['attributes'];
export type Outputs<Op extends OpType> = Ops[Op]['outputs'];
/** The cotangents that a rule gets. The only output of an op always has one; of several outputs some may have none. */
export type Cotangents<Op extends OpType> =
  Outputs<Op> extends readonly [unknown] ? readonly [Value] : Maybe<Outputs<Op>>;
export type OutputTypes<Op extends OpType> = TypesLike<Outputs<Op>>;
export type Tangents<Op extends OpType> = Maybe<Inputs<Op>>;

/** (cotangents of the outputs, outputs, inputs, attributes) → cotangents of the inputs. A zero one is undefined. */
export type VjpRule<Op extends OpType> = (
  ct: Cotangents<Op>,
  y: Outputs<Op>,
  x: Inputs<Op>,
  attributes: Attributes<Op>,
) => Maybe<Inputs<Op>>;

/** (tangents of the inputs, outputs, inputs, attributes) → tangents of the outputs. A zero one is undefined. */
export type JvpRule<Op extends OpType> = (
  t: Tangents<Op>,
  y: Outputs<Op>,
  x: Inputs<Op>,
  attributes: Attributes<Op>,
) => Maybe<Outputs<Op>>;

/** A named function of ops whose derivatives are written in closed form. */
export interface Composite {
  readonly name: string;
  /** Whether each element of the result depends only on the operand's element at the same place. */
  readonly elementwise?: boolean;
  /** The function in elementary ops. It is what runs, and what the rules are tested against. */
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

  /** `types` are the types of the outputs. */
  constructor(op: Op, inputs: Inputs<Op>, attributes: Attributes<Op>, types: OutputTypes<Op>) {
    this.op = op;
    this.inputs = inputs;
    this.attributes = attributes;
    const outputs = types.map(({ dtype, shape }, output): Value => ({ node: this, output, dtype, shape }));
    if (!areOutputs<Op>(outputs, types)) throw new Error(`internal: ${op} lost outputs`);
    this.outputs = outputs;
  }
}

/** Narrows a node to one op, so that its inputs and attributes have their types. */
export function isOp<Op extends OpType>(node: Node, op: Op): node is Node<Op> {
  return node.op === op;
}

/** The inputs of a node, without an optional one that was left out. */
export function operands(node: Node): readonly Value[] {
  const inputs: readonly (Value | undefined)[] = node.inputs;
  // Passes call this a hundred thousand times, and nearly always no input is missing: then nothing is copied.
  return areThere(inputs) ? inputs : inputs.filter((input) => input !== undefined);
}

function areThere(inputs: readonly (Value | undefined)[]): inputs is readonly Value[] {
  for (const input of inputs) if (input === undefined) return false;
  return true;
}

function areOutputs<Op extends OpType>(
  values: readonly Value[],
  types: OutputTypes<Op>,
): values is Outputs<Op> {
  return values.length === types.length;
}
