/**
 * A row that is added to a product with a matrix becomes its bias, which the kernel adds as it writes:
 *
 *     Add(Gemm(A, B), c) → Gemm(A, B, c)                            where nothing else uses the product
 *     Add(Reshape(Gemm(A, B)), c) → Reshape(Gemm(A, B, c))
 *
 * Files of others have their layers so. Applied before differentiation, and before the passes that look for layers.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gemm, reshape } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import { isOp, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function foldBiasIntoLinear(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const isFree = (value: Value): boolean =>
    users.isSingle(value) && (!isOp(value.node, 'Reshape') || isFree(value.node.inputs[0]));
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b] = inputs;
    if (!isOp(node, 'Add') || !a || !b) return keep(node, inputs);
    const [fromA, fromB] = node.inputs;
    const biased = (isFree(fromA) && withBias(a, b)) || (isFree(fromB) && withBias(b, a));
    return biased ? [biased] : keep(node, inputs);
  });
}

/** The product with a bias; undefined where it is none, has one, or the summand is no row of its columns. */
function withBias(product: Value, row: Value): Value | undefined {
  const { node } = product;
  if (!sameShape(row.shape, product.shape.slice(-1))) return undefined;
  if (isOp(node, 'Reshape')) {
    const biased = withBias(node.inputs[0], row);
    return biased && reshape(biased, node.attributes.shape);
  }
  if (!isOp(node, 'Gemm') || node.inputs[2]) return undefined;
  const [a, b] = node.inputs;
  return gemm(a, b, row, { ...node.attributes, beta: 1 });
}
