/**
 * What is added to rows that are scattered into zeros is scattered into, in place of the zeros:
 *
 *     Add(ScatterElements(0, i, u), X) → ScatterElements(X, i, u)          where nothing else uses the scattered
 *     Add(ScatterElements(0, i, u), ScatterElements(X, j, v)) → ScatterElements(X, Concat(j, i), Concat(v, u))
 *
 * The gradient of a table of words gets a part from every slice of the batch, and the table is larger than all else in a
 * small encoder: each operation that is left out writes the whole of it.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { concat, scatterElements } from '../onnx/ops.ts';
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
    if (!isFree(fromB) && !isFree(fromA)) return keep(node, inputs);
    const [scattered, other, from] = isFree(fromB) ? [b.node, a, fromA] : [a.node, b, fromB];
    if (!isOp(scattered, 'ScatterElements')) return keep(node, inputs);
    const [, indices, updates] = scattered.inputs;
    const { axis } = scattered.attributes;
    const before = isOp(other.node, 'ScatterElements') && users.isSingle(from) ? other.node : undefined;
    if (before?.attributes.axis !== axis) return [scatterElements(other, indices, updates, axis)];
    const [into, earlier, numbers] = before.inputs;
    const all = [concat([earlier, indices], axis), concat([numbers, updates], axis)] as const;
    return [scatterElements(into, ...all, axis)];
  });
}

function isIntoZeros({ node }: Value): boolean {
  if (!isOp(node, 'ScatterElements')) return false;
  const [data] = node.inputs;
  const [of] = isOp(data.node, 'Expand') ? data.node.inputs : [data];
  return isOp(of.node, 'Constant') && of.node.attributes.data.every((x) => Number(x) === 0);
}
