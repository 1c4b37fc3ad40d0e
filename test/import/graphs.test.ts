/** Graphs as exporters write them: functions, branches, shape arithmetic, several encodings of tensors, fixed batches. */
import test from 'ava';
import { exportTrained } from '../../src/import/export.ts';
import { importModel } from '../../src/import/import-model.ts';
import { inspectModel } from '../../src/import/inspect.ts';
import type { TensorProto } from '../../src/onnx/proto.ts';
import {
  cnn,
  difference,
  ELEMENTS,
  feed,
  file,
  floats,
  graphProto,
  info,
  ints,
  node,
  tensor,
  traced,
  weight,
} from './_files.ts';

const x = info('x', ['N', 4]);

test('functions of the file, one within the other, with attributes and optional inputs', async (t) => {
  const opsetImport = [
    { domain: '', version: 18 },
    { domain: 'own', version: 1 },
  ];
  const scaled = { ...node('Mul', ['a', 'k'], 'b') };
  const bytes = file({
    inputs: [x],
    initializers: [weight('w', 4, 3)],
    nodes: [
      node('own.twice', ['x', 'w'], 'h', { alpha: { float: 0.25 } }),
      node('own.twice', ['h'], 'y', { alpha: { float: 0.5 } }),
    ],
    outputs: ['y'],
    opsets: [{ domain: 'own', version: 1 }],
    functions: [
      {
        ...{
          name: 'twice',
          domain: 'own',
          input: ['a', 'm'],
          output: ['c'],
          attribute: ['alpha'],
          attributeProto: [],
          opsetImport,
        },
        node: [
          node('own.scaled', ['a'], 'b'),
          { ...node('LeakyRelu', ['b'], 'c'), attribute: [{ name: 'alpha', type: 1, refAttrName: 'alpha' }] },
        ],
      },
      {
        ...{
          name: 'scaled',
          domain: 'own',
          input: ['a'],
          output: ['b'],
          attribute: [],
          attributeProto: [],
          opsetImport,
        },
        node: [node('Constant', [], 'k', { value_float: { float: 3 } }), scaled],
      },
    ],
  });
  t.true((await difference(bytes, { x: feed([2, 4]) })).worst < 1e-6);
});

test('an If on a shape is its branch, with the branch’s own weights', async (t) => {
  const branch = (name: string, op: string) =>
    graphProto({
      inputs: [],
      initializers: [weight(`w${name}`, 4, 2)],
      nodes: [node('MatMul', ['h', `w${name}`], 'm'), node(op, ['m'], 'r')],
      outputs: [info('r', undefined)],
    });
  const bytes = file({
    inputs: [x],
    initializers: [ints('four', 4), ints('one', 1)],
    nodes: [
      node('Neg', ['x'], 'h'),
      node('Shape', ['h'], 's'),
      node('Gather', ['s', 'one'], 'width'),
      node('Equal', ['width', 'four'], 'isFour'),
      node('If', ['isFour'], 'y', {
        then_branch: branch('Then', 'Tanh'),
        else_branch: branch('Else', 'Exp'),
      }),
    ],
    outputs: ['y'],
  });
  const { worst, model } = await difference(bytes, { x: feed([2, 4]) });
  t.true(worst < 1e-6);
  t.deepEqual(
    model.variables.map(({ path }) => path),
    ['If_of_y/wThen'],
  );
  const values = new Map([['If_of_y/wThen', Float32Array.of(1, -2, 0.5, 1, 0, 3, -1, 0.25)]]);
  const trained = exportTrained(model.source, { values, adapters: [] });
  const found = importModel(trained).weights().get('If_of_y/wThen');
  t.deepEqual(found, values.get('If_of_y/wThen'));
  t.true((await difference(trained, { x: feed([2, 4]) })).worst < 1e-6);
});

const lists: Readonly<Record<string, TensorProto>> = {
  float: { ...floats('w', [4, 1], []), floatData: [new Uint8Array(Float32Array.of(1, -2, 3, -4).buffer)] },
  double: {
    ...floats('w', [4, 1], []),
    dataType: 11,
    doubleData: [new Uint8Array(Float64Array.of(1, -2, 3, -4).buffer)],
  },
  half: tensor('w', [4, 1], Uint16Array.of(0x3c00, 0xc000, 0x4200, 0xc400)),
  'half, as bits in a list': {
    ...floats('w', [4, 1], []),
    dataType: 10,
    int32Data: [Uint8Array.of(0x80, 0x78, 0x80, 0x80, 0x03, 0x80, 0x84, 0x01, 0x80, 0x88, 0x03)],
  },
  bfloat16: tensor('w', [4, 1], Uint16Array.of(0x3f80, 0xc000, 0x4040, 0xc080), 16),
};

for (const [what, w] of Object.entries(lists)) {
  test(`weights of type ${what}`, (t) => {
    const model = importModel(
      file({ inputs: [x], initializers: [w], nodes: [node('MatMul', ['x', 'w'], 'y')], outputs: ['y'] }),
    );
    t.deepEqual([...(model.weights().get('w') ?? [])], [1, -2, 3, -4]);
    t.is(model.notes.length, what === 'float' ? 0 : 1);
  });
}

