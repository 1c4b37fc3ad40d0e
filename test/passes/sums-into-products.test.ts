import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { foldSumsIntoProducts } from '../../src/passes/sums-into-products.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [a, b, c] = [ops.input('a', [6, 3]), ops.input('b', [3, 4]), ops.input('c', [6, 4])];
const product = ops.gemm(a, b, undefined, { alpha: 2 });

test('a sum with a product becomes the summand of the product, on either side', async (t) => {
  for (const y of [ops.add(product, c), ops.add(c, product)]) {
    const text = printAfter(foldSumsIntoProducts, { y });
    t.is(
      text.slice(text.indexOf('\n') + 1),
      '  y = Gemm(a, b, c, transA=false, transB=false, alpha=2, beta=1) : float32[6, 4]',
    );
    await sameResults(t, foldSumsIntoProducts, { y });
  }
});

test('also behind a Reshape', async (t) => {
  const graph = { y: ops.add(ops.input('d', [2, 3, 4]), ops.reshape(product, [2, 3, 4])) };
  const text = printAfter(foldSumsIntoProducts, graph);
  t.false(text.includes('Add'), text);
  await sameResults(t, foldSumsIntoProducts, graph);
});

test('sums of two products, of stretched operands, and products that others need or that have a summand stay', (t) => {
  const other = ops.gemm(ops.input('d', [6, 5]), ops.input('e', [5, 4]));
  unchanged(t, foldSumsIntoProducts, { y: ops.add(product, other) });
  unchanged(t, foldSumsIntoProducts, { y: ops.add(product, ops.input('row', [4])) });
  unchanged(t, foldSumsIntoProducts, { y: ops.add(ops.input('many', [2, 6, 4]), product) });
  unchanged(t, foldSumsIntoProducts, { y: ops.add(product, c), z: ops.tanh(product) });
  const apart = ops.reshape(product, [24]);
  unchanged(t, foldSumsIntoProducts, { y: ops.add(apart, ops.input('v', [24])), z: ops.tanh(product) });
  unchanged(t, foldSumsIntoProducts, { y: ops.add(ops.gemm(a, b, ops.input('bias', [4])), c) });
});
