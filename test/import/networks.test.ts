/** Whole networks: an imported file gives what ONNX Runtime gives for the file itself, and has right derivatives. */
import test from 'ava';
import { cnn, difference, feed, file, info, node, weight } from './_files.ts';

const mlp = file({
  inputs: [info('x', ['N', 4])],
  initializers: [weight('a.weight', 6, 4), weight('a.bias', 6), weight('b', 6, 3)],
  nodes: [
    node('Gemm', ['x', 'a.weight', 'a.bias'], 'h', { transB: 1 }),
    node('Tanh', ['h'], 't'),
    node('MatMul', ['t', 'b'], 'y'),
  ],
  outputs: ['y'],
});

test('a perceptron', async (t) => {
  const { worst, model } = await difference(mlp, { x: feed([3, 4]) });
  t.true(worst < 1e-6, `${worst}`);
  t.deepEqual(model.inputs, { x: { dtype: 'float32', shape: [4] } });
  t.deepEqual(
    model.variables.map(({ path, shape, role, decays }) => [path, shape, role, decays]),
    [
      ['a.weight', [6, 4], 'trainable', true],
      ['a.bias', [6], 'trainable', false],
      ['b', [6, 3], 'trainable', true],
    ],
  );
});

test('a convolutional network', async (t) => {
  const { worst, model } = await difference(cnn, { image: feed([2, 3, 8, 8]) });
  t.true(worst < 1e-5, `${worst}`);
  t.is(model.variables.find(({ path }) => path === 'bn.running_mean')?.role, 'state');
  t.is(model.variables.length, 9);
});
