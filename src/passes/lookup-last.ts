/**
 * Rows that are looked up and go through a linear layer are looked up behind it, where the table has fewer rows than are
 * taken from it: every row then goes through the layer once, and not each time that it occurs.
 *
 *     Gemm(Gather(table, ids), W, b) → Gather(Gemm(table, W, b), ids)
 *
 * So do the bytes or the words of a text in front of a recurrent layer. Applied before differentiation.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gather, gemm, reshape } from '../onnx/ops.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function lookUpLast(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const moved = new Map<Value, Value>();
  for (const node of users.order) {
    const [y] = node.outputs;
    const later = isOp(node, 'Gemm') ? lookedUpLater(node, users) : undefined;
    if (y && later) moved.set(y, later);
  }
  return moved.size === 0 ? [...outputs] : rewriteGraph(outputs, keep, (value) => moved.get(value) ?? value);
}

function lookedUpLater(node: Node<'Gemm'>, users: Users): Value | undefined {
  const [rows, kernel, c] = node.inputs;
  const [y] = node.outputs;
  const [lookup] = isOp(rows.node, 'Reshape') ? rows.node.inputs : [rows];
  if (!isOp(lookup.node, 'Gather') || !users.isSingle(rows) || !users.isSingle(lookup)) return undefined;
  const [table, ids] = lookup.node.inputs;
  // Each row is one of the table, and C is the same for all.
  const isOfRows = lookup.node.attributes.axis === 0 && table.shape.length === 2 && !node.attributes.transA;
  const isAlike = rows.shape[1] === table.shape[1] && (!c || c.shape.length === 1 || c.shape[0] === 1);
  const isFewer = Number(table.shape[0]) < Number(rows.shape[0]);
  if (!isOfRows || !isAlike || !isFewer) return undefined;
  return reshape(gather(gemm(table, kernel, c, node.attributes), ids), y.shape);
}
