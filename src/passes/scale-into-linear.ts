/**
 * Folds factors of columns, which are learned, into the linear layer that makes the columns, where nothing else uses it
 * (LayerScale):
 *
 *     Gemm(x, W, b)·γ → Gemm(x, W·γ, b·γ)
 *
 * Applied before differentiation. A product over all activations becomes a product over the weights, which are fewer; the
 * derivative of γ needs no sum over all activations then, and neither is a value kept for it.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gemm, mul } from '../onnx/ops.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function foldScaleIntoLinear(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const scales = new Map<Node, Value>();
  const gone = new Map<Value, Value>();
  for (const node of users.order) {
    if (!isOp(node, 'Mul')) continue;
    const [a, b] = node.inputs;
    for (const [x, scale] of [
      [a, b],
      [b, a],
    ] as const) {
      const layer = isColumnFactor(scale, x) ? linearAbove(x, users) : undefined;
      if (!layer || scales.has(layer)) continue;
      scales.set(layer, scale);
      gone.set(node.outputs[0], x);
      break;
    }
  }
  return rewriteGraph(
    outputs,
    (node, inputs) => {
      const scale = scales.get(node);
      const [a, b, c] = inputs;
      if (!scale || !a || !b || !isOp(node, 'Gemm')) return keep(node, inputs);
      return [gemm(a, mul(b, scale), c && mul(c, scale), node.attributes)];
    },
    (value) => gone.get(value) ?? value,
  );
}

/** A learned vector along the last axis of x. */
function isColumnFactor({ node, shape, dtype }: Value, x: Value): boolean {
  return isOp(node, 'Input') && dtype === 'float32' && shape.length === 1 && shape[0] === x.shape.at(-1);
}

/** The plain Gemm that makes x, where x is used once, as all between are, and folding pays; Reshapes may stand between. */
function linearAbove(x: Value, users: Users): Node<'Gemm'> | undefined {
  if (!users.isSingle(x)) return undefined;
  const { node } = x;
  if (isOp(node, 'Reshape')) {
    const [operand] = node.inputs;
    return operand.shape.at(-1) === x.shape.at(-1) ? linearAbove(operand, users) : undefined;
  }
  if (!isOp(node, 'Gemm')) return undefined;
  const { transA, transB, alpha, beta } = node.attributes;
  const isPlain = !transA && !transB && alpha === 1 && beta === 1;
  return isPlain && pays(node) ? node : undefined;
}

/** Whether there are at least as many rows of activations as of weights. */
function pays({ inputs: [a, b] }: Node<'Gemm'>): boolean {
  const [rows = 1] = a.shape;
  return typeof rows !== 'number' || rows >= Number(b.shape[0]);
}
