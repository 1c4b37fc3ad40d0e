/**
 * A sum with a product becomes that product's C, a bias or an accumulator that costs next to nothing:
 *
 *     Gemm(A, B) + X → Gemm(A, B, C = X)        also through a Reshape of the product
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { gemm, reshape } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function foldSumsIntoGemm(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  const absorbed = new Map<Node, 0 | 1>();
  for (const node of users.order) {
    if (!isOp(node, 'Add')) continue;
    const side = ([1, 0] as const).find((i) => isFree(node.inputs[i], users) && fitsAsC(node, i));
    if (side !== undefined) absorbed.set(node, side);
  }
  return rewriteGraph(outputs, (node, inputs) => {
    const side = absorbed.get(node);
    const [term, other] = side === undefined ? [] : [inputs[side], inputs[1 - side]];
    const product = term && (isOp(term.node, 'Reshape') ? term.node.inputs[0] : term);
    if (!term || !other || !product || !isOp(product.node, 'Gemm')) return keep(node, inputs);
    const [a, b, c] = product.node.inputs;
    if (c) return keep(node, inputs);
    const added = sameShape(other.shape, term.shape) ? reshape(other, product.shape) : other;
    return [reshape(gemm(a, b, added, { ...product.node.attributes, beta: 1 }), term.shape)];
  });
}

/** A product without C that nothing else uses. */
function isFree(value: Value, users: Users): boolean {
  if (!users.isSingle(value)) return false;
  if (isOp(value.node, 'Reshape')) return isFree(value.node.inputs[0], users);
  return isOp(value.node, 'Gemm') && value.node.inputs.length === 2;
}

/** The other operand must have the product's shape, or be a row that every row gets. */
function fitsAsC(node: Node<'Add'>, side: 0 | 1): boolean {
  const [term, other] = [node.inputs[side], node.inputs[side === 0 ? 1 : 0]];
  if (sameShape(other.shape, term.shape)) return true;
  return other.shape.length === 1 && other.shape[0] === term.shape.at(-1);
}
