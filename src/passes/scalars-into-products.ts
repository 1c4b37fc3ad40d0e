/**
 * A constant factor becomes the alpha (and beta) of the matrix product before or behind it:
 *
 *     c·Gemm(A, B, C) → Gemm(A, B, C) with c·alpha, c·beta       where nothing else uses that product
 *     Gemm(c·A, B) → Gemm(A, B) with c·alpha                     where only products use c·A
 *
 * Reshape and Transpose may stand between; in the first case sums may, too.
 */
import { isOfKind, type NodeOfKind } from '../onnx/apply.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gemm, matmul, uniformNumber } from '../onnx/ops.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { isRearranged } from './elementwise.ts';
import { Users } from './users.ts';

type Product = NodeOfKind<'product'>;

export function foldScalarsIntoProducts(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const factors = new Map<Node, { alpha: number; beta: number }>();
  const gone = new Map<Value, Value>();
  const scale = (node: Product, by: number, alsoC: boolean): void => {
    const { alpha, beta } = factors.get(node) ?? { alpha: 1, beta: 1 };
    factors.set(node, { alpha: alpha * by, beta: alsoC ? beta * by : beta });
  };
  for (const node of users.order) {
    const scaled = isOp(node, 'Mul') ? scaledBy(node) : undefined;
    if (!scaled || !isOp(node, 'Mul')) continue;
    const sources = productsAbove(scaled.x, users);
    const sinks = sources ? undefined : productsBelow(node.outputs[0], users);
    for (const source of sources ?? []) scale(source, scaled.by, true);
    for (const sink of sinks ?? []) scale(sink, scaled.by, false);
    if (sources || sinks) gone.set(node.outputs[0], scaled.x);
  }
  return rewriteGraph(
    outputs,
    (node, inputs) => {
      const factor = factors.get(node);
      const [a, b, c] = inputs;
      if (!factor || !a || !b) return keep(node, inputs);
      if (isOp(node, 'MatMul')) {
        return [matmul(a, b, { ...node.attributes, alpha: node.attributes.alpha * factor.alpha })];
      }
      if (!isOp(node, 'Gemm')) return keep(node, inputs);
      const { alpha, beta } = node.attributes;
      return [gemm(a, b, c, { ...node.attributes, alpha: alpha * factor.alpha, beta: beta * factor.beta })];
    },
    (value) => {
      let now = value;
      for (let next = gone.get(now); next; next = gone.get(now)) now = next;
      return now;
    },
  );
}

/** The factor and the other operand, where one operand is a constant of one element and the other is larger. */
function scaledBy({ inputs: [a, b], outputs: [y] }: Node<'Mul'>): { x: Value; by: number } | undefined {
  for (const [x, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const isOne = other.shape.every((dim) => dim === 1) && other.shape.length <= x.shape.length;
    const by = isOne && isOp(other.node, 'Constant') ? uniformNumber(other) : undefined;
    if (by !== undefined && y.dtype === 'float32' && x.shape.some((dim) => dim !== 1)) return { x, by };
  }
  return undefined;
}

/** The matrix products that the value is a sum of, through Reshape and Transpose; undefined where others use them. */
function productsAbove(value: Value, users: Users): Product[] | undefined {
  if (!users.isSingle(value)) return undefined;
  const { node } = value;
  if (isOfKind(node, 'product')) return [node];
  if (isRearranged(node)) return productsAbove(node.inputs[0], users);
  if (!isOp(node, 'Add') && !isOp(node, 'Sub')) return undefined;
  const [a, b] = node.inputs.map((operand) => productsAbove(operand, users));
  return a && b && [...a, ...b];
}

/** The matrix products that take the value as a factor, through Reshape and Transpose; undefined where others use it. */
function productsBelow(value: Value, users: Users): Product[] | undefined {
  if (users.isOutput(value)) return undefined;
  const found: Product[] = [];
  for (const user of users.of(value)) {
    if (isOfKind(user, 'product')) {
      if (user.inputs[2] === value || user.inputs[0] === user.inputs[1]) return undefined;
      found.push(user);
      continue;
    }
    const behind = isRearranged(user) ? productsBelow(user.outputs[0], users) : undefined;
    if (!behind) return undefined;
    found.push(...behind);
  }
  return found;
}
