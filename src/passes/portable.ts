/**
 * Restricts a graph to standard ONNX, and to the operators that the WebGPU provider has: for that target, and for files
 * that run anywhere.
 *
 *     FusedMatMul(A, B) → MatMul with explicit transpositions and scaling
 *     LogSoftmax(x)     → x − max x − log Σ exp(x − max x)
 */
import { keep, rewriteGraph } from '../onnx/graph.ts';
import { exp, log, matmul, mul, reduceMax, reduceSum, sub, transpose } from '../onnx/ops.ts';
import { isOp, type Value } from '../onnx/value.ts';

export function toPortable(outputs: readonly Value[]): Value[] {
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b] = inputs;
    if (isOp(node, 'LogSoftmax') && a) return [logSoftmaxOf(a, node.attributes.axis)];
    if (!isOp(node, 'MatMul') || !a || !b) return keep(node, inputs);
    const { transA, transB, alpha } = node.attributes;
    const left = transA ? swapLastAxes(a) : a;
    return [mul(matmul(left, transB ? swapLastAxes(b) : b), alpha)];
  });
}

function logSoftmaxOf(x: Value, axis: number): Value {
  const options = { axes: [axis], keepdims: true };
  const shifted = sub(x, reduceMax(x, options));
  return sub(shifted, log(reduceSum(exp(shifted), options)));
}

function swapLastAxes(x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), x.shape.length - 1, x.shape.length - 2]);
}
