/**
 * Factors that are broadcast, such as those of columns, are multiplied with each other first:
 *
 *     (x·row)·row' → x·(row·row')                                   where nothing else uses x·row
 *
 * A product over all activations becomes one over a row.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { mul } from '../onnx/ops.ts';
import { comparableSize } from '../onnx/shapes.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function multiplyNarrowFactorsFirst(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b] = inputs;
    if (!isOp(node, 'Mul') || !a || !b) return keep(node, inputs);
    const [fromA, fromB] = node.inputs;
    const better =
      (users.isSingle(fromA) && regrouped(a, b, node)) || (users.isSingle(fromB) && regrouped(b, a, node));
    return better ? [better] : keep(node, inputs);
  });
}

/** wide·(narrow·factor) for made = wide·narrow; undefined where made is no such product or nothing becomes narrower. */
function regrouped({ node: made }: Value, factor: Value, { outputs: [y] }: Node<'Mul'>): Value | undefined {
  if (!isOp(made, 'Mul')) return undefined;
  const isNarrow = ({ shape }: Value): boolean => comparableSize(shape) < comparableSize(y.shape);
  const [narrow, wide] = made.inputs.toSorted((p, q) => comparableSize(p.shape) - comparableSize(q.shape));
  if (!narrow || !wide || !isNarrow(factor)) return undefined;
  const factors = mul(narrow, factor);
  return isNarrow(factors) ? mul(wide, factors) : undefined;
}
