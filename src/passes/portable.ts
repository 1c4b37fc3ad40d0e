/**
 * Standard ONNX only: ONNX Runtime's own FusedMatMul becomes MatMul with explicit transpositions and scaling, for
 * the targets that lack it (WebGPU, other runtimes) and for files that are to be deployed anywhere.
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { matmul, mul, transpose } from '../onnx/ops.ts';
import { isOp, type Value } from '../onnx/value.ts';

export function toPortable(outputs: readonly Value[]): Value[] {
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b] = inputs;
    if (!isOp(node, 'MatMul') || !a || !b) return keep(node, inputs);
    const { transA, transB, alpha } = node.attributes;
    const left = transA ? swapLastAxes(a) : a;
    return [mul(matmul(left, transB ? swapLastAxes(b) : b), alpha)];
  });
}

function swapLastAxes(x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), x.shape.length - 1, x.shape.length - 2]);
}
