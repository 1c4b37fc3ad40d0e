import test from 'ava';
import { linear } from '../../src/autodiff/functions.ts';
import * as ops from '../../src/onnx/ops.ts';
import { foldScaleIntoLinear } from '../../src/passes/scale-into-linear.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const scale = ops.input('layer/scale', [2]);
const x = ops.input('x', [2, 4, 3]);
const w = ops.input('fc/kernel', [3, 2]);
const y = linear(x, w, ops.input('fc/bias', [2]));

test('factors of columns become part of the weights and the bias of the layer in front', async (t) => {
  const graph = { y: ops.mul(y, scale) };
  t.is(
    printAfter(foldScaleIntoLinear, graph),
    `test(x: float32[2, 4, 3], fc/kernel: float32[3, 2], fc/bias: float32[2], layer/scale: float32[2])
  Reshape = Reshape(x, shape=[8,3]) : float32[8, 3]
  fc/Mul = Mul(fc/kernel, layer/scale) : float32[3, 2]
  fc/Mul_1 = Mul(fc/bias, layer/scale) : float32[2]
  fc/Gemm = Gemm(Reshape, fc/Mul, fc/Mul_1, transA=false, transB=false, alpha=1, beta=1) : float32[8, 2]
  y = Reshape(fc/Gemm, shape=[2,4,2]) : float32[2, 4, 2]`,
  );
  await sameResults(t, foldScaleIntoLinear, graph);
});

test('with any bias, or none, and with the factors on the left', async (t) => {
  const rows = ops.input('rows', [6, 3]);
  const scaled = (c?: ReturnType<typeof ops.input>) => ops.mul(scale, ops.gemm(rows, w, c));
  await sameResults(t, foldScaleIntoLinear, {
    a: scaled(),
    b: scaled(ops.input('row', [1, 2])),
    c: scaled(ops.input('column', [6, 1])),
    d: scaled(ops.input('number', [])),
    e: scaled(ops.input('matrix', [6, 2])),
  });
});

test('they stay where anything else uses the result, or they are none', (t) => {
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(y, scale), z: ops.tanh(y) });
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(y, scale), z: y });
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(y, ops.input('number', [])) });
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(y, ops.input('rows', [4, 1])) });
  const three = ops.input('three', [3]);
  const turned = ops.gemm(ops.input('a', [4, 2]), w, three, { transB: true, beta: 2 });
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(turned, three) });
  // A factor that depends on the result.
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(y, ops.reduceSum(y, { axes: [0, 1] })) });
});

test('they stay where there are fewer rows than weights', (t) => {
  unchanged(t, foldScaleIntoLinear, { y: ops.mul(ops.gemm(ops.input('two', [2, 3]), w), scale) });
});
