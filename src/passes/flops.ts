/** The operations of a graph's matrix products: a lower bound of what a run costs. */
import { isOfKind } from '../onnx/apply.ts';
import { type Graph, topologicalOrder } from '../onnx/graph.ts';
import { sizeOf } from '../onnx/shapes.ts';

/** Floating-point operations of all matrix products, a multiplication and an addition counted as two. Static shapes only. */
export function matmulFlops(graph: Graph): number {
  let flops = 0;
  for (const node of topologicalOrder(Object.values(graph.outputs))) {
    if (!isOfKind(node, 'product')) continue;
    const [a] = node.inputs;
    const inner = a.shape.at(node.attributes.transA ? -2 : -1);
    const [y] = node.outputs;
    flops += 2 * sizeOf(y.shape) * (typeof inner === 'number' ? inner : 1);
  }
  return flops;
}
