/** Which operations work on each element by itself. */
import { isOp, type Node, type OpType } from '../onnx/value.ts';

const ELEMENTWISE: readonly OpType[] = [
  ...(['Neg', 'Abs', 'Sign', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Erf', 'Tanh', 'Sigmoid', 'Relu'] as const),
  ...(['Cast', 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Equal', 'Greater', 'Less', 'Where'] as const),
];

/** Whether every element of the result comes from the elements at its place: also a composite of one operand's type. */
export function isElementwise(node: Node): boolean {
  return isOp(node, 'Call') ? node.attributes.composite.elementwise === true : ELEMENTWISE.includes(node.op);
}
