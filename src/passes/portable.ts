/**
 * Rewrites a graph in standard ONNX, with only the operators that the WebGPU provider has. It serves that target, and
 * files that run anywhere.
 *
 *     FusedMatMul(A, B) → MatMul with explicit transpositions and scaling
 *     LogSoftmax(x)     → x − max x − log Σ exp(x − max x)
 *
 * and so on, by the table below.
 */
import { isRewritten, type RewrittenOp } from '../onnx/apply.ts';
import { keep, rewriteGraph } from '../onnx/graph.ts';
import {
  and,
  cast,
  constant,
  equal,
  exp,
  greater,
  less,
  log,
  matmul,
  mul,
  not,
  reduceMax,
  reduceSum,
  reshape,
  sub,
  transpose,
  where,
} from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import { type Attributes, isOp, type Node, type Value } from '../onnx/value.ts';

/** How an op that WebGPU lacks is written with others. An op of one operand gets it as `a` and as `b`. */
type Form<Op extends RewrittenOp> = (a: Value, b: Value, attributes: Attributes<Op>) => Value;

/** Total: an op whose description says that it is rewritten does not compile without its form. */
const FORMS: { readonly [Op in RewrittenOp]: Form<Op> } = {
  Sign: (x) => sub(cast(greater(x, 0), 'float32'), cast(less(x, 0), 'float32')),
  IsNaN: (x) => not(equal(x, x)),
  Or: (a, b) => not(and(not(a), not(b))),
  Equal: (a, b) => (a.dtype === 'bool' ? equal(cast(a, 'int32'), cast(b, 'int32')) : equal(a, b)),
  // WebGPU has no kernel that reads int64, so a cast from a cast to int64 reads that cast's operand.
  Cast: (x, _, { to }) =>
    isOp(x.node, 'Cast') && x.dtype === 'int64' ? cast(x.node.inputs[0], to) : cast(x, to),
  ArgMax: (x, _, { axis, keepdims }) => cast(argMaxOf(x, axis, keepdims), 'int64'),
  LogSoftmax: (x, _, { axis }) => logSoftmaxOf(x, axis),
  MatMul: (a, b, { transA, transB, alpha }) =>
    mul(matmul(transA ? swapLastAxes(a) : a, transB ? swapLastAxes(b) : b), alpha),
};

export function toPortable(outputs: readonly Value[]): Value[] {
  return rewriteGraph(outputs, (node, inputs) => {
    const [a, b = a] = inputs;
    return isRewritten(node) && a && b ? [formOf(node, a, b)] : keep(node, inputs);
  });
}

function formOf<Op extends RewrittenOp>({ op, attributes }: Node<Op>, a: Value, b: Value): Value {
  return FORMS[op](a, b, attributes);
}

/** The index of the first maximum, as a float: n − max(n − i) over the indices i of n that attain the maximum. */
function argMaxOf(x: Value, axis: number, keepdims: boolean): Value {
  const length = staticDim(x.shape[axis], 'ArgMax', x.shape);
  const fromEnd = Float32Array.from({ length }, (_, i) => length - i);
  const shape = x.shape.map((_, i) => (i === axis ? length : 1));
  const attained = equal(x, reduceMax(x, { axes: [axis], keepdims: true }));
  const left = where(attained, reshape(constant(fromEnd, [length]), shape), 0);
  return sub(length, reduceMax(left, { axes: [axis], keepdims }));
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
