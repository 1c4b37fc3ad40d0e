/** What nothing trained feeds: it stays in a file of its own, verbatim, whatever it is. */
import test from 'ava';
import { importModel } from '../../src/import/import-model.ts';
import { decodeModel } from '../../src/onnx/proto.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import {
  cnn,
  ELEMENTS,
  type Feeds,
  feed,
  file,
  floats,
  graphProto,
  info,
  ints,
  node,
  runFile,
  runImported,
  tensor,
  weight,
} from './_files.ts';

/** The model's fields, of which some are what its trunk gives for these feeds. */
async function throughTrunk(model: ReturnType<typeof importModel>, feeds: Feeds): Promise<Feeds> {
  if (!model.trunk) return feeds;
  const batch = Object.values(feeds)[0]?.shape[0] ?? 1;
  const given = await runFile(model.trunk.bytes(), feeds);
  const features = Object.entries(model.trunk.features).map(([name, { dtype, shape }]): [string, Tensor] => [
    name,
    {
      dtype,
      shape: [batch, ...shape],
      data: dtype === 'bool' ? Uint8Array.from(given[name] ?? []) : (given[name] ?? new Float32Array()),
    },
  ]);
  const own = Object.entries(feeds).filter(([name]) => name in model.inputs);
  return Object.fromEntries([...own, ...features]);
}

async function worstOf(
  bytes: Uint8Array,
  feeds: Feeds,
  model: ReturnType<typeof importModel>,
): Promise<number> {
  const expected = await runFile(bytes, feeds);
  const found = await runImported(model, await throughTrunk(model, feeds));
  const gaps = Object.entries(expected).flatMap(([name, values]) =>
    Array.from(values, (value, i) => Math.abs(value - (found[name]?.[i] ?? Number.NaN))),
  );
  return gaps.reduce((worst, gap) => (gap <= worst ? worst : gap), 0);
}

test('the frozen part of a convolutional network', async (t) => {
  const model = importModel(cnn, { trainable: /^fc/ });
  t.deepEqual(model.inputs, { f: { dtype: 'float32', shape: [8] } });
  t.deepEqual(model.trunk?.inputs, { image: { dtype: 'float32', shape: [3, 8, 8] } });
  t.is(model.trunk?.batch, undefined);
  t.deepEqual(
    model.variables.map(({ path, role }) => [path, role]),
    [
      ['fc.weight', 'trainable'],
      ['fc.bias', 'trainable'],
    ],
  );
  const kept = decodeModel(model.trunk?.bytes() ?? new Uint8Array());
  t.deepEqual(
    kept.graph.node.map(({ opType }) => opType),
    'Conv BatchNormalization Relu MaxPool Conv Sigmoid Mul GlobalAveragePool Shape Gather Concat Reshape'.split(
      ' ',
    ),
  );
  t.false(kept.graph.initializer.some(({ name }) => name.startsWith('fc')));
  t.true((await worstOf(cnn, { image: feed([2, 3, 8, 8]) }, model)) < 1e-5);
});

test('there is no trunk where the first layer trains, or nothing stands before what trains', (t) => {
  t.is(importModel(cnn).trunk, undefined);
  t.is(importModel(cnn, { trainable: /^conv/ }).trunk, undefined);
  const scaled = file({
    inputs: [info('x', ['N', 4])],
    initializers: [floats('half', [], [0.5]), weight('w', 4, 2)],
    nodes: [node('Mul', ['x', 'half'], 's'), node('MatMul', ['s', 'w'], 'y')],
    outputs: ['y'],
  });
  t.is(importModel(scaled, { trainable: /^w/ }).trunk, undefined);
});

test('a frozen bottom batch normalization keeps its statistics, a training one moves them', (t) => {
  const roles = (trainable: RegExp, frozen?: RegExp) =>
    importModel(cnn, { trainable, frozen }).variables.find(({ path }) => path === 'bn.running_var')?.role;
  t.is(roles(/^(conv|bn)/), 'state');
  t.is(roles(/^conv/), 'frozen');
  t.is(roles(/^(conv|bn)/, /running/), 'frozen');
});

