import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { sumColumnsByGemm } from '../../src/passes/column-sums.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const x = ops.input('x', [2, 3, 4]);

test('a sum over leading axes is a product with a row of ones', async (t) => {
  const graph = { y: ops.reduceSum(ops.exp(x), { axes: [0, 1] }) };
  t.is(
    printAfter(sumColumnsByGemm, graph),
    `test(x: float32[2, 3, 4])
  Exp = Exp(x) : float32[2, 3, 4]
  Reshape = Reshape(Exp, shape=[6,4]) : float32[6, 4]
  Gemm = Gemm(float32[1, 6]{1, 1, 1, 1, …}, Reshape, transA=false, transB=false, alpha=1, beta=1) : float32[1, 4]
  y = Reshape(Gemm, shape=[4]) : float32[4]`,
  );
  await sameResults(t, sumColumnsByGemm, graph);
});

test('axes that are kept, or of which only the first is summed', async (t) => {
  await sameResults(t, sumColumnsByGemm, {
    kept: ops.reduceSum(x, { axes: [0, 1], keepdims: true }),
    first: ops.reduceSum(x, { axes: [0] }),
    firstKept: ops.reduceSum(x, { axes: [0], keepdims: true }),
  });
});

test('sums over other axes, over all, and over an unknown number of rows stay', (t) => {
  unchanged(t, sumColumnsByGemm, { y: ops.reduceSum(x, { axes: [1] }) });
  unchanged(t, sumColumnsByGemm, { y: ops.reduceSum(x, { axes: [0, 2] }) });
  unchanged(t, sumColumnsByGemm, { y: ops.reduceSum(x) });
  unchanged(t, sumColumnsByGemm, { y: ops.reduceMean(x, { axes: [0] }) });
  unchanged(t, sumColumnsByGemm, { y: ops.reduceSum(ops.input('rows', ['batch', 4]), { axes: [0] }) });
});
