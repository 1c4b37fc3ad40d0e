/** Which operations work on each element by itself. */
import { isEmittedNode, SCHEMAS } from '../onnx/apply.ts';
import { isOp, type Node } from '../onnx/value.ts';

/** Whether every element of the result depends only on the elements at its place. Some composites say so of themselves. */
export function isElementwise(node: Node): boolean {
  if (isOp(node, 'Call')) return node.attributes.composite.elementwise === true;
  return isEmittedNode(node) && SCHEMAS[node.op].kind === 'elementwise';
}
