import test from 'ava';
import { affineLayerNorm, gelu } from '../../src/autodiff/functions.ts';
import { mapOutputs } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { pushSlicesUp } from '../../src/passes/slice-up.ts';
import { CASES } from '../_cases.ts';
import { graphOf } from '../_run.ts';
import { equalInOrt, printAfter, sameResults, unchanged } from './_graphs.ts';

const first = (x: Value, axis: number) => ops.slice(x, axis, 0, 1);

/** A linear layer on [2, 5, 4]. */
function linear(x: Value, name = ''): Value {
  const [w, b] = [ops.input(`w${name}`, [4, 4]), ops.input(`b${name}`, [4])];
  return ops.reshape(ops.gemm(ops.reshape(x, [10, 4]), w, b), [2, 5, 4]);
}

test('of a linear layer and an activation, only the rows that are used are computed', async (t) => {
  const x = ops.input('x', [2, 5, 4]);
  const graph = { y: first(ops.tanh(linear(x)), 1) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(x: float32[2, 5, 4], w: float32[4, 4], b: float32[4])
  Slice = Slice(x, starts=[0], ends=[1], axes=[1]) : float32[2, 1, 4]
  Reshape = Reshape(Slice, shape=[2,4]) : float32[2, 4]
  Gemm = Gemm(Reshape, w, b, transA=false, transB=false, alpha=1, beta=1) : float32[2, 4]
  Reshape_1 = Reshape(Gemm, shape=[2,1,4]) : float32[2, 1, 4]
  y = Tanh(Reshape_1) : float32[2, 1, 4]`,
  );
  await sameResults(t, pushSlicesUp, graph);
});

test('of attention, only the queries are cut: every key and value is still seen', async (t) => {
  const [q, k, v] = [
    ops.input('q', [2, 3, 5, 4]),
    ops.input('k', [2, 3, 5, 4]),
    ops.input('v', [2, 3, 5, 4]),
  ];
  const weights = ops.softmax(ops.matmul(q, k, { transB: true, alpha: 0.5 }));
  const tokens = ops.transpose(ops.matmul(weights, v), [0, 2, 1, 3]);
  const graph = { y: ops.slice(ops.reshape(tokens, [2, 5, 12]), 1, 2, 4) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(q: float32[2, 3, 5, 4], k: float32[2, 3, 5, 4], v: float32[2, 3, 5, 4])
  Slice = Slice(q, starts=[2], ends=[4], axes=[2]) : float32[2, 3, 2, 4]
  MatMul = MatMul(Slice, k, transA=false, transB=true, alpha=0.5) : float32[2, 3, 2, 5]
  Softmax = Softmax(MatMul, axis=3) : float32[2, 3, 2, 5]
  MatMul_1 = MatMul(Softmax, v, transA=false, transB=false, alpha=1) : float32[2, 3, 2, 4]
  Transpose = Transpose(MatMul_1, perm=[0,2,1,3]) : float32[2, 2, 3, 4]
  y = Reshape(Transpose, shape=[2,2,12]) : float32[2, 2, 12]`,
  );
  await sameResults(t, pushSlicesUp, graph);
});

test('the batch may be unknown', (t) => {
  const x = ops.input('x', ['batch', 5, 4]);
  const h = ops.gemm(ops.reshape(x, ['5·batch', 4]), ops.input('w', [4, 3]));
  t.is(
    printAfter(pushSlicesUp, { y: first(ops.reshape(h, ['batch', 5, 3]), 1) }),
    `test(x: float32[batch, 5, 4], w: float32[4, 3])
  Slice = Slice(x, starts=[0], ends=[1], axes=[1]) : float32[batch, 1, 4]
  Reshape = Reshape(Slice, shape=["batch",4]) : float32[batch, 4]
  Gemm = Gemm(Reshape, w, transA=false, transB=false, alpha=1, beta=1) : float32[batch, 3]
  y = Reshape(Gemm, shape=["batch",1,3]) : float32[batch, 1, 3]`,
  );
});

