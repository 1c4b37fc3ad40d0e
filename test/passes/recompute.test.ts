import test from 'ava';
import { executionOrder, type Graph, topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { operands, type Value } from '../../src/onnx/value.ts';
import type { PassName } from '../../src/passes/finish.ts';
import { bytesOf, isStored, ownerOf, peakBytes } from '../../src/passes/memory.ts';
import { recompute } from '../../src/passes/recompute.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

/** The pass with the first output early. */
const pass = (outputs: readonly Value[]) => recompute(outputs, outputs.slice(0, 1));
const [x, w] = [ops.input('x', [8, 4]), ops.input('w', [4, 4])];

test('late uses of the terms of an activation function get copies, made of what is kept', async (t) => {
  const h = ops.gemm(x, w);
  const [e, r] = [ops.exp(h), ops.tanh(h)];
  const early = ops.reduceSum(ops.mul(e, r));
  const graph = { early, late: ops.mul(ops.mul(e, r), ops.sub(e, r)) };
  t.is(
    printAfter(pass, graph),
    `test(x: float32[8, 4], w: float32[4, 4])
  Gemm = Gemm(x, w, transA=false, transB=false, alpha=1, beta=1) : float32[8, 4]
  Exp = Exp(Gemm) : float32[8, 4]
  Tanh = Tanh(Gemm) : float32[8, 4]
  Mul = Mul(Exp, Tanh) : float32[8, 4]
  early = ReduceSum(Mul, axes=[0,1], keepdims=false) : float32[]
  Exp_1 = Exp(Gemm) : float32[8, 4]
  Tanh_1 = Tanh(Gemm) : float32[8, 4]
  Mul_1 = Mul(Exp_1, Tanh_1) : float32[8, 4]
  Sub = Sub(Exp_1, Tanh_1) : float32[8, 4]
  late = Mul(Mul_1, Sub) : float32[8, 4]`,
  );
  await sameResults(t, pass, graph);
});

test('views of a value that is computed again are made again too', async (t) => {
  const h = ops.gemm(x, w);
  const [e, r] = [ops.exp(h), ops.tanh(h)];
  const flat = ops.reshape(ops.mul(e, r), [32]);
  const graph = {
    early: ops.reduceSum(flat),
    late: ops.add(ops.mul(flat, flat), ops.reshape(ops.sub(e, r), [32])),
  };
  t.is(
    printAfter(pass, graph),
    `test(x: float32[8, 4], w: float32[4, 4])
  Gemm = Gemm(x, w, transA=false, transB=false, alpha=1, beta=1) : float32[8, 4]
  Exp = Exp(Gemm) : float32[8, 4]
  Tanh = Tanh(Gemm) : float32[8, 4]
  Mul = Mul(Exp, Tanh) : float32[8, 4]
  Reshape = Reshape(Mul, shape=[32]) : float32[32]
  early = ReduceSum(Reshape, axes=[0], keepdims=false) : float32[]
  Exp_1 = Exp(Gemm) : float32[8, 4]
  Tanh_1 = Tanh(Gemm) : float32[8, 4]
  Mul_1 = Mul(Exp_1, Tanh_1) : float32[8, 4]
  Reshape_1 = Reshape(Mul_1, shape=[32]) : float32[32]
  Mul_2 = Mul(Reshape_1, Reshape_1) : float32[32]
  Sub = Sub(Exp_1, Tanh_1) : float32[8, 4]
  Reshape_2 = Reshape(Sub, shape=[32]) : float32[32]
  late = Add(Mul_2, Reshape_2) : float32[32]`,
  );
  await sameResults(t, pass, graph);
});

/** The bytes of the values that both the early outputs and the others need. */
function keptBytes(graph: Graph): number {
  const early = new Set(
    topologicalOrder(
      Object.entries(graph.outputs).flatMap(([name, value]) =>
        name === 'grad_norm' || name.startsWith('sums/') ? [value] : [],
      ),
    ),
  );
  const late = executionOrder(graph).filter((node) => !early.has(node));
  const kept = new Set(late.flatMap(operands).map(ownerOf));
  return [...kept]
    .filter(({ node }) => early.has(node) && isStored(node))
    .reduce((bytes, value) => bytes + bytesOf(value), 0);
}

test("of a small ViT's gradient, fewer bytes are kept for its derivative", (t) => {
  const image = { channels: 3, height: 32, width: 32 };
  const model = { kind: 'vit', variant: 'micro', patch: 4 };
  const spec = imageSpec({ dataset: 'cifar10', image, classes: 10, model, microBatch: 32 });
  const built = (without: readonly PassName[]) =>
    imageGraphs(spec, 32, { memory: 'lean', without }).graph('gr-exact');
  const [less, all] = [built([]), built(['recompute'])];
  t.true(keptBytes(less) < 0.9 * keptBytes(all), `${keptBytes(less)} of ${keptBytes(all)} bytes`);
  t.true(peakBytes(less) < peakBytes(all), `${peakBytes(less)} of ${peakBytes(all)} bytes`);
});

test('a value that costs as much to keep as what it is made of is kept', (t) => {
  const h = ops.gemm(x, w);
  const e = ops.exp(h);
  unchanged(t, pass, { early: ops.reduceSum(e), late: ops.tanh(e) });
});

test('products, reductions and softmax are not computed again', (t) => {
  const [h, z] = [ops.gemm(x, w), ops.softmax(x)];
  const sum = ops.reduceSum(x, { axes: [1], keepdims: true });
  const early = ops.reduceSum(ops.add(ops.mul(h, z), sum));
  unchanged(t, pass, { early, late: ops.sub(ops.mul(z, sum), ops.tanh(h)) });
});

test('the early results themselves stay as they are, also where they are used late', (t) => {
  const e = ops.exp(x);
  unchanged(t, pass, { e, late: ops.tanh(ops.neg(e)) });
});
