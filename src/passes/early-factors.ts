/**
 * A product of several factors begins with the factors that are computed first. In a second derivative these are values
 * of the first derivative. Their product is computed while they are in memory. Then only the product is kept, and not the factors.
 *
 *     early·(late·early') → late·(early·early')
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { mul } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import { isOp, type Node, operands, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function multiplyEarlyFactorsFirst(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const depths = new Map<Node, number>();
  /** The length of the longest chain of nodes above a value. */
  const depth = ({ node }: Value): number => {
    const known = depths.get(node) ?? 1 + Math.max(-1, ...operands(node).map(depth));
    depths.set(node, known);
    return known;
  };
  const regrouped = (a: Value, product: Value): Value | undefined => {
    if (!isOp(product.node, 'Mul')) return undefined;
    const [early, late] = [...product.node.inputs].sort((x, y) => depth(x) - depth(y));
    if (!early || !late || depth(late) <= depth(a) || !sameShape(early.shape, a.shape)) return undefined;
    return mul(late, mul(a, early));
  };
  return rewriteGraph(outputs, (node, inputs) => {
    for (const value of inputs) depth(value);
    const [a, b] = inputs;
    if (!isOp(node, 'Mul') || !a || !b) return keep(node, inputs);
    const [fromA, fromB] = node.inputs;
    const better =
      (users.isSingle(fromB) && regrouped(a, b)) || (users.isSingle(fromA) && regrouped(b, a)) || undefined;
    return better ? [better] : keep(node, inputs);
  });
}