test('operands that are broadcast along the axis are not cut', async (t) => {
  const [x, row] = [ops.input('x', [3, 5, 4]), ops.input('row', [4])];
  const [column, table] = [ops.input('column', [3, 1, 1]), ops.input('table', [5, 4])];
  const graph = { y: ops.slice(ops.add(ops.mul(ops.exp(x), row), ops.mul(column, table)), 1, 1, 3) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(x: float32[3, 5, 4], row: float32[4], column: float32[3, 1, 1], table: float32[5, 4])
  Slice = Slice(x, starts=[1], ends=[3], axes=[1]) : float32[3, 2, 4]
  Exp = Exp(Slice) : float32[3, 2, 4]
  Mul = Mul(Exp, row) : float32[3, 2, 4]
  Slice_1 = Slice(table, starts=[1], ends=[3], axes=[0]) : float32[2, 4]
  Mul_1 = Mul(column, Slice_1) : float32[3, 2, 4]
  y = Add(Mul, Mul_1) : float32[3, 2, 4]`,
  );
  await sameResults(t, pushSlicesUp, graph);
});

test('the rows of a transposed left factor are its columns', async (t) => {
  const [a, b] = [ops.input('a', [2, 3, 5]), ops.input('b', [2, 3, 4])];
  const graph = { y: ops.slice(ops.matmul(ops.exp(a), b, { transA: true }), 1, 1, 3) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(a: float32[2, 3, 5], b: float32[2, 3, 4])
  Slice = Slice(a, starts=[1], ends=[3], axes=[2]) : float32[2, 3, 2]
  Exp = Exp(Slice) : float32[2, 3, 2]
  y = MatMul(Exp, b, transA=true, transB=false, alpha=1) : float32[2, 2, 4]`,
  );
  await sameResults(t, pushSlicesUp, graph);
});

test('a Reshape keeps the axis of as many elements before it, not just any of that length', async (t) => {
  const x = ops.input('x', [2, 2, 2, 3]);
  const rows = { y: first(ops.reshape(ops.exp(x), [2, 2, 6]), 1) };
  t.is(
    printAfter(pushSlicesUp, rows),
    `test(x: float32[2, 2, 2, 3])
  Slice = Slice(x, starts=[0], ends=[1], axes=[1]) : float32[2, 1, 2, 3]
  Exp = Exp(Slice) : float32[2, 1, 2, 3]
  y = Reshape(Exp, shape=[2,1,6]) : float32[2, 1, 6]`,
  );
  await sameResults(t, pushSlicesUp, rows);
  unchanged(t, pushSlicesUp, { y: first(ops.reshape(ops.exp(x), [4, 6]), 0) });
});

test('it goes through normalisation, composites and a Transpose', async (t) => {
  const x = ops.input('x', [5, 2, 4]);
  const [scale, bias] = [ops.input('scale', [4]), ops.input('bias', [4])];
  const h = ops.transpose(gelu(affineLayerNorm(x, scale, bias, 1e-3)), [1, 0, 2]);
  await sameResults(t, pushSlicesUp, { y: ops.slice(h, 1, 3, 5) });
});

test('it stops at a value that is for something else too', (t) => {
  const x = ops.input('x', [2, 5, 4]);
  const h = ops.exp(x);
  unchanged(t, pushSlicesUp, { y: first(h, 1), sum: ops.reduceSum(h) });
  unchanged(t, pushSlicesUp, { y: first(h, 1), h });
  const flat = ops.gemm(ops.reshape(x, [10, 4]), ops.input('w', [4, 4]));
  unchanged(t, pushSlicesUp, { y: first(ops.reshape(flat, [2, 5, 4]), 1), flat });
  const apart = ops.reshape(flat, [2, 5, 4]);
  t.is(
    printAfter(pushSlicesUp, { y: first(ops.tanh(apart), 1), apart }),
    `test(x: float32[2, 5, 4], w: float32[4, 4])
  Reshape = Reshape(x, shape=[10,4]) : float32[10, 4]
  Gemm = Gemm(Reshape, w, transA=false, transB=false, alpha=1, beta=1) : float32[10, 4]
  apart = Reshape(Gemm, shape=[2,5,4]) : float32[2, 5, 4]
  Slice = Slice(apart, starts=[0], ends=[1], axes=[1]) : float32[2, 1, 4]
  y = Tanh(Slice) : float32[2, 1, 4]`,
  );
});

