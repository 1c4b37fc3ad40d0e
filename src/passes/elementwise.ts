/** Which operations work on each element by itself. */
import { isOp, type Node, type OpType } from '../onnx/value.ts';

const ELEMENTWISE: readonly OpType[] = [
  ...(['Neg', 'Abs', 'Sign', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Erf', 'Tanh', 'Sigmoid', 'Relu'] as const),
  ...(['Cast', 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Equal', 'Greater', 'Less', 'Where'] as const),
];

/** Whether every element of the result depends only on the elements at its place. Some composites say so of themselves. */
export function isElementwise(node: Node): boolean {
  return isOp(node, 'Call') ? node.attributes.composite.elementwise === true : ELEMENTWISE.includes(node.op);
}
