import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { toPortable } from '../../src/passes/portable.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [a, b] = [ops.input('a', [2, 3, 4]), ops.input('b', [2, 5, 3])];

test('transposed and scaled products are written out', async (t) => {
  const graph = { y: ops.matmul(a, b, { transA: true, transB: true, alpha: 0.5 }) };
  t.is(
    printAfter(toPortable, graph),
    `test(a: float32[2, 3, 4], b: float32[2, 5, 3])
  Transpose = Transpose(a, perm=[0,2,1]) : float32[2, 4, 3]
  Transpose_1 = Transpose(b, perm=[0,2,1]) : float32[2, 3, 5]
  MatMul = MatMul(Transpose, Transpose_1, transA=false, transB=false, alpha=1) : float32[2, 4, 5]
  y = Mul(MatMul, 0.5) : float32[2, 4, 5]`,
  );
  await sameResults(t, toPortable, graph);
});

test('log-softmax is written out, and holds where exponentials alone would overflow', async (t) => {
  const logits = ops.mul(ops.input('x', [4, 6]), 200);
  const graph = { last: ops.logSoftmax(logits), first: ops.logSoftmax(ops.exp(ops.input('z', [5, 2])), 0) };
  t.notRegex(printAfter(toPortable, graph), /LogSoftmax/);
  await sameResults(t, toPortable, graph);
});

test('each of them by itself', async (t) => {
  await sameResults(t, toPortable, {
    left: ops.matmul(a, ops.input('c', [2, 3, 2]), { transA: true }),
    right: ops.matmul(ops.input('d', [2, 4, 3]), b, { transB: true }),
    flat: ops.matmul(ops.exp(a), ops.input('e', [5, 4]), { transB: true }),
    scaled: ops.matmul(b, a, { alpha: 3 }),
  });
});

test('plain products and Gemm, which is standard, stay', (t) => {
  unchanged(t, toPortable, { y: ops.matmul(b, a) });
  unchanged(t, toPortable, {
    y: ops.gemm(ops.input('m', [3, 2]), ops.input('n', [4, 3]), undefined, {
      transA: true,
      transB: true,
      alpha: 2,
    }),
  });
});

test('what WebGPU lacks is written with other ops: the same results', async (t) => {
  const x = ops.input('x', [3, 4]);
  const [positive, small] = [ops.greater(x, 0), ops.less(x, 0.5)];
  const number = (value: Parameters<typeof ops.cast>[0]) => ops.cast(value, 'float32');
  const graph = {
    sign: ops.sign(x),
    nan: number(ops.isNan(ops.log(x))),
    or: number(ops.or(positive, small)),
    same: number(ops.equal(positive, small)),
    largest: number(ops.argMax(ops.floor(ops.mul(x, 2)), 0)),
  };
  t.notRegex(printAfter(toPortable, graph), /Sign|IsNaN|Or\(|ArgMax|int64/);
  await sameResults(t, toPortable, graph);
});
