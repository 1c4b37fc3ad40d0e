/**
 * Folds the scale γ and bias β of a normalisation into the linear layers behind it, where nothing else uses it:
 *
 *     Gemm(x̂·γ + β, W, b) → Gemm(x̂, γ·W, β·W + b)
 *
 * Applied before differentiation. A product and a sum over all activations become a product and a sum over the weights,
 * which are fewer. This saves forward, backward and in the tangents.
 */
import { expectAt } from '../expect.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { add, gemm, mul, reshape } from '../onnx/ops.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

interface Affine {
  readonly normalized: Value;
  readonly scale: Value;
  readonly bias: Value;
}

export function foldNormIntoLinear(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const folded = new Map<Value, Value>();
  const layers = new Map<Node, Affine>();
  for (const node of users.order) {
    const affine = affineOf(node);
    const [value] = node.outputs;
    if (!affine || !value || !users.isSingle(affine.product)) continue;
    const linear = linearUsers(value, users);
    if (!linear || !pays(value, linear)) continue;
    folded.set(value, affine.normalized);
    for (const layer of linear) layers.set(layer, affine);
  }
  return rewriteGraph(
    outputs,
    (node, inputs) => {
      const affine = layers.get(node);
      const [a, b, c] = inputs;
      if (!affine || !a || !b || !isOp(node, 'Gemm')) return keep(node, inputs);
      const { scale, bias } = affine;
      const kernel = mul(reshape(scale, [scale.shape[0] ?? 1, 1]), b);
      const row = gemm(reshape(bias, [1, bias.shape[0] ?? 1]), b);
      return [gemm(a, kernel, c ? add(row, c) : row, node.attributes)];
    },
    (value) => folded.get(value) ?? value,
  );
}

/** x̂·γ + β, with γ and β vectors along the last axis, and x̂ from a LayerNormalization. */
function affineOf(node: Node): (Affine & { readonly product: Value }) | undefined {
  if (!isOp(node, 'Add')) return undefined;
  const [product, bias] = node.inputs;
  if (!isOp(product.node, 'Mul')) return undefined;
  const [normalized, scale] = product.node.inputs;
  const columns = normalized.shape.at(-1);
  const isVector = (value: Value) => value.shape.length === 1 && value.shape[0] === columns;
  if (!isOp(normalized.node, 'LayerNormalization') || !isVector(scale) || !isVector(bias)) return undefined;
  return { normalized, scale, bias, product };
}

/** The linear layers that take the value, where only linear layers do; undefined otherwise. */
function linearUsers(value: Value, users: Users): Node<'Gemm'>[] | undefined {
  if (users.isOutput(value)) return undefined;
  const found: Node<'Gemm'>[] = [];
  for (const user of users.of(value)) {
    if (isOp(user, 'Gemm')) {
      const { transA, transB, alpha, beta } = user.attributes;
      const isPlain = !transA && !transB && alpha === 1 && beta === 1;
      const [a, b, c] = user.inputs;
      if (!isPlain || a !== value || b === value || c === value) return undefined;
      found.push(user);
      continue;
    }
    const last = value.shape.length - 1;
    const keepsRows =
      (isOp(user, 'Reshape') && user.attributes.shape.at(-1) === value.shape[last]) ||
      (isOp(user, 'Slice') && !user.attributes.axes.includes(last));
    const behind = keepsRows ? linearUsers(expectAt(user.outputs, 0), users) : undefined;
    if (!behind) return undefined;
    found.push(...behind);
  }
  return found.length > 0 ? found : undefined;
}

/** Whether folding pays: where there are at least as many rows of activations as columns of weights. */
function pays(value: Value, layers: readonly Node<'Gemm'>[]): boolean {
  let rows = 1;
  for (const dim of value.shape.slice(0, -1))
    rows *= typeof dim === 'number' ? dim : Number.POSITIVE_INFINITY;
  const columns = layers.reduce((sum, { inputs: [, b] }) => sum + Number(b.shape[1]), 0);
  return rows >= columns;
}
