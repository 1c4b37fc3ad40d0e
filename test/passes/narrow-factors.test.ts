import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { multiplyNarrowFactorsFirst } from '../../src/passes/narrow-factors.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [x, row, vector] = [ops.input('x', [5, 3]), ops.input('row', [1, 3]), ops.input('vector', [3])];

test('factors of columns are multiplied with each other, on whichever side they stand', async (t) => {
  const graph = { y: ops.mul(vector, ops.mul(ops.mul(x, row), ops.input('other', [1, 1]))) };
  t.is(
    printAfter(multiplyNarrowFactorsFirst, graph),
    `test(vector: float32[3], x: float32[5, 3], row: float32[1, 3], other: float32[1, 1])
  Mul = Mul(row, other) : float32[1, 3]
  Mul_1 = Mul(Mul, vector) : float32[1, 3]
  y = Mul(x, Mul_1) : float32[5, 3]`,
  );
  await sameResults(t, multiplyNarrowFactorsFirst, graph);
});

test('a product that something else needs stays, and factors as large as the result', (t) => {
  const shared = ops.mul(x, row);
  unchanged(t, multiplyNarrowFactorsFirst, { y: ops.mul(shared, vector), z: ops.exp(shared) });
  unchanged(t, multiplyNarrowFactorsFirst, { y: ops.mul(shared, ops.input('column', [5, 1])) });
  unchanged(t, multiplyNarrowFactorsFirst, { y: ops.mul(ops.mul(x, ops.input('z', [5, 3])), row) });
});

test('a symbolic batch', async (t) => {
  const images = ops.input('images', ['batch', 3]);
  t.is(
    printAfter(multiplyNarrowFactorsFirst, { y: ops.mul(ops.mul(images, row), vector) }),
    `test(images: float32[batch, 3], row: float32[1, 3], vector: float32[3])
  Mul = Mul(row, vector) : float32[1, 3]
  y = Mul(images, Mul) : float32[batch, 3]`,
  );
});
