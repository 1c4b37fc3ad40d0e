/**
 * Moves a Slice up through operations that work row by row: where only a few rows reach the loss (the class token of
 * a ViT), the rest need not be computed. Applied before differentiation, so that the gradient does not compute them
 * either. A Slice stops at a value that others use too.
 *
 *     slice(f(x)) → f(slice(x))
 */
import type { OpOfKind } from '../onnx/apply.ts';
import { keep, rewriteGraph, withInputs } from '../onnx/graph.ts';
import { gemm, layerNormalization, matmul, reshape, slice, split, transpose } from '../onnx/ops.ts';
import { product } from '../onnx/shapes.ts';
import { type EmittedOp, isOp, type Node, operands, type Value } from '../onnx/value.ts';
import { mergeCommonSubexpressions } from './common-subexpressions.ts';
import { isElementwise } from './elementwise.ts';
import { Users } from './users.ts';

interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

export function pushSlicesUp(outputs: readonly Value[]): Value[] {
  // Equal slices of a value become one first, since a Slice stops at a value of several users.
  const merged = mergeCommonSubexpressions(outputs);
  const moved = pushOnce(merged);
  return moved.every((value, i) => value === merged[i]) ? moved : pushSlicesUp(moved);
}

function pushOnce(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const moved = new Map<Value, Value>();
  for (const node of users.order) {
    if (!isOp(node, 'Slice') || node.attributes.axes.length > 1) continue;
    const { axes, starts, ends } = node.attributes;
    const range = { axis: axes[0] ?? 0, start: starts[0] ?? 0, end: ends[0] ?? 0 };
    if (!users.isSingle(node.inputs[0])) continue;
    const up = above(node.inputs[0], range, users);
    if (up) moved.set(node.outputs[0], up);
  }
  return rewriteGraph(outputs, keep, (value) => moved.get(value) ?? value);
}

/** The rows of `x` in the range, with the Slice as far up as it goes. */
function rows(x: Value, range: Range, users: Users): Value {
  const { axis, start, end } = range;
  // A Reshape made by this pass has no user yet: its operand's users count instead.
  const isNew = users.of(x).length === 0 && !users.isOutput(x) && isOp(x.node, 'Reshape');
  const isShared = !users.isSingle(isNew ? x.node.inputs[0] : x);
  return (isShared ? undefined : above(x, range, users)) ?? slice(x, axis, start, end);
}

/** What an op's entry is asked: which rows of its result are wanted, and how to have rows of an operand. */
interface Wanted {
  /** The result. */
  readonly x: Value;
  readonly range: Range;
  readonly users: Users;
  /** The rows of an operand; along `axis` of it, where that is not the result's. */
  readonly up: (operand: Value, axis?: number) => Value;
}

/** The wanted rows of the result, from rows of the operands; undefined where the op does not work row by row. */
type Above<Op extends EmittedOp> = (node: Node<Op>, wanted: Wanted) => Value | undefined;

const stays = (): undefined => undefined;

/** Over one axis: its rows are those along every other one. */
const overAxis: Above<'Softmax' | 'LogSoftmax'> = (node, { x, range, up }) =>
  node.attributes.axis === range.axis ? undefined : withInputs(node, [up(node.inputs[0])])[x.output];

/** Total: an op that is not elementwise does not compile without its entry. */
const ABOVE: { readonly [Op in Exclude<EmittedOp, OpOfKind<'elementwise'>>]: Above<Op> } = {
  Softmax: overAxis,
  LogSoftmax: overAxis,
  LayerNormalization: ({ inputs: [operand, scale], attributes: { epsilon } }, { x, range, up }) =>
    range.axis === x.shape.length - 1 ? undefined : layerNormalization(up(operand), scale, epsilon)[x.output],
  Transpose: ({ inputs: [operand], attributes: { perm } }, { range, up }) =>
    transpose(up(operand, perm[range.axis]), perm),
  MatMul: ({ inputs: [a, b], attributes }, { x, range: { axis }, up }) => {
    const rank = x.shape.length;
    if (axis !== rank - 2 || a.shape.length !== rank) return undefined;
    return matmul(up(a, attributes.transA ? rank - 1 : axis), b, attributes);
  },
  Reshape: aboveReshape,
  // Its rows are cut apart by the Reshape behind it.
  Gemm: stays,
  // These mix the rows, or no model has had the need to cut them.
  Identity: stays,
  ReduceSum: stays,
  ReduceMean: stays,
  ReduceMax: stays,
  ArgMax: stays,
  CumSum: stays,
  Expand: stays,
  Slice: stays,
  Pad: stays,
  Concat: stays,
  Split: aboveSplit,
  Gather: stays,
  GatherElements: stays,
  ScatterElements: stays,
};

