/**
 * Rows that are looked up together and then split are looked up piece by piece. The rows as a whole, as large as all
 * pieces, are then never written, and each piece is looked up just before it is needed.
 *
 *     Split(Gather(table, ids)) → Gather(table, idsᵢ) of every piece
 *
 * A recurrent layer reads its steps' inputs so. Applied after differentiation: the derivative is that of one Gather.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gather, reshape, split } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function lookUpInPieces(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const pieces = new Map<Value, Value>();
  for (const node of users.order) {
    const looked = isOp(node, 'Split') ? piecesOf(node, users) : undefined;
    looked?.forEach((piece, i) => {
      const before = node.outputs[i];
      if (before) pieces.set(before, piece);
    });
  }
  return pieces.size === 0
    ? [...outputs]
    : rewriteGraph(outputs, keep, (value) => pieces.get(value) ?? value);
}

function piecesOf(node: Node<'Split'>, users: Users): readonly Value[] | undefined {
  const [rows] = node.inputs;
  const [lookup] = isOp(rows.node, 'Reshape') ? rows.node.inputs : [rows];
  if (!isOp(lookup.node, 'Gather') || lookup.node.attributes.axis !== 0) return undefined;
  if (!users.isSingle(rows) || !users.isSingle(lookup) || node.attributes.axis !== 0) return undefined;
  const [table, ids] = lookup.node.inputs;
  const isRowByRow = table.shape.length === 2 && rows.shape.length === 2 && rows.shape[1] === table.shape[1];
  if (!isRowByRow || !ids.shape.every((dim) => typeof dim === 'number')) return undefined;
  const flat = reshape(ids, [sizeOf(ids.shape)]);
  return split(flat, 0, node.attributes.sizes).map((each) => gather(table, each));
}