/** Quantized weights and control flow, in front of a classifier. */
const odd = file({
  opset: 17,
  inputs: [info('x', ['N', 3])],
  initializers: [
    tensor('q', [3, 4], Int8Array.of(10, -20, 30, -40, 50, -60, 70, -80, 90, -100, 110, -120)),
    floats('scale', [], [0.01]),
    tensor('zero', [], Int8Array.of(0)),
    weight('fc', 4, 2),
    floats('limit', [], [0]),
  ],
  nodes: [
    node('DequantizeLinear', ['q', 'scale', 'zero'], 'w'),
    node('MatMul', ['x', 'w'], 'h'),
    node('ReduceSum', ['x'], 'sum', { keepdims: 0 }),
    node('Greater', ['sum', 'limit'], 'isMore'),
    node('If', ['isMore'], 'f', {
      then_branch: graphProto({
        inputs: [],
        nodes: [node('Neg', ['h'], 'a')],
        outputs: [info('a', ['N', 4])],
      }),
      else_branch: graphProto({
        inputs: [],
        nodes: [node('Abs', ['h'], 'b')],
        outputs: [info('b', ['N', 4])],
      }),
    }),
    node('MatMul', ['f', 'fc'], 'y'),
  ],
  outputs: ['y'],
  valueInfo: [info('f', ['N', 4])],
});

test('quantized weights and an If before what trains', async (t) => {
  const model = importModel(odd, { trainable: 'fc' });
  t.deepEqual(model.inputs, { f: { dtype: 'float32', shape: [4] } });
  for (const sign of [1, -1]) {
    const x = feed(
      [2, 3],
      Float32Array.from([1, 2, 3, 4, 5, 6], (value) => sign * value),
    );
    t.true((await worstOf(odd, { x }, model)) < 1e-5);
  }
});

test('one line lists what stands in the way, and what avoids it', (t) => {
  const stuck = file({
    inputs: [info('x', ['N', 3])],
    initializers: [weight('a', 3, 4), weight('b', 4, 4), ints('k', 1)],
    nodes: [
      node('MatMul', ['x', 'a'], 'h'),
      node('my.Secret', ['h'], 's'),
      node('Det', ['s'], 'd'),
      node('MatMul', ['h', 'b'], 'y'),
      node('Add', ['y', 's'], 'z'),
    ],
    outputs: ['z', 'd'],
    opsets: [{ domain: 'my', version: 1 }],
  });
  t.throws(() => importModel(stuck, { outputs: ['z'] }), {
    name: 'UserError',
    message:
      'import: node my.Secret_of_s (my.Secret): it has no derivative here; freezing the 1 weights upstream of it avoids this, and leaves 1 to train: trainable: /^b/',
  });
  t.throws(() => importModel(stuck, { outputs: ['d'] }), {
    message:
      /all 1 weights that train are upstream of it, so .*; what comes before can be trained for: outputs: \["h"\]$/,
  });
});

test('a pattern that finds nothing, and an output that is none', (t) => {
  t.throws(() => importModel(cnn, { trainable: /^head/ }), {
    message:
      /^import: trainable: none of the 9 weights matches \/\^head\/; they are conv\.weight, conv\.bias, /,
  });
  t.throws(() => importModel(cnn, { outputs: ['logits'] }), {
    message: 'import: outputs: expected some of y, got logits',
  });
});

