/** Which operations work on each element by itself, or only move it. */
import { isOfKind, type OpOfKind } from '../onnx/apply.ts';
import { isOp, type Node } from '../onnx/value.ts';

/** Whether each element of the result depends only on the elements at the same place. A composite states it. */
export function isElementwise(node: Node): boolean {
  if (isOp(node, 'Call')) return node.attributes.composite.elementwise === true;
  return isOfKind(node, 'elementwise');
}

/** An op whose result has the elements of its operand, each once, and so commutes with what is done to each by itself. */
type Rearranging = OpOfKind<'view'> | OpOfKind<'permutation'>;

export function isRearranged(node: Node): node is { [Op in Rearranging]: Node<Op> }[Rearranging] {
  return isOfKind(node, 'view') || isOfKind(node, 'permutation');
}
