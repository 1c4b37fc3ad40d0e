import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { multiplyEarlyFactorsFirst } from '../../src/passes/early-factors.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const [x, w] = [ops.input('x', [2, 3]), ops.input('w', [2, 3])];
const late = ops.exp(ops.exp(ops.exp(w)));

test('the factors that are there first are multiplied first', async (t) => {
  const graph = { y: ops.mul(ops.tanh(x), ops.mul(late, ops.exp(x))) };
  t.is(
    printAfter(multiplyEarlyFactorsFirst, graph),
    `test(x: float32[2, 3], w: float32[2, 3])
  Exp = Exp(w) : float32[2, 3]
  Exp_1 = Exp(Exp) : float32[2, 3]
  Exp_2 = Exp(Exp_1) : float32[2, 3]
  Tanh = Tanh(x) : float32[2, 3]
  Exp_3 = Exp(x) : float32[2, 3]
  Mul = Mul(Tanh, Exp_3) : float32[2, 3]
  y = Mul(Exp_2, Mul) : float32[2, 3]`,
  );
  await sameResults(t, multiplyEarlyFactorsFirst, graph);
});

test('whichever way the product is written, and in longer ones', async (t) => {
  const inner = ops.mul(ops.exp(x), late);
  await sameResults(t, multiplyEarlyFactorsFirst, { y: ops.mul(inner, x) });
  await sameResults(t, multiplyEarlyFactorsFirst, {
    y: ops.mul(ops.tanh(x), ops.mul(x, ops.mul(late, ops.exp(x)))),
  });
});

test('a product that is used elsewhere too, or begins with what is there first, stays', (t) => {
  const shared = ops.mul(late, ops.exp(x));
  unchanged(t, multiplyEarlyFactorsFirst, { y: ops.mul(ops.tanh(x), shared), z: ops.neg(shared) });
  unchanged(t, multiplyEarlyFactorsFirst, { y: ops.mul(ops.tanh(x), shared), shared });
  unchanged(t, multiplyEarlyFactorsFirst, { y: ops.mul(late, ops.mul(ops.tanh(x), ops.exp(x))) });
});

test('small factors are not spread over the large ones before they have to be', (t) => {
  const row = ops.exp(ops.input('row', [1, 3]));
  unchanged(t, multiplyEarlyFactorsFirst, { y: ops.mul(x, ops.mul(late, row)) });
});
