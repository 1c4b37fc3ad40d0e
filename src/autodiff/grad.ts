/** Reverse and forward mode over graphs. Both write public ops only, so their results differentiate again. */
import { topologicalOrder } from '../onnx/graph.ts';
import { add, constant, zeros } from '../onnx/ops.ts';
import { sameShape, show, staticShape } from '../onnx/shapes.ts';
import {
  type Cotangents,
  isOp,
  type Node,
  type OpType,
  operands,
  type Tangents,
  type Value,
} from '../onnx/value.ts';
import { rules } from './rules/index.ts';

/**
 * The gradient of a scalar with respect to each of `xs`, which may be any values, not only inputs. It is zeros for an
 * x that the scalar does not depend on. `y`: float32 of one element.
 */
export function grad(y: Value, xs: readonly Value[]): Value[] {
  const shape = staticShape(y.shape, 'grad');
  if (y.dtype !== 'float32' || shape.some((dim) => dim !== 1))
    throw new Error(`grad: expected a float32 scalar, got ${describe(y)}`);
  const one = constant(Float32Array.of(1), shape);
  return vjp([y], xs, [one]).map((ct, i) => ct ?? zeros(staticShape(xs[i]?.shape ?? [], 'grad')));
}

/**
 * The cotangents of `xs`, given those of `ys` (vector-Jacobian product). A cotangent that is zero is undefined. Only
 * nodes on a path from an x to a y are visited.
 */
export function vjp(
  ys: readonly Value[],
  xs: readonly Value[],
  cotangents: readonly (Value | undefined)[],
): (Value | undefined)[] {
  check('vjp', 'cotangent', cotangents, ys);
  const order = topologicalOrder(ys);
  const active = dependents(order, xs);
  const accumulated = new Map<Value, Value>();
  const accumulate = (value: Value, ct: Value | undefined): void => {
    if (!ct) return;
    const known = accumulated.get(value);
    accumulated.set(value, known ? add(known, ct) : ct);
  };
  ys.forEach((y, i) => {
    accumulate(y, cotangents[i]);
  });
  const targets = new Set(xs);
  for (const node of order.reverse()) {
    if (!operands(node).some((value) => active.has(value))) continue;
    const cts = node.outputs.map((value: Value) => accumulated.get(value));
    if (cts.every((ct) => ct === undefined)) continue;
    const result = pullBack(node, cts);
    node.inputs.forEach((value, i) => {
      if (value && active.has(value)) accumulate(value, result[i]);
    });
    for (const value of node.outputs) if (!targets.has(value)) accumulated.delete(value);
  }
  return xs.map((x) => accumulated.get(x));
}

/** The tangents of `ys`, given those of `xs` (Jacobian-vector product). A tangent that is zero is undefined. */
export function jvp(
  ys: readonly Value[],
  xs: readonly Value[],
  tangents: readonly (Value | undefined)[],
): (Value | undefined)[] {
  check('jvp', 'tangent', tangents, xs);
  const order = topologicalOrder(ys);
  const active = dependents(order, xs);
  const known = new Map<Value, Value>();
  xs.forEach((x, i) => {
    const tangent = tangents[i];
    if (tangent) known.set(x, tangent);
  });
  const fixed = new Set(xs);
  for (const node of order) {
    if (!operands(node).some((value) => active.has(value))) continue;
    const inputs = node.inputs.map((value) => value && known.get(value));
    if (inputs.every((tangent) => tangent === undefined)) continue;
    const result = pushForward(node, inputs);
    node.outputs.forEach((value, i) => {
      const tangent = result[i];
      if (tangent && !fixed.has(value)) known.set(value, tangent);
    });
  }
  return ys.map((y) => known.get(y));
}

/** Hessian times vector, forward over reverse (Pearlmutter 1994): the tangent of the gradient `gs` at `xs` along `vs`. */
export function hvp(gs: readonly Value[], xs: readonly Value[], vs: readonly Value[]): Value[] {
  return jvp(gs, xs, vs).map((hv, i) => hv ?? zeros(staticShape(xs[i]?.shape ?? [], 'hvp')));
}

/** The values of a graph that depend on one of `xs`, and `xs` themselves. */
function dependents(order: readonly Node[], xs: readonly Value[]): Set<Value> {
  const active = new Set(xs);
  for (const node of order) {
    if (operands(node).some((value) => active.has(value)))
      for (const value of node.outputs) active.add(value);
  }
  return active;
}

function pullBack<Op extends OpType>(
  node: Node<Op>,
  cts: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  if (!areCotangents(node, cts)) throw new Error(`internal: ${node.op} was given no cotangent`);
  const result = rules[node.op].vjp(cts, node.outputs, node.inputs, node.attributes);
  check(ruleOf(node), 'cotangent', result, node.inputs);
  return result;
}

function areCotangents<Op extends OpType>(
  node: Node<Op>,
  cts: readonly (Value | undefined)[],
): cts is Cotangents<Op> {
  return cts.length === node.outputs.length && (cts.length > 1 || cts[0] !== undefined);
}

function pushForward<Op extends OpType>(
  node: Node<Op>,
  tangents: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  if (!areTangents(node, tangents))
    throw new Error(`internal: ${node.op} takes ${node.inputs.length} tangents`);
  const result = rules[node.op].jvp(tangents, node.outputs, node.inputs, node.attributes);
  check(ruleOf(node), 'tangent', result, node.outputs);
  return result;
}

function areTangents<Op extends OpType>(
  node: Node<Op>,
  tangents: readonly (Value | undefined)[],
): tangents is Tangents<Op> {
  return tangents.length === node.inputs.length;
}

/** A cotangent or tangent has the type of its value. Checking it here names the rule that is wrong. */
function check(
  where: string,
  what: string,
  got: readonly (Value | undefined)[],
  expected: readonly (Value | undefined)[],
): void {
  if (got.length !== expected.length) {
    throw new Error(`${where}: expected ${expected.length} ${what}s, got ${got.length}`);
  }
  got.forEach((value, i) => {
    const like = expected[i];
    if (!value || (like && value.dtype === like.dtype && sameShape(value.shape, like.shape))) return;
    const wanted = like ? describe(like) : 'none';
    throw new Error(`${where}: ${what} ${i}: expected ${wanted}, got ${describe(value)}`);
  });
}

function ruleOf(node: Node): string {
  return `internal: rule of ${isOp(node, 'Call') ? node.attributes.composite.name : node.op}`;
}

function describe({ dtype, shape }: Value): string {
  return `${dtype}${show(shape)}`;
}
