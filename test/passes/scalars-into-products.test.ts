import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { foldScalarsIntoProducts } from '../../src/passes/scalars-into-products.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const pass = foldScalarsIntoProducts;
const [a, b, c] = [ops.input('a', [2, 3]), ops.input('b', [3, 4]), ops.input('c', [4])];
const [s, r] = [ops.input('s', [2, 2]), ops.input('r', [2, 2])];

test('the factor of a product is its alpha and beta, also behind a Reshape and a Transpose', async (t) => {
  const y = ops.reshape(ops.gemm(a, b, c, { alpha: 0.5, beta: 3 }), [2, 2, 2]);
  const graph = { y: ops.mul(ops.transpose(y, [2, 1, 0]), 4) };
  t.is(
    printAfter(pass, graph),
    `test(a: float32[2, 3], b: float32[3, 4], c: float32[4])
  Gemm = Gemm(a, b, c, transA=false, transB=false, alpha=2, beta=12) : float32[2, 4]
  Reshape = Reshape(Gemm, shape=[2,2,2]) : float32[2, 2, 2]
  y = Transpose(Reshape, perm=[2,1,0]) : float32[2, 2, 2]`,
  );
  await sameResults(t, pass, graph);
});

test('the factor of an operand is the alpha of every product that takes it', async (t) => {
  const scaled = ops.mul(ops.exp(a), 0.25);
  const graph = {
    y: ops.gemm(scaled, b, c),
    z: ops.matmul(ops.reshape(scaled, [3, 2]), s, { alpha: 2 }),
  };
  t.is(
    printAfter(pass, graph),
    `test(a: float32[2, 3], b: float32[3, 4], c: float32[4], s: float32[2, 2])
  Exp = Exp(a) : float32[2, 3]
  y = Gemm(Exp, b, c, transA=false, transB=false, alpha=0.25, beta=1) : float32[2, 4]
  Reshape = Reshape(Exp, shape=[3,2]) : float32[3, 2]
  z = MatMul(Reshape, s, transA=false, transB=false, alpha=0.5) : float32[3, 2]`,
  );
  await sameResults(t, pass, graph);
});

test('several factors of one product multiply, and C has only those of the result', async (t) => {
  const product = ops.gemm(ops.mul(ops.exp(a), 2), ops.mul(ops.exp(b), 3), c, { alpha: 0.5, beta: 0.5 });
  const graph = { y: ops.tanh(ops.mul(product, 5)) };
  t.is(
    printAfter(pass, graph),
    `test(a: float32[2, 3], b: float32[3, 4], c: float32[4])
  Exp = Exp(a) : float32[2, 3]
  Exp_1 = Exp(b) : float32[3, 4]
  Gemm = Gemm(Exp, Exp_1, c, transA=false, transB=false, alpha=15, beta=2.5) : float32[2, 4]
  y = Tanh(Gemm) : float32[2, 4]`,
  );
  await sameResults(t, pass, graph);
});

test('a factor of both operands counts twice', async (t) => {
  const scaled = ops.mul(ops.exp(s), 3);
  const graph = { y: ops.gemm(scaled, ops.transpose(scaled)) };
  t.is(
    printAfter(pass, graph),
    `test(s: float32[2, 2])
  Exp = Exp(s) : float32[2, 2]
  Transpose = Transpose(Exp, perm=[1,0]) : float32[2, 2]
  y = Gemm(Exp, Transpose, transA=false, transB=false, alpha=9, beta=1) : float32[2, 2]`,
  );
  await sameResults(t, pass, graph);
});

test('chained factors all arrive', async (t) => {
  await sameResults(t, pass, { y: ops.tanh(ops.mul(ops.mul(ops.gemm(a, b, c), 2), 3)) });
  await sameResults(t, pass, { y: ops.gemm(ops.mul(ops.mul(ops.exp(a), 2), 3), b) });
  await sameResults(t, pass, { y: ops.gemm(ops.mul(ops.mul(ops.mul(ops.gemm(s, a), 2), 3), 5), b) });
  await sameResults(t, pass, { y: ops.gemm(ops.mul(ops.transpose(ops.mul(ops.gemm(s, a), 2)), 3), r) });
});

test('a product that something else uses keeps its size', (t) => {
  const product = ops.gemm(a, b);
  unchanged(t, pass, { y: ops.mul(product, 2), product });
  unchanged(t, pass, { y: ops.mul(product, 2), z: ops.tanh(product) });
  unchanged(t, pass, { y: ops.mul(product, 2), z: ops.tanh(ops.reshape(product, [4, 2])) });
});

test('so does an operand that something else uses', (t) => {
  const scaled = ops.mul(ops.exp(a), 2);
  unchanged(t, pass, { y: ops.gemm(scaled, b), scaled });
  unchanged(t, pass, { y: ops.gemm(scaled, b), z: ops.tanh(scaled) });
  const turned = ops.transpose(scaled);
  unchanged(t, pass, { y: ops.gemm(turned, s), turned });
});

test('the factor of a C is not that of the product', (t) => {
  const scaled = ops.mul(ops.exp(s), 2);
  unchanged(t, pass, { y: ops.gemm(r, s, scaled) });
  unchanged(t, pass, { y: ops.gemm(scaled, r, scaled) });
  unchanged(t, pass, { y: ops.gemm(scaled, r, ops.transpose(scaled)) });
});

test('only a constant number is folded: no input, no row, none that makes the result larger', (t) => {
  unchanged(t, pass, { y: ops.mul(ops.gemm(a, b), ops.input('factor', [])) });
  unchanged(t, pass, { y: ops.mul(ops.gemm(a, b), ops.constant(Float32Array.of(2, 3, 4, 5), [4])) });
  unchanged(t, pass, { y: ops.mul(ops.gemm(a, b), ops.full([4], 2)) });
  unchanged(t, pass, { y: ops.mul(ops.gemm(a, b), ops.full([1, 1, 1], 2)) });
});