test('of layers that share their operand it is the operand that is cut, and computed once', async (t) => {
  const x = ops.input('x', [2, 5, 4]);
  const rows = ops.reshape(ops.exp(x), [10, 4]);
  const layer = (name: string) => ops.reshape(ops.gemm(rows, ops.input(name, [4, 3])), [2, 5, 3]);
  const graph = { y: first(layer('w'), 1), all: ops.tanh(layer('v')) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(x: float32[2, 5, 4], w: float32[4, 3], v: float32[4, 3])
  Exp = Exp(x) : float32[2, 5, 4]
  Slice = Slice(Exp, starts=[0], ends=[1], axes=[1]) : float32[2, 1, 4]
  Reshape = Reshape(Slice, shape=[2,4]) : float32[2, 4]
  Gemm = Gemm(Reshape, w, transA=false, transB=false, alpha=1, beta=1) : float32[2, 3]
  y = Reshape(Gemm, shape=[2,1,3]) : float32[2, 1, 3]
  Reshape_2 = Reshape(Exp, shape=[10,4]) : float32[10, 4]
  Gemm_1 = Gemm(Reshape_2, v, transA=false, transB=false, alpha=1, beta=1) : float32[10, 3]
  Reshape_3 = Reshape(Gemm_1, shape=[2,5,3]) : float32[2, 5, 3]
  all = Tanh(Reshape_3) : float32[2, 5, 3]`,
  );
  await sameResults(t, pushSlicesUp, graph);
});

test('it stops at what mixes the rows, and at columns', (t) => {
  const x = ops.input('x', [2, 5, 4]);
  unchanged(t, pushSlicesUp, { y: first(ops.softmax(x, 1), 1) });
  unchanged(t, pushSlicesUp, { y: first(ops.logSoftmax(x, -1), 2) });
  unchanged(t, pushSlicesUp, { y: first(affineLayerNorm(x, ops.full([4], 1), ops.full([4], 0), 1e-3), 2) });
  unchanged(t, pushSlicesUp, { y: first(ops.reduceSum(ops.exp(x), { axes: [0] }), 1) });
  unchanged(t, pushSlicesUp, { y: first(ops.matmul(x, ops.input('m', [2, 4, 3])), 2) });
  unchanged(t, pushSlicesUp, { y: first(ops.matmul(ops.input('n', [3, 5]), x), 0) });
});

test('a Split over another axis works row by row where all its pieces are cut alike', async (t) => {
  const x = ops.input('x', [4, 6]);
  const [a = x, b = x] = ops.split(ops.exp(x), 1, [3, 3]);
  const graph = { y: first(ops.mul(a, ops.relu(b)), 0) };
  t.is(
    printAfter(pushSlicesUp, graph),
    `test(x: float32[4, 6])
  Slice = Slice(x, starts=[0], ends=[1], axes=[0]) : float32[1, 6]
  Exp = Exp(Slice) : float32[1, 6]
  Split, Split.1 = Split(Exp, axis=1, sizes=[3,3]) : float32[1, 3], float32[1, 3]
  Relu = Relu(Split.1) : float32[1, 3]
  y = Mul(Split, Relu) : float32[1, 3]`,
  );
  await sameResults(t, pushSlicesUp, graph);
  unchanged(t, pushSlicesUp, { y: first(a, 0), z: b });
  unchanged(t, pushSlicesUp, { y: first(a, 0), z: ops.slice(b, 0, 1, 2) });
  unchanged(t, pushSlicesUp, { y: ops.slice(a, 1, 0, 1), z: ops.slice(b, 1, 0, 1) });
});

test('a C that every row has its own of stays with its rows', (t) => {
  const x = ops.input('x', [10, 4]);
  const h = ops.gemm(x, ops.input('w', [4, 3]), ops.input('c', [10, 3]));
  unchanged(t, pushSlicesUp, { y: first(ops.reshape(h, [2, 5, 3]), 1) });
});

for (const [op, cases] of Object.entries(CASES)) {
  test(`rows of every op's result are the same as they were: ${op}`, async (t) => {
    for (const { shapes, f } of cases) {
      const xs = shapes.map((shape, i) => ops.add(ops.input(`x${i}`, shape), 1.5));
      const outputs = [f(...xs)].flat().flatMap((y, i) =>
        y.shape.flatMap((length, axis): [string, Value][] => {
          if (typeof length !== 'number' || length === 1) return [];
          return [[`y${i}/${axis}`, ops.slice(y, axis, length - 2, length - 1)]];
        }),
      );
      // One at a time: a value that two slices use is cut by neither.
      for (const [name, y] of outputs) {
        const graph = graphOf({ [name]: y });
        await equalInOrt(t, graph, mapOutputs(graph, pushSlicesUp), 1e-5);
      }
    }
  });
}
