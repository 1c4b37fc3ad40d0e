/** Makes nodes of the op set, checked against their descriptions. No other place makes them. */
import { UserError } from '../errors.ts';
import { OPS } from './opset/index.ts';
import type { Arity, Kind, Schema } from './opset/schema.ts';
import {
  type Attributes,
  type EmittedOp,
  type Inputs,
  Node,
  type Outputs,
  type OutputTypes,
  type Value,
} from './value.ts';

/** A description, with its types by op. */
interface SchemaOf<Op extends EmittedOp>
  extends Omit<Schema<Arity, Attributes<Op>, OutputTypes<Op>>, 'infer'> {
  readonly infer: (x: Inputs<Op>, attributes: Attributes<Op>, op: string) => OutputTypes<Op>;
}

export const SCHEMAS: { readonly [Op in EmittedOp]: SchemaOf<Op> } = OPS;

/** The results of an op. Throws where the operands or attributes do not fit. */
export function apply<Op extends EmittedOp>(
  op: Op,
  inputs: Inputs<Op>,
  attributes: Attributes<Op>,
): Outputs<Op> {
  return new Node<Op>(op, inputs, attributes, SCHEMAS[op].infer(inputs, attributes, op)).outputs;
}

/** apply() on a list of operands, as a file gives them. Throws UserError where the op takes another number of them. */
export function applyTo<Op extends EmittedOp>(
  op: Op,
  operands: readonly Value[],
  attributes: Attributes<Op>,
): Outputs<Op> {
  const values: readonly (Value | undefined)[] = operands;
  if (takes(op, values)) return apply(op, values, attributes);
  const { arity } = SCHEMAS[op];
  throw new UserError(`expected ${arity} operand${arity === 1 ? '' : 's'}, got ${operands.length}`);
}

function takes<Op extends EmittedOp>(op: Op, values: readonly (Value | undefined)[]): values is Inputs<Op> {
  const arity: Arity = SCHEMAS[op].arity;
  return arity === 'any' || (arity === '2 or 3' ? [2, 3] : [arity]).includes(values.length);
}

export function isEmitted(op: string): op is EmittedOp {
  return Object.hasOwn(OPS, op);
}

export function isEmittedNode(node: Node): node is Node<EmittedOp> {
  return isEmitted(node.op);
}

/** The ops whose descriptions say that they are of a kind. */
export type OpOfKind<K extends Kind> = {
  [Op in EmittedOp]: (typeof OPS)[Op]['kind'] extends K ? Op : never;
}[EmittedOp];
export type NodeOfKind<K extends Kind> = { [Op in OpOfKind<K>]: Node<Op> }[OpOfKind<K>];

export function isOfKind<K extends Kind>(node: Node, kind: K): node is NodeOfKind<K> {
  return isEmittedNode(node) && SCHEMAS[node.op].kind === kind;
}

/** The ops that passes/portable.ts writes with other ops. */
export type RewrittenOp = {
  [Op in EmittedOp]: (typeof OPS)[Op]['webgpu'] extends 'native' ? never : Op;
}[EmittedOp];

export function isRewritten(node: Node): node is Node<RewrittenOp> {
  return isEmittedNode(node) && SCHEMAS[node.op].webgpu === 'rewritten';
}