test('weights in another file', (t) => {
  const w = { ...floats('w', [4, 1], []), dataLocation: 1 };
  const externalData = Object.entries({ location: 'w.bin', offset: '8', length: '16' }).map(
    ([key, value]) => ({ key, value }),
  );
  const bytes = file({
    inputs: [x],
    initializers: [{ ...w, externalData }],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    outputs: ['y'],
  });
  const disk = new Uint8Array(Float32Array.of(0, 0, 1, 2, 3, 4).buffer);
  const asked: unknown[] = [];
  const external = (location: string, offset: number, length: number) => {
    asked.push([location, offset, length]);
    return disk.subarray(offset, offset + length);
  };
  t.deepEqual([...(importModel(bytes, { external }).weights().get('w') ?? [])], [1, 2, 3, 4]);
  t.deepEqual(asked, [['w.bin', 8, 16]]);
});

test('a slice up to a billion is one of all examples', async (t) => {
  const bytes = file({
    inputs: [x],
    initializers: [ints('from', 0, 1), ints('to', 1e9, 3), weight('w', 2, 3)],
    nodes: [node('Slice', ['x', 'from', 'to'], 's'), node('MatMul', ['s', 'w'], 'y')],
    outputs: ['y'],
  });
  t.true((await difference(bytes, { x: feed([2, 4]) })).worst < 1e-6);
});

test('a file for one example is read as for any number of them', async (t) => {
  const bytes = file({
    inputs: [info('x', [1, 4, 2])],
    initializers: [weight('token', 1, 1, 2), weight('w', 10, 3), ints('flat', 1, -1), ints('heads', 4, 2)],
    nodes: [
      node('Concat', ['token', 'x'], 'all', { axis: 1 }),
      node('Reshape', ['all', 'flat'], 'f'),
      node('MatMul', ['f', 'w'], 'y'),
    ],
    outputs: ['y'],
  });
  const { worst, model } = await difference(bytes, { x: feed([1, 4, 2]) });
  t.true(worst < 1e-6);
  t.deepEqual(model.notes, [
    'the file is for batches of 1, and is read as for any; 1 reshapes that name it mean any batch',
  ]);
  t.deepEqual(traced(model, 5).outputs.y?.shape, [5, 3]);
});

test('shape arithmetic around a split into heads', async (t) => {
  const bytes = file({
    opset: 12,
    inputs: [info('x', ['N', 'T', 8])],
    initializers: [weight('w', 8, 8), ints('zero', 0), ints('one', 1), ints('two', 2), ints('heads', 2)],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('Shape', ['h'], 's'),
      node('Gather', ['s', 'zero'], 'n'),
      node('Slice', ['s', 'one', 'two'], 't'),
      node('Gather', ['s', 'two'], 'c'),
      node('Div', ['c', 'heads'], 'each'),
      node('Concat', ['n', 't', 'heads', 'each'], 'split', { axis: 0 }),
      node('Reshape', ['h', 'split'], 'r'),
      node('Transpose', ['r'], 'p', { perm: [0, 2, 1, 3] }),
      node('Transpose', ['p'], 'q', { perm: [0, 1, 3, 2] }),
      node('MatMul', ['p', 'q'], 'scores'),
      node('Cast', ['each'], 'e', { to: 1 }),
      node('Sqrt', ['e'], 'root'),
      node('Div', ['scores', 'root'], 'scaled'),
      node('Softmax', ['scaled'], 'y', { axis: 3 }),
    ],
    outputs: ['y'],
  });
  t.true((await difference(bytes, { x: feed([2, 5, 8]) }, { dims: { T: 5 } })).worst < 1e-6);
});

test('what a file holds, as data', (t) => {
  const { operators, training, ...rest } = inspectModel(cnn, { trainable: /^fc/ });
  t.deepEqual(rest, {
    producer: 'test 1',
    opsets: { 'ai.onnx': 18 },
    inputs: { image: 'float [N, 3, 8, 8]' },
    outputs: { y: 'float of unknown rank' },
    nodes: 13,
    openSizes: [],
    problem: undefined,
  });
  t.deepEqual(operators[0], { name: 'Conv', count: 2, differentiable: true });
  t.is(training?.trainable, 45);
  t.deepEqual(training?.trunk, { nodes: 12, features: ['f'] });
  const open = inspectModel(
    file({
      inputs: [info('ids', ['N', 'T'], ELEMENTS.int64)],
      nodes: [node('my.Op', ['ids'], 'y')],
      outputs: ['y'],
    }),
  );
  t.deepEqual(open.openSizes, ['T']);
  t.regex(open.problem ?? '', /^import: expected sizes for T/);
  t.deepEqual(open.operators, [{ name: 'my.Op', count: 1, differentiable: false }]);
});