function aboveBy<Op extends keyof typeof ABOVE>(node: Node<Op>, wanted: Wanted): Value | undefined {
  return ABOVE[node.op](node, wanted);
}

function hasEntry(node: Node): node is Node<keyof typeof ABOVE> {
  return Object.hasOwn(ABOVE, node.op);
}

/** The rows of `x`, sliced above the node that makes it; undefined where that node does not work row by row. */
function above(x: Value, range: Range, users: Users): Value | undefined {
  const { node } = x;
  const up = (operand: Value, axis = range.axis): Value => rows(operand, { ...range, axis }, users);
  if (hasEntry(node)) return aboveBy(node, { x, range, users, up });
  if (!isElementwise(node)) return undefined;
  const sliced = operands(node).map((operand) => {
    const at = range.axis - x.shape.length + operand.shape.length;
    return at < 0 || operand.shape[at] === 1 ? operand : up(operand, at);
  });
  return withInputs(node, sliced)[x.output];
}

/** Of a Split over another axis, where the same rows of every piece are wanted: they are pieces of the operand's rows. */
function aboveSplit(
  { inputs: [operand], outputs, attributes: { axis, sizes } }: Node<'Split'>,
  { x, range, up, users }: Wanted,
): Value | undefined {
  const isWanted = (piece: Value): boolean => {
    const [user] = users.of(piece);
    if (!user || !isOp(user, 'Slice') || !users.isSingle(piece)) return false;
    const { axes, starts, ends } = user.attributes;
    return axes.length === 1 && axes[0] === range.axis && starts[0] === range.start && ends[0] === range.end;
  };
  if (axis === range.axis || !outputs.every(isWanted)) return undefined;
  return split(up(operand), axis, sizes)[x.output];
}

/** The rows of a Reshape's result. It must keep the axis, or cut the rows of a Gemm apart; undefined for others. */
function aboveReshape(
  { inputs: [operand], attributes: { shape } }: Node<'Reshape'>,
  { range: { axis, start, end }, up, users }: Wanted,
): Value | undefined {
  const cut = shape.map((dim, i) => (i === axis ? end - start : dim));
  const before = product(shape.slice(0, axis));
  const same = operand.shape.findIndex(
    (dim, i) => dim === shape[axis] && product(operand.shape.slice(0, i)) === before,
  );
  if (same >= 0) return reshape(up(operand, same), cut);
  if (!isOp(operand.node, 'Gemm') || operand.node.attributes.transA || !users.isSingle(operand))
    return undefined;
  const [a, b, c] = operand.node.inputs;
  const [columns, width] = [operand.shape[1], a.shape[1]];
  // The rows may be cut apart, and the columns too (into heads).
  const lead = shape.findIndex((_, i) => product(shape.slice(i)) === columns);
  if (axis >= lead || width === undefined || (c?.shape.length === 2 && c.shape[0] !== 1)) return undefined;
  const rowsOfA = reshape(a, [...shape.slice(0, lead), width]);
  const apart = users.isSingle(a) ? up(rowsOfA, axis) : slice(rowsOfA, axis, start, end);
  const flat = reshape(apart, [product(cut.slice(0, lead)), width]);
  return reshape(gemm(flat, b, c, operand.node.attributes), cut);
}
