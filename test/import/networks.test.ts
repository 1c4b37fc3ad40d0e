/** Whole networks: an imported file gives what ONNX Runtime gives for the file itself, and has right derivatives. */
import test from 'ava';
import { difference, feed, file, floats, info, ints, node, weight } from './_files.ts';

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

/** As torchvision's classifiers are exported: convolutions, batch normalization, a pool, shape arithmetic, a classifier. */
export const cnn = file({
  inputs: [info('image', ['N', 3, 8, 8])],
  initializers: [
    weight('conv.weight', 4, 3, 3, 3),
    weight('conv.bias', 4),
    floats('bn.weight', [4], [1, 0.5, 2, 1.5]),
    weight('bn.bias', 4),
    weight('bn.running_mean', 4),
    floats('bn.running_var', [4], [0.5, 1, 1.5, 2]),
    weight('down.weight', 8, 2, 3, 3),
    weight('fc.weight', 5, 8),
    weight('fc.bias', 5),
    ints('zero', 0),
    ints('minus', -1),
  ],
  nodes: [
    node('Conv', ['image', 'conv.weight', 'conv.bias'], 'c', { pads: [1, 1, 1, 1], strides: [1, 1] }),
    node('BatchNormalization', ['c', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'], 'n', {
      epsilon: { float: 1e-5 },
    }),
    node('Relu', ['n'], 'r'),
    node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
    node('Conv', ['p', 'down.weight'], 'd', { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }),
    node('Sigmoid', ['d'], 's'),
    node('Mul', ['d', 's'], 'm'),
    node('GlobalAveragePool', ['m'], 'g'),
    node('Shape', ['g'], 'shape'),
    node('Gather', ['shape', 'zero'], 'n0', { axis: 0 }),
    node('Concat', ['n0', 'minus'], 'target', { axis: 0 }),
    node('Reshape', ['g', 'target'], 'f'),
    node('Gemm', ['f', 'fc.weight', 'fc.bias'], 'y', { transB: 1 }),
  ],
  outputs: ['y'],
});

test('a convolutional network', async (t) => {
  const { worst, model } = await difference(cnn, { image: feed([2, 3, 8, 8]) });
  t.true(worst < 1e-5, `${worst}`);
  t.is(model.variables.find(({ path }) => path === 'bn.running_mean')?.role, 'state');
  t.is(model.variables.length, 9);
});
