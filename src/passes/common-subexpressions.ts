/**
 * Computes each expression once: nodes of the same op, attributes and operands become one. So derivative rules and
 * composites can write all that they need, even where another one has written the same. Copies that are larger than
 * what they copy stay apart, such as the windows of a convolution: to make them again is cheap, to keep them is not.
 */
import { isEmittedNode, SCHEMAS } from '../onnx/apply.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { sizePerExample } from '../onnx/shapes.ts';
import { isOp, type Node, type Value } from '../onnx/value.ts';

/** Constants of more elements are compared by identity, since comparing their elements would take long. */
const LARGE = 256;

export function mergeCommonSubexpressions(outputs: readonly Value[]): Value[] {
  const known = new Map<string, readonly Value[]>();
  const ids = new Map<Node, number>();
  const id = (node: Node): number => {
    const old = ids.get(node);
    if (old !== undefined) return old;
    ids.set(node, ids.size);
    return ids.size - 1;
  };
  return rewriteGraph(outputs, (node, inputs) => {
    if (isLargerCopy(node)) return keep(node, inputs);
    const operands = inputs.map((value) => `${id(value.node)}.${value.output}`);
    // A sum or a product is the same whichever operand comes first.
    if (isEmittedNode(node) && SCHEMAS[node.op].commutes) operands.sort();
    const key = `${node.op}(${operands.join(' ')}) ${identityOf(node, id)}`;
    const merged = known.get(key) ?? keep(node, inputs);
    known.set(key, merged);
    return merged;
  });
}

/** Whether a node gives more copies of its operand's elements than there are, or zeros around them. */
function isLargerCopy(node: Node): boolean {
  if (!isOp(node, 'Gather') && !isOp(node, 'Pad')) return false;
  return sizePerExample(node.outputs[0].shape) > sizePerExample(node.inputs[0].shape);
}

/** A text that tells two nodes apart whose op and operands are the same. */
function identityOf(node: Node, id: (node: Node) => number): string {
  if (isOp(node, 'Call')) return `${node.attributes.composite.name} ${id(node)}`;
  if (!isOp(node, 'Constant')) return attributesOf(node);
  const [value] = node.outputs;
  const { data } = node.attributes;
  return data.length > LARGE && !isUniform(data)
    ? `${id(node)}`
    : `${value.dtype} ${value.shape} ${isUniform(data) ? data[0] : data}`;
}

/** A node's attributes as text. Most nodes have none, and for these the check is faster than JSON. */
function attributesOf({ attributes }: Node): string {
  for (const _ in attributes) return JSON.stringify(attributes);
  return '';
}

function isUniform(data: { readonly length: number; readonly [index: number]: number | bigint }): boolean {
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return false;
  return true;
}
