/**
 * Computes each expression once: nodes of the same op, attributes and operands become one. So derivative rules and
 * composites can write all that they need, even where another one has written the same. What is larger than the value
 * that it is made of, and made in one pass over it, stays apart, such as the windows of a convolution: to make it again is
 * cheap, to keep it is not.
 */
import { isEmittedNode, SCHEMAS } from '../onnx/apply.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { isOp, type Node, operands, type Value } from '../onnx/value.ts';
import { bytesOf } from './memory.ts';

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
    if (isLarger(node)) return keep(node, inputs);
    const operands = inputs.map((value) => `${id(value.node)}.${value.output}`);
    // A sum or a product is the same whichever operand comes first.
    if (isEmittedNode(node) && SCHEMAS[node.op].commutes) operands.sort();
    const key = `${node.op}(${operands.join(' ')}) ${identityOf(node, id)}`;
    const merged = known.get(key) ?? keep(node, inputs);
    known.set(key, merged);
    return merged;
  });
}

/**
 * Whether a node makes a larger value of one: copies of its elements, zeros around them, sums of them by a small table of
 * constants, or numbers of bits.
 */
function isLarger(node: Node): boolean {
  const [source, table] = [...operands(node)].sort((a, b) => Number(isFixed(a)) - Number(isFixed(b)));
  const [made] = node.outputs;
  if (!source || !made || isFixed(source) || bytesOf(made) <= bytesOf(source)) return false;
  if (isOp(node, 'Gemm')) return node.inputs.length === 2 && table !== undefined && isFixed(table);
  return isOp(node, 'Gather') || isOp(node, 'Pad') || isOp(node, 'Cast');
}

const isFixed = ({ node }: Value): boolean => isOp(node, 'Constant');

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
