/** Lookups in front of linear layers and of splits. */
import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { lookUpLast } from '../../src/passes/lookup-last.ts';
import { lookUpInPieces } from '../../src/passes/lookup-pieces.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const table = ops.input('table', [3, 2]);
const ids = ops.input('ids', [2, 4], 'int32');
const [w, b] = [ops.input('w', [2, 5]), ops.input('b', [5])];
const rows = ops.reshape(ops.gather(table, ids), [8, 2]);

test('rows are looked up behind a linear layer where the table has fewer', async (t) => {
  const graph = { y: ops.tanh(ops.gemm(rows, w, b)) };
  t.is(
    printAfter(lookUpLast, graph),
    `test(table: float32[3, 2], ids: int32[2, 4], w: float32[2, 5], b: float32[5])
  Gemm = Gemm(table, w, b, transA=false, transB=false, alpha=1, beta=1) : float32[3, 5]
  Gather = Gather(Gemm, ids, axis=0) : float32[2, 4, 5]
  Reshape = Reshape(Gather, shape=[8,5]) : float32[8, 5]
  y = Tanh(Reshape) : float32[8, 5]`,
  );
  await sameResults(t, lookUpLast, graph);
  await sameResults(t, lookUpLast, {
    y: ops.gemm(rows, ops.input('v', [5, 2]), undefined, { transB: true, alpha: 2 }),
  });
});

test('they stay in front where the table is the larger, where rows differ in more, or others need them', (t) => {
  const large = ops.reshape(ops.gather(ops.input('table', [9, 2]), ids), [8, 2]);
  unchanged(t, lookUpLast, { y: ops.gemm(large, w, b) });
  unchanged(t, lookUpLast, { y: ops.gemm(rows, w, ops.input('c', [8, 5])) });
  unchanged(t, lookUpLast, { y: ops.gemm(rows, w, b), z: ops.tanh(rows) });
  unchanged(t, lookUpLast, { y: ops.gemm(rows, ops.input('v', [8, 5]), undefined, { transA: true }) });
  // Rows of another width than the table's.
  unchanged(t, lookUpLast, { y: ops.gemm(ops.reshape(rows, [4, 4]), ops.input('v', [4, 5])) });
});

test('rows that are split are looked up in pieces', async (t) => {
  const [first, second] = ops.split(rows, 0, [3, 5]);
  const graph = { y: ops.tanh(first ?? rows), z: ops.neg(second ?? rows) };
  t.is(
    printAfter(lookUpInPieces, graph),
    `test(table: float32[3, 2], ids: int32[2, 4])
  Reshape = Reshape(ids, shape=[8]) : int32[8]
  Split, Split.1 = Split(Reshape, axis=0, sizes=[3,5]) : int32[3], int32[5]
  Gather = Gather(table, Split, axis=0) : float32[3, 2]
  y = Tanh(Gather) : float32[3, 2]
  Gather_1 = Gather(table, Split.1, axis=0) : float32[5, 2]
  z = Neg(Gather_1) : float32[5, 2]`,
  );
  await sameResults(t, lookUpInPieces, graph);
});

test('they are not where others need them, or columns are split', (t) => {
  const [first = rows] = ops.split(rows, 0, [3, 5]);
  unchanged(t, lookUpInPieces, { y: first, z: ops.tanh(rows) });
  const [left = rows] = ops.split(rows, 1, [1, 1]);
  unchanged(t, lookUpInPieces, { y: ops.tanh(left) });
});
