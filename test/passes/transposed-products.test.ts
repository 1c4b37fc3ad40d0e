import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import type { Shape } from '../../src/onnx/value.ts';
import { transposeProducts } from '../../src/passes/transposed-products.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [x, narrow, wide] = [ops.input('x', [9, 3]), ops.input('narrow', [9, 2]), ops.input('wide', [9, 4])];
const transA = true;

test('the narrower operand is transposed, and the result with it where that is the second and there are many rows', async (t) => {
  const graph = {
    y: ops.gemm(x, wide, undefined, { transA }),
    z: ops.gemm(x, narrow, undefined, { transA }),
  };
  t.is(
    printAfter(transposeProducts, graph),
    `test(x: float32[9, 3], wide: float32[9, 4], narrow: float32[9, 2])
  Transpose = Transpose(x, perm=[1,0]) : float32[3, 9]
  y = Gemm(Transpose, wide, transA=false, transB=false, alpha=1, beta=1) : float32[3, 4]
  Transpose_1 = Transpose(narrow, perm=[1,0]) : float32[2, 9]
  Gemm_1 = Gemm(Transpose_1, x, transA=false, transB=false, alpha=1, beta=1) : float32[2, 3]
  z = Transpose(Gemm_1, perm=[1,0]) : float32[3, 2]`,
  );
  await sameResults(t, transposeProducts, graph);
});

test('with few rows the first is transposed: with the result, more numbers would move', (t) => {
  const [left, right] = [ops.input('left', [2, 300]), ops.input('right', [2, 200])];
  t.is(
    printAfter(transposeProducts, { y: ops.gemm(left, right, undefined, { transA }) }),
    `test(left: float32[2, 300], right: float32[2, 200])
  Transpose = Transpose(left, perm=[1,0]) : float32[300, 2]
  y = Gemm(Transpose, right, transA=false, transB=false, alpha=1, beta=1) : float32[300, 200]`,
  );
});

test('alpha, beta and every form of C', async (t) => {
  const product = (b: typeof wide, name: string, c: Shape) =>
    ops.gemm(x, b, ops.input(name, c), { transA, alpha: 0.5, beta: 3 });
  await sameResults(t, transposeProducts, {
    a: product(wide, 'a/c', [3, 4]),
    b: product(narrow, 'b/c', [3, 2]),
    c: product(narrow, 'c/c', [2]),
    d: product(narrow, 'd/c', [3, 1]),
    e: product(narrow, 'e/c', [1, 2]),
    f: product(narrow, 'f/c', []),
  });
});

test('with both operands transposed only the first is turned', async (t) => {
  const graph = { y: ops.gemm(x, ops.input('b', [2, 9]), ops.input('c', [3, 2]), { transA, transB: true }) };
  t.is(
    printAfter(transposeProducts, graph),
    `test(x: float32[9, 3], b: float32[2, 9], c: float32[3, 2])
  Transpose = Transpose(x, perm=[1,0]) : float32[3, 9]
  y = Gemm(Transpose, b, c, transA=false, transB=true, alpha=1, beta=1) : float32[3, 2]`,
  );
  await sameResults(t, transposeProducts, graph);
});

test('a value with itself', async (t) => {
  await sameResults(t, transposeProducts, { y: ops.gemm(x, x, undefined, { transA }) });
});

test('plain products, those with the second operand transposed, and stacks of matrices stay', (t) => {
  unchanged(t, transposeProducts, { y: ops.gemm(x, ops.input('b', [3, 2])) });
  unchanged(t, transposeProducts, { y: ops.gemm(x, ops.input('b', [2, 3]), undefined, { transB: true }) });
  unchanged(t, transposeProducts, {
    y: ops.matmul(ops.input('a', [2, 5, 3]), ops.input('b', [2, 5, 4]), { transA }),
  });
});