test('sizes that the file leaves open', (t) => {
  const open = file({
    inputs: [info('ids', ['N', 'sequence'], ELEMENTS.int64), info('mask', ['N', 'sequence'])],
    initializers: [weight('table', 10, 4)],
    nodes: [
      node('Gather', ['table', 'ids'], 'e'),
      node('Unsqueeze', ['mask', 'last'], 'm'),
      node('Mul', ['e', 'm'], 'y'),
      node('Constant', [], 'last', { value_ints: [-1] }),
    ],
    outputs: ['y'],
  });
  t.throws(() => importModel(open), {
    message:
      'import: expected sizes for sequence, which the file leaves open; graphs for training are static: give dims, for example { "sequence": 128 }',
  });
  t.deepEqual(importModel(open, { dims: { sequence: 6 } }).inputs, {
    ids: { dtype: 'int64', shape: [6] },
    mask: { dtype: 'float32', shape: [6] },
  });
  // As Paddle writes sizes that it does not know: each may be another.
  const unnamed = file({
    inputs: [info('x', [-1, 3, '?', '?'])],
    initializers: [weight('w', 2, 3, 1, 1)],
    nodes: [node('Conv', ['x', 'w'], 'y')],
    outputs: ['y'],
  });
  t.throws(() => importModel(unnamed), { message: /expected sizes for x\[2\], x\[3\], which the file/ });
  t.deepEqual(importModel(unnamed, { dims: { 'x[2]': 4, 'x[3]': 5 } }).inputs, {
    x: { dtype: 'float32', shape: [3, 4, 5] },
  });
});

/** As a detector of speech is exported: a rate that chooses the branch, and a state whose second axis is the batch. */
const stateful = file({
  opset: 16,
  inputs: [info('x', ['N', 3]), info('rate', [], ELEMENTS.int64), info('state', [2, 'N', 4])],
  initializers: [
    ...[tensor('high', [], BigInt64Array.of(16_000n)), ints('zero', 0)],
    ...[weight('enc', 3, 3), weight('w', 1, 16, 3), weight('r', 1, 16, 4)],
    ...[weight('fc', 4, 2), weight('other', 3, 4)],
  ],
  nodes: [
    node('Equal', ['rate', 'high'], 'isHigh'),
    node('If', ['isHigh'], 'f', {
      then_branch: graphProto({
        inputs: [],
        nodes: [
          node('MatMul', ['x', 'enc'], 'e'),
          node('Unsqueeze', ['e', 'zero'], 'steps'),
          node('Split', ['state'], ['h', 'c'], { axis: 0 }),
          node('LSTM', ['steps', 'w', 'r', '', '', 'h', 'c'], ['all', 'last'], { hidden_size: 4 }),
          node('Squeeze', ['last', 'zero'], 'a'),
        ],
        outputs: [info('a', ['N', 4])],
      }),
      else_branch: graphProto({
        inputs: [],
        nodes: [node('MatMul', ['x', 'other'], 'b')],
        outputs: [info('b', ['N', 4])],
      }),
    }),
    node('MatMul', ['f', 'fc'], 'y'),
  ],
  outputs: ['y'],
});

test('inputs that are always the same number choose a branch, all of which then trains', async (t) => {
  t.throws(() => importModel(stateful, { fix: { state: 0 } }), {
    message: /^import: input rate: expected the batch as its first axis, got one int64; .* give fix/,
  });
  t.throws(() => importModel(stateful, { fix: { speed: 1 } }), {
    message: 'import: fix: expected some of the inputs x, rate, state, not all, got speed',
  });
  const x = feed([2, 3]);
  const expected = await runFile(stateful, {
    ...{ x, rate: { ...feed([], BigInt64Array.of(16_000n)), shape: [] } },
    state: feed([2, 2, 4], new Float32Array(16).fill(0.25)),
  });
  for (const [trainable, paths] of [
    [/./, ['enc', 'fc', 'r', 'w']],
    // The batch of what the LSTM takes is on the second axis, where no feature has it.
    [/^(fc|r|w)$/, ['fc', 'r', 'w']],
    [/^fc/, ['fc']],
  ] as const) {
    const model = importModel(stateful, { fix: { rate: 16_000, state: 0.25 }, trainable });
    t.deepEqual(model.variables.map(({ path }) => path).sort(), paths);
    const found = await runImported(model, await throughTrunk(model, { x }));
    t.deepEqual(found.y?.length, 4);
    expected.y?.forEach((value, i) => {
      t.true(Math.abs(value - (found.y?.[i] ?? Number.NaN)) < 1e-6);
    });
  }
});
