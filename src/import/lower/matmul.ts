/** Matrix products. */
import { linear } from '../../autodiff/functions.ts';
import { gemm, matmul, mul, reshape } from '../../onnx/ops.ts';
import { isOp, type Value } from '../../onnx/value.ts';
import type { Lowering, Lowerings } from './lowering.ts';

/** A vector is a row on the left and a column on the right, and that axis is not in the result. */
const products: Lowering = (call) => {
  const [a, b] = [call.value(0), call.value(1)];
  const [isRow, isColumn] = [a.shape.length === 1, b.shape.length === 1];
  const left = isRow ? reshape(a, [1, ...a.shape]) : a;
  const right = isColumn ? reshape(b, [...b.shape, 1]) : b;
  const stored = turned(right);
  const y =
    right.shape.length === 2
      ? // One Gemm, as a layer of ours is, so that the same passes find it.
        linear(left, stored ?? right, undefined, { transB: stored !== undefined })
      : matmul(left, right);
  const leading = y.shape.slice(0, -2);
  const rows = isRow ? [] : y.shape.slice(-2, -1);
  const columns = isColumn ? [] : y.shape.slice(-1);
  return [reshape(y, [...leading, ...rows, ...columns])];
};

/** The matrix that another is the transposed of, as every Linear of PyTorch is exported. */
function turned({ node }: Value): Value | undefined {
  return isOp(node, 'Transpose') && node.inputs[0].shape.length === 2 ? node.inputs[0] : undefined;
}

const general: Lowering = (call) => {
  const { attributes } = call;
  const options = {
    transA: attributes.int('transA', 0) === 1,
    transB: attributes.int('transB', 0) === 1,
    alpha: attributes.float('alpha', 1),
    beta: attributes.float('beta', 1),
  };
  const c = call.optional(2);
  if (!c) return [gemm(call.value(0), call.value(1), undefined, options)];
  // A bias of one axis takes its factor here, where it is small.
  const { beta } = options;
  const bias = beta === 1 || c.shape.length > 1 ? c : mul(c, beta);
  return [gemm(call.value(0), call.value(1), bias, { ...options, beta: bias === c ? beta : 1 })];
};

export const MATMUL: Lowerings = { MatMul: products, Gemm: general };
