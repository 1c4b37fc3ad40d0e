import test from 'ava';
import { affineLayerNorm, linear } from '../../src/autodiff/functions.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { foldNormIntoLinear } from '../../src/passes/norm-into-linear.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [scale, bias] = [ops.input('norm/scale', [3]), ops.input('norm/bias', [3])];
const norm = (x: Value) => affineLayerNorm(x, scale, bias, 1e-3);
const w = (columns = 2) => ops.input('fc/kernel', [3, columns]);

test('scale and bias become part of the weights and the bias of the layer behind', async (t) => {
  const graph = { y: linear(norm(ops.input('x', [2, 4, 3])), w(), ops.input('fc/bias', [2])) };
  t.is(
    printAfter(foldNormIntoLinear, graph),
    `test(x: float32[2, 4, 3], norm/scale: float32[3], norm/bias: float32[3], fc/kernel: float32[3, 2], fc/bias: float32[2])
  LayerNormalization, LayerNormalization.1, LayerNormalization.2 = LayerNormalization(x, float32[3]{1, 1, 1}, epsilon=0.001) : float32[2, 4, 3], float32[2, 4, 1], float32[2, 4, 1]
  Reshape = Reshape(LayerNormalization, shape=[8,3]) : float32[8, 3]
  norm/Reshape = Reshape(norm/scale, shape=[3,1]) : float32[3, 1]
  fc/Mul = Mul(norm/Reshape, fc/kernel) : float32[3, 2]
  norm/Reshape_1 = Reshape(norm/bias, shape=[1,3]) : float32[1, 3]
  fc/Gemm = Gemm(norm/Reshape_1, fc/kernel, transA=false, transB=false, alpha=1, beta=1) : float32[1, 2]
  fc/Add = Add(fc/Gemm, fc/bias) : float32[1, 2]
  fc/Gemm_1 = Gemm(Reshape, fc/Mul, fc/Add, transA=false, transB=false, alpha=1, beta=1) : float32[8, 2]
  y = Reshape(fc/Gemm_1, shape=[2,4,2]) : float32[2, 4, 2]`,
  );
  await sameResults(t, foldNormIntoLinear, graph);
});

test('of all the layers behind, with and without bias, of all rows or some', async (t) => {
  const h = norm(ops.input('x', [2, 8, 3]));
  const layer = (x: Value, name: string, c?: Value) =>
    ops.gemm(
      ops.reshape(x, [Number(x.shape[0]) * Number(x.shape[1]), 3]),
      ops.input(`${name}/kernel`, [3, 2]),
      c,
    );
  const graph = {
    a: layer(h, 'a'),
    b: layer(h, 'b', ops.input('vector', [2])),
    c: layer(h, 'c', ops.input('matrix', [16, 2])),
    d: layer(ops.slice(h, 1, 2, 4), 'd', ops.input('column', [4, 1])),
    e: layer(h, 'e', ops.input('number', [])),
  };
  await sameResults(t, foldNormIntoLinear, graph);
});

test('it stays where anything else uses the normalised value, or what it is made of', (t) => {
  const x = ops.input('x', [4, 3]);
  const h = norm(x);
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(h, w()), h });
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(h, w()), z: ops.tanh(h) });
  const scaled = ops.mul(ops.layerNormalization(x, ops.full([3], 1), 1e-3)[0], scale);
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.add(scaled, bias), w()), scaled });
});

test('it stays where the layer takes it as another operand than the first', (t) => {
  const h = norm(ops.input('x', [3, 3]));
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.input('a', [2, 3]), h) });
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(h, h) });
  const tall = norm(ops.input('tall', [8, 3]));
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(tall, w(3), tall) });
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.input('a', [3, 3]), w(3), h) });
});

test('it stays in front of transposed and of scaled products', (t) => {
  const h = norm(ops.input('x', [3, 3]));
  const c = ops.input('c', [3]);
  for (const options of [{ transA: true }, { transB: true }, { alpha: 2 }, { beta: 2 }])
    unchanged(t, foldNormIntoLinear, { y: ops.gemm(h, w(3), c, options) });
});

test('it stays where rows are mixed or cut in between, or columns are left out', (t) => {
  const h = norm(ops.input('x', [4, 3]));
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.reshape(h, [2, 6]), ops.input('k', [6, 2])) });
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.transpose(h), ops.input('k', [4, 2])) });
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(ops.slice(h, 1, 0, 2), ops.input('k', [2, 2])) });
});

test('it stays where there are fewer rows than columns of weights: they would be the more to multiply', (t) => {
  unchanged(t, foldNormIntoLinear, { y: ops.gemm(norm(ops.input('x', [4, 3])), w(5)) });
});
