/** Whole networks: an imported file gives what ONNX Runtime gives for the file itself, and has right derivatives. */
import test from 'ava';
import { importModel } from '../../src/import/import-model.ts';
import { Scope } from '../../src/layers/scope.ts';
import { substitute } from '../../src/onnx/graph.ts';
import { constant } from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { cnn, difference, feed, file, floats, info, node, runFile, traced, weight } from './_files.ts';

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

/** Smooth, so that differences tell its derivatives. */
const smooth = file({
  inputs: [info('x', ['N', 2, 4, 4])],
  initializers: [
    weight('conv', 3, 2, 3, 3),
    weight('scale', 3),
    weight('bias', 3),
    weight('mean', 3),
    floats('var', [3], [0.5, 1, 1.5]),
    weight('depthwise', 3, 1, 2, 2),
    weight('fc', 2, 3),
  ],
  nodes: [
    node('Conv', ['x', 'conv'], 'c', { pads: [1, 1, 1, 1] }),
    node('BatchNormalization', ['c', 'scale', 'bias', 'mean', 'var'], 'n'),
    node('Sigmoid', ['n'], 's'),
    node('Mul', ['n', 's'], 'm'),
    node('Conv', ['m', 'depthwise'], 'd', { group: 3, strides: [2, 2] }),
    node('Tanh', ['d'], 't'),
    node('GlobalAveragePool', ['t'], 'g'),
    node('Flatten', ['g'], 'f'),
    node('Gemm', ['f', 'fc'], 'y', { transB: 1 }),
  ],
  outputs: ['y'],
});

for (const training of [false, true]) {
  const mode = training ? 'training, with statistics of the batch' : 'inference';
  test(`derivatives of order one and two by all weights and the input, in ${mode}`, async (t) => {
    const model = importModel(smooth);
    const trained = model.variables.filter(({ role }) => role === 'trainable');
    t.is(trained.length, 5);
    const f = (x: Value, ...weights: readonly Value[]): Value => {
      const scope = new Scope({ training });
      const { y = x } = model.predict(scope, { x });
      const by = new Map(
        scope.variables.map(({ path, shape, value }): [Value, Value] => {
          const at = trained.findIndex((each) => each.path === path);
          // The running statistics are what the file says.
          return [value, weights[at] ?? constant(model.weights().get(path) ?? new Float32Array(), shape)];
        }),
      );
      return substitute([y], by)[0] ?? y;
    };
    await expectDerivatives(t, [{ shapes: [[3, 2, 4, 4], ...trained.map(({ shape }) => shape)], f }]);
  });
}

test('training moves the running statistics as PyTorch does', async (t) => {
  const model = importModel(smooth);
  const { scope } = traced(model, 3, true);
  t.deepEqual([...scope.nextState.keys()], ['mean', 'var']);
  t.true(scope.examplesAreCoupled);
  const next = Object.fromEntries([...scope.nextState].map(([path, value]) => [`next/${path}`, value]));
  const image = feed([3, 2, 4, 4]);
  const found = await run(next, { ...Object.fromEntries(model.weights()), x: image.data });
  const c = await runFile(
    file({
      inputs: [info('x', ['N', 2, 4, 4])],
      initializers: [weight('conv', 3, 2, 3, 3)],
      nodes: [node('Conv', ['x', 'conv'], 'c', { pads: [1, 1, 1, 1] })],
      outputs: ['c'],
    }),
    { x: image },
  );
  const before = model.weights().get('mean') ?? new Float32Array();
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 16; k++) sum += c.c?.[(i * 3 + channel) * 16 + k] ?? Number.NaN;
    }
    const expected = 0.9 * (before[channel] ?? 0) + (0.1 * sum) / 48;
    t.true(Math.abs((found['next/mean']?.[channel] ?? 0) - expected) < 1e-5);
  }
});
