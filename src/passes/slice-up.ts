/**
 * Moves a Slice up through operations that work row by row: where only a few rows reach the loss (the class token of
 * a ViT), the rest need not be computed. Applied before differentiation, so that the gradient does not compute them
 * either. A Slice stops at a value that others use too.
 *
 *     slice(f(x)) → f(slice(x))
 */
import { keep, rewriteGraph, withInputs } from '../onnx/graph.ts';
import { gemm, layerNormalization, matmul, reshape, slice, transpose } from '../onnx/ops.ts';
import { product } from '../onnx/shapes.ts';
import { isOp, type Node, operands, type Value } from '../onnx/value.ts';
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

/** The rows of `x`, sliced above the node that makes it; undefined where that node does not work row by row. */
function above(x: Value, range: Range, users: Users): Value | undefined {
  const { node } = x;
  const { axis, start, end } = range;
  const up = (operand: Value, to = axis): Value => rows(operand, { axis: to, start, end }, users);
  if (isElementwise(node)) {
    const sliced = operands(node).map((operand) => {
      const at = axis - x.shape.length + operand.shape.length;
      return at < 0 || operand.shape[at] === 1 ? operand : up(operand, at);
    });
    return withInputs(node, sliced)[x.output];
  }
  if (isOp(node, 'Softmax') || isOp(node, 'LogSoftmax')) {
    return node.attributes.axis === axis ? undefined : withInputs(node, [up(node.inputs[0])])[x.output];
  }
  if (isOp(node, 'LayerNormalization')) {
    const [operand, scale] = node.inputs;
    if (axis === x.shape.length - 1) return undefined;
    return layerNormalization(up(operand), scale, node.attributes.epsilon)[x.output];
  }
  if (isOp(node, 'Transpose')) {
    const { perm } = node.attributes;
    return transpose(up(node.inputs[0], perm[axis]), perm);
  }
  if (isOp(node, 'MatMul')) {
    const [a, b] = node.inputs;
    const { transA } = node.attributes;
    const rank = x.shape.length;
    if (axis !== rank - 2 || a.shape.length !== rank) return undefined;
    return matmul(up(a, transA ? rank - 1 : axis), b, node.attributes);
  }
  return isOp(node, 'Reshape') ? aboveReshape(node, range, up, users) : undefined;
}

/** The rows of a Reshape's result. It must keep the axis, or cut the rows of a Gemm apart; undefined for others. */
function aboveReshape(
  node: Node<'Reshape'>,
  { axis, start, end }: Range,
  up: (operand: Value, axis: number) => Value,
  users: Users,
): Value | undefined {
  const [operand] = node.inputs;
  const { shape } = node.attributes;
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
