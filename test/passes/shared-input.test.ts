import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import type { Shape, Value } from '../../src/onnx/value.ts';
import { mergeSharedInputs } from '../../src/passes/shared-input.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const x = ops.input('x', [4, 3]);
const layer = (name: string, columns: number, bias?: Shape) =>
  ops.gemm(x, ops.input(`${name}/w`, [3, columns]), bias && ops.input(`${name}/b`, bias));

test('two linear layers of one input are one, whose result is split', async (t) => {
  const graph = { y: ops.tanh(layer('a', 2, [2])), z: layer('b', 5, [5]) };
  t.is(
    printAfter(mergeSharedInputs, graph),
    `test(x: float32[4, 3], a/w: float32[3, 2], a/b: float32[2], b/w: float32[3, 5], b/b: float32[5])
  a/Concat = Concat(a/w, b/w, axis=1) : float32[3, 7]
  a/Concat_1 = Concat(a/b, b/b, axis=0) : float32[7]
  a/Gemm = Gemm(x, a/Concat, a/Concat_1, transA=false, transB=false, alpha=1, beta=1) : float32[4, 7]
  a/Split, z = Split(a/Gemm, axis=1, sizes=[2,5]) : float32[4, 2], float32[4, 5]
  y = Tanh(a/Split) : float32[4, 2]`,
  );
  await sameResults(t, mergeSharedInputs, graph);
});

test('heads are cut apart and transposed for all at once', async (t) => {
  const tokens = ops.input('tokens', [2, 5, 6]);
  const head = (name: string): Value => {
    const y = ops.gemm(
      ops.reshape(tokens, [10, 6]),
      ops.input(`${name}/w`, [6, 6]),
      ops.input(`${name}/b`, [6]),
    );
    return ops.transpose(ops.reshape(y, [2, 5, 3, 2]), [0, 2, 1, 3]);
  };
  const graph = { q: ops.exp(head('q')), k: head('k'), v: ops.neg(head('v')) };
  t.is(
    printAfter(mergeSharedInputs, graph),
    `test(tokens: float32[2, 5, 6], q/w: float32[6, 6], q/b: float32[6], k/w: float32[6, 6], k/b: float32[6], v/w: float32[6, 6], v/b: float32[6])
  Reshape = Reshape(tokens, shape=[10,6]) : float32[10, 6]
  q/Concat = Concat(q/w, k/w, v/w, axis=1) : float32[6, 18]
  q/Concat_1 = Concat(q/b, k/b, v/b, axis=0) : float32[18]
  q/Gemm = Gemm(Reshape, q/Concat, q/Concat_1, transA=false, transB=false, alpha=1, beta=1) : float32[10, 18]
  q/Reshape = Reshape(q/Gemm, shape=[2,5,3,3,2]) : float32[2, 5, 3, 3, 2]
  q/Transpose = Transpose(q/Reshape, perm=[2,0,3,1,4]) : float32[3, 2, 3, 5, 2]
  q/Split, q/Split.1, q/Split.2 = Split(q/Transpose, axis=0, sizes=[1,1,1]) : float32[1, 2, 3, 5, 2], float32[1, 2, 3, 5, 2], float32[1, 2, 3, 5, 2]
  q/Reshape_1 = Reshape(q/Split, shape=[2,3,5,2]) : float32[2, 3, 5, 2]
  q = Exp(q/Reshape_1) : float32[2, 3, 5, 2]
  k = Reshape(q/Split.1, shape=[2,3,5,2]) : float32[2, 3, 5, 2]
  q/Reshape_3 = Reshape(q/Split.2, shape=[2,3,5,2]) : float32[2, 3, 5, 2]
  v = Neg(q/Reshape_3) : float32[2, 3, 5, 2]`,
  );
  await sameResults(t, mergeSharedInputs, graph);
});

test('where not all are cut into like heads, columns are split', async (t) => {
  const heads = (y: Value, perm: readonly number[]) => ops.transpose(ops.reshape(y, [2, 2, 3, 2]), perm);
  const [a, b, c] = [layer('a', 6, [6]), layer('b', 6, [6]), layer('c', 6, [6])];
  const some = { a: heads(a, [0, 2, 1, 3]), b: heads(b, [0, 2, 3, 1]), c: heads(c, [0, 2, 1, 3]) };
  await sameResults(t, mergeSharedInputs, some);
  await sameResults(t, mergeSharedInputs, {
    a: heads(a, [0, 2, 1, 3]),
    b: heads(b, [0, 2, 1, 3]),
    also: ops.exp(b),
  });
  await sameResults(t, mergeSharedInputs, { a: heads(a, [0, 2, 1, 3]), b });
});

test('a layer without bias is not merged with one that has it; of each kind, several are', async (t) => {
  unchanged(t, mergeSharedInputs, { y: layer('a', 2, [2]), z: layer('b', 2) });
  unchanged(t, mergeSharedInputs, { y: layer('a', 2, [2]), z: layer('b', 2, [4, 2]) });
  await sameResults(t, mergeSharedInputs, { y: layer('a', 2), z: layer('b', 3) });
  await sameResults(t, mergeSharedInputs, { y: layer('a', 2, [4, 2]), z: layer('b', 3, [4, 3]) });
  await sameResults(t, mergeSharedInputs, { y: layer('a', 2, [1, 2]), z: layer('b', 3, [1, 3]) });
});

test('a bias that is broadcast along the columns has no place beside others', (t) => {
  unchanged(t, mergeSharedInputs, { y: layer('a', 2, [2]), z: layer('b', 3, [1]) });
  unchanged(t, mergeSharedInputs, { y: layer('a', 2, [2]), z: layer('b', 3, []) });
  unchanged(t, mergeSharedInputs, { y: layer('a', 2, [4, 1]), z: layer('b', 3, [4, 1]) });
});

test('transposed and scaled products stay as they are, and those of other rows', (t) => {
  const w = ops.input('w', [3, 3]);
  for (const options of [{ transB: true }, { alpha: 2 }])
    unchanged(t, mergeSharedInputs, { y: layer('a', 3), z: ops.gemm(x, w, undefined, options) });
  unchanged(t, mergeSharedInputs, { y: layer('a', 3), z: ops.gemm(ops.input('other', [4, 3]), w) });
  unchanged(t, mergeSharedInputs, {
    y: layer('a', 3),
    z: ops.gemm(ops.reshape(x, [3, 4]), ops.input('v', [4, 3])),
  });
});

test('a layer whose weights or bias another one of the same input makes comes after it', (t) => {
  const square = ops.input('square', [3, 3]);
  const once = ops.gemm(square, ops.input('w', [3, 2]));
  unchanged(t, mergeSharedInputs, { y: ops.gemm(square, ops.tanh(once)) });
  const rows = layer('a', 2, [2]);
  const z = ops.gemm(x, ops.input('w', [3, 2]), ops.reduceSum(rows, { axes: [0] }));
  unchanged(t, mergeSharedInputs, { z, rows });
});

test('nor may two pairs of layers wait for each other', (t) => {
  const [p, q] = [ops.input('p', [2, 2]), ops.input('q', [2, 2])];
  const [py, qy] = [ops.gemm(p, ops.input('pw', [2, 2])), ops.gemm(q, ops.input('qw', [2, 2]))];
  unchanged(t, mergeSharedInputs, { a: ops.gemm(p, ops.exp(qy)), b: ops.gemm(q, ops.exp(py)) });
});
