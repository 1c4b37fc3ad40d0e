/** How much memory a run of a graph takes: a walk over its nodes, in order, adds up the values that are alive. */
import { isOfKind } from '../onnx/apply.ts';
import { executionOrder, type Graph } from '../onnx/graph.ts';
import { sizePerExample } from '../onnx/shapes.ts';
import { type DType, isOp, type Node, operands, type Value } from '../onnx/value.ts';

const BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  uint8: 1,
};

/**
 * The most bytes of intermediate values and outputs that are alive at once when the nodes run in their order. Inputs
 * and constants are not counted, since they are there all the time. Where the batch is symbolic, it is one example.
 */
export function peakBytes(graph: Graph): number {
  const order = executionOrder(graph);
  const left = new Map<Value, number>();
  const count = (value: Value, by: number): number => {
    const now = (left.get(value) ?? 0) + by;
    left.set(value, now);
    return now;
  };
  for (const node of order) for (const value of operands(node)) count(ownerOf(value), 1);
  for (const value of Object.values(graph.outputs)) count(ownerOf(value), 1);
  let alive = 0;
  let peak = 0;
  for (const node of order) {
    if (isStored(node)) for (const value of node.outputs) alive += bytesOf(value);
    peak = Math.max(peak, alive);
    for (const value of operands(node)) {
      const owner = ownerOf(value);
      if (count(owner, -1) === 0 && isStored(owner.node)) alive -= bytesOf(owner);
    }
  }
  return peak;
}

/** The value whose memory this one shares: a view, such as a Reshape, has its operand's. */
export function ownerOf(value: Value): Value {
  let owner = value;
  while (isOfKind(owner.node, 'view')) [owner = owner] = operands(owner.node);
  return owner;
}

/** Whether a node's results take memory of their own. */
export function isStored(node: Node): boolean {
  return !isOp(node, 'Input') && !isOp(node, 'Constant') && !isOfKind(node, 'view');
}

/** Where the batch is symbolic, for one example. */
export function bytesOf({ dtype, shape }: Value): number {
  return BYTES[dtype] * sizePerExample(shape);
}
