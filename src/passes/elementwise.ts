/** Which operations work on each element by itself. */
import { isEmittedNode, SCHEMAS } from '../onnx/apply.ts';
import { isOp, type Node } from '../onnx/value.ts';

/** Whether each element of the result depends only on the elements at the same place. A composite states it. */
export function isElementwise(node: Node): boolean {
  if (isOp(node, 'Call')) return node.attributes.composite.elementwise === true;
  return isEmittedNode(node) && SCHEMAS[node.op].kind === 'elementwise';
}
