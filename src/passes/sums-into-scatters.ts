/**
 * What is added to rows that are scattered into zeros is scattered into, in place of the zeros:
 *
 *     Add(ScatterElements(0, i, u), X) → ScatterElements(X, i, u)          where nothing else uses the scattered
 *
 * The gradient of a table of words gets a part from every slice of the batch, and the table is larger than all else in a
 * small encoder: this saves making the zeros, and an Add of the whole table.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { scatterElements } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import { isOp, type Value } from '../onnx/value.ts';
import { Users } from './users.ts';

export function foldSumsIntoScatters(outputs: readonly Value[]): Value[] {
  const users = new Users(outputs);
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b] = inputs;
    if (!isOp(node, 'Add') || !a || !b || !sameShape(a.shape, b.shape)) return keep(node, inputs);
    const [fromA, fromB] = node.inputs;
    const isFree = (value: Value): boolean => isIntoZeros(value) && users.isSingle(value);
    const [scattered, other] = isFree(fromB) ? [b, a] : [a, b];
    if (!isFree(fromB) && !isFree(fromA)) return keep(node, inputs);
    if (!isOp(scattered.node, 'ScatterElements')) return keep(node, inputs);
    const [, indices, updates] = scattered.node.inputs;
    return [scatterElements(other, indices, updates, scattered.node.attributes.axis)];
  });
}

function isIntoZeros({ node }: Value): boolean {
  if (!isOp(node, 'ScatterElements')) return false;
  const [data] = node.inputs;
  const [of] = isOp(data.node, 'Expand') ? data.node.inputs : [data];
  return isOp(of.node, 'Constant') && of.node.attributes.data.every((x) => Number(x) === 0);
}
