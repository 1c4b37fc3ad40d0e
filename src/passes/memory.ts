/** How much memory a run of a graph takes: a walk over its nodes in order that counts what is alive. */
import type { Graph } from '../onnx/graph.ts';
import { topologicalOrder } from '../onnx/graph.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { type DType, isOp, type Node, operands, type Value } from '../onnx/value.ts';

const BYTES: Readonly<Record<DType, number>> = { float32: 4, int32: 4, int64: 8, bool: 1, uint8: 1 };

/**
 * The most bytes of intermediate values and outputs that are alive at once when the nodes run in the order in which
 * they are written. Inputs and constants, which exist anyway, are not counted. Static shapes only.
 */
export function peakBytes(graph: Graph): number {
  const outputs = Object.values(graph.outputs);
  const order = topologicalOrder(outputs);
  const remaining = new Map<Value, number>();
  const count = (value: Value): void => {
    const owner = ownerOf(value);
    remaining.set(owner, (remaining.get(owner) ?? 0) + 1);
  };
  for (const node of order) for (const value of operands(node)) count(value);
  for (const value of outputs) count(value);
  let alive = 0;
  let peak = 0;
  for (const node of order) {
    if (isStored(node)) for (const value of node.outputs) alive += bytesOf(value);
    peak = Math.max(peak, alive);
    for (const value of operands(node)) {
      const owner = ownerOf(value);
      const left = (remaining.get(owner) ?? 0) - 1;
      remaining.set(owner, left);
      if (left === 0 && isStored(owner.node)) alive -= bytesOf(owner);
    }
  }
  return peak;
}

/** Reshape and Identity share their operand's memory. */
function ownerOf(value: Value): Value {
  let owner = value;
  while (isOp(owner.node, 'Reshape') || isOp(owner.node, 'Identity')) owner = owner.node.inputs[0];
  return owner;
}

function isStored(node: Node): boolean {
  return !['Input', 'Constant', 'Reshape', 'Identity'].includes(node.op);
}

function bytesOf({ dtype, shape }: Value): number {
  return BYTES[dtype] * sizeOf(shape);
}
