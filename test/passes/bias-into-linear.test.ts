import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { foldBiasIntoLinear } from '../../src/passes/bias-into-linear.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [a, b, row] = [ops.input('a', [6, 3]), ops.input('b', [3, 4]), ops.input('row', [4])];
const product = ops.gemm(a, b, undefined, { alpha: 2 });

test('a row that is added to a product becomes its bias, on either side and behind a Reshape', async (t) => {
  for (const y of [
    ops.add(product, row),
    ops.add(row, product),
    ops.add(ops.reshape(product, [2, 3, 4]), row),
  ]) {
    const text = printAfter(foldBiasIntoLinear, { y });
    t.regex(text, /= Gemm\(a, b, row, transA=false, transB=false, alpha=2, beta=1\)/);
    t.false(text.includes('Add'), text);
    await sameResults(t, foldBiasIntoLinear, { y });
  }
});

test('other summands, products that others need or that have a bias, and other columns stay', (t) => {
  unchanged(t, foldBiasIntoLinear, { y: ops.add(product, ops.input('column', [6, 1])) });
  unchanged(t, foldBiasIntoLinear, { y: ops.add(product, row), z: ops.tanh(product) });
  unchanged(t, foldBiasIntoLinear, { y: ops.add(ops.gemm(a, b, ops.input('bias', [4])), row) });
  const whole = ops.reshape(product, [3, 8]);
  unchanged(t, foldBiasIntoLinear, { y: ops.add(whole, ops.input('wide', [8])) });
  unchanged(t, foldBiasIntoLinear, {
    y: ops.add(ops.reshape(product, [2, 3, 4]), row),
    z: ops.tanh(product),
  });
});
