/** Graphs to ONNX and back, names, and the checks that ops make. */
import test from 'ava';
import { inferenceGraph } from '../../src/artifacts/graphs.ts';
import { grad } from '../../src/autodiff/grad.ts';
import { unordered } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { decodeModel } from '../../src/onnx/proto.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf, staticShape } from '../../src/onnx/shapes.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { finish } from '../../src/passes/finish.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { graphOf, run } from '../_run.ts';

const spec = imageSpec({
  dataset: 'cifar10',
  image: { channels: 3, height: 8, width: 8 },
  classes: 5,
  model: { kind: 'vit', patch: 4, width: 8, layers: 1, heads: 2 },
  microBatch: 2,
});
const graphs = imageGraphs(spec, 2);

test('a small network and its gradient, printed', (t) => {
  const [x, w] = [ops.input('x', [2, 3]), ops.input('fc/kernel', [3, 4])];
  const loss = ops.reduceSum(ops.tanh(ops.matmul(x, w)));
  const [gradient = loss] = grad(loss, [w]);
  const graph = finish(
    { name: 'net', inputs: [x, w], outputs: { loss, 'grad/fc/kernel': gradient } },
    { target: 'cpu' },
  );
  t.is(
    print(graph),
    `net(x: float32[2, 3], fc/kernel: float32[3, 4])
  fc/MatMul = MatMul(x, fc/kernel, transA=false, transB=false, alpha=1) : float32[2, 4]
  fc/Tanh = Tanh(fc/MatMul) : float32[2, 4]
  loss = ReduceSum(fc/Tanh, axes=[0,1], keepdims=false) : float32[]
  fc/Mul = Mul(fc/Tanh, fc/Tanh) : float32[2, 4]
  fc/Sub = Sub(1, fc/Mul) : float32[2, 4]
  grad/fc/kernel = MatMul(x, fc/Sub, transA=true, transB=false, alpha=1) : float32[3, 4]`,
  );
});

for (const name of ['loss-grad', 'gr-exact', 'hvp', 'evaluate', 'infer'] as const) {
  test(`what is written can be read: ${name}`, (t) => {
    const bytes = serialize(graphs.graph(name), { metadata: { classes: '["a"]' } });
    const { graph, metadata } = read(bytes);
    t.deepEqual(metadata, { classes: '["a"]' });
    t.is(
      print(graph).replaceAll(/const\/\S+/g, ''),
      print(unordered(graphs.graph(name))).replaceAll(/const\/\S+/g, ''),
    );
  });
}

test('a constant is stored once, and every input and output has its shape', (t) => {
  const { graph } = decodeModel(serialize(graphs.graph('gr-exact')));
  const contents = graph.initializer.map(
    ({ dims, dataType, rawData }) => `${dataType} ${dims} ${rawData.join()}`,
  );
  t.is(new Set(contents).size, contents.length);
  t.is(new Set(graph.initializer.map(({ name }) => name)).size, contents.length);
  const shape = (name: string) =>
    [...graph.input, ...graph.output]
      .find((each) => each.name === name)
      ?.type?.tensorType?.shape?.dim.map((d) => d.dimValue);
  t.deepEqual(shape('images'), [2, 3, 8, 8]);
  t.deepEqual(shape('grad/block0/mlp/fc1/kernel'), [8, 32]);
  t.deepEqual(shape('loss'), []);
});

test('nodes are named after the part of the model they belong to', (t) => {
  const names = decodeModel(serialize(graphs.graph('infer'))).graph.node.map(({ name }) => name);
  for (const name of ['embed/Gemm', 'block0/attn/query/Gemm', 'block0/mlp/fc1/Gemm', 'head/Gemm'])
    t.true(names.includes(name), name);
  t.is(new Set(names).size, names.length);
});

test('no node takes the name of an input or an output', async (t) => {
  const x = ops.input('Exp', [1]);
  const outputs = { Exp_1: ops.exp(x), y: ops.tanh(ops.exp(ops.neg(x))), same: x, again: ops.identity(x) };
  t.is(
    print(graphOf(outputs)),
    `test(Exp: float32[1])
  Exp_1 = Exp(Exp) : float32[1]
  Neg = Neg(Exp) : float32[1]
  Exp_3 = Exp(Neg) : float32[1]
  y = Tanh(Exp_3) : float32[1]
  again = Identity(Exp) : float32[1]`,
  );
  t.deepEqual(await run(outputs, { Exp: Float32Array.of(0) }), {
    Exp_1: Float32Array.of(1),
    y: Float32Array.of(Math.tanh(1)),
    same: Float32Array.of(0),
    again: Float32Array.of(0),
  });
});

test('two inputs, or an input and an output, of one name are refused', (t) => {
  const [x, other] = [ops.input('x', [1]), ops.input('x', [2])];
  const message = 'graph test: expected inputs and outputs of distinct names, got two "x"';
  t.throws(() => serialize(graphOf({ y: ops.add(x, other) })), { message });
  t.throws(() => serialize(graphOf({ x: ops.exp(x) })), { message });
});

test('weights inside, any batch size: images give the same logits alone and together', async (t) => {
  const inference = inferenceGraph(taskOf(spec));
  const weights = new Map(
    inference.inputs.slice(1).map((value): [string, Float32Array] => {
      const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
      return [
        name,
        Float32Array.from(
          { length: sizeOf(staticShape(value.shape)) },
          (_, i) => 0.3 * Math.sin(i + name.length),
        ),
      ];
    }),
  );
  const bytes = serialize(inference, { weights });
  t.deepEqual(
    decodeModel(bytes).graph.node.filter(({ domain }) => domain !== ''),
    [],
    'standard ONNX only',
  );
  const session = await createSession(bytes, { device: 'cpu', threads: 1 });
  t.deepEqual(session.inputs, ['images']);
  const images = Float32Array.from({ length: 5 * 192 }, (_, i) => Math.cos(i));
  const logits = async (from: number, to: number) => {
    const data = images.slice(from * 192, to * 192);
    const feed: Tensor = { dtype: 'float32', shape: [to - from, 3, 8, 8], data };
    return Array.from((await session.run({ images: feed })).logits?.data ?? [], Number);
  };
  const together = await logits(0, 5);
  const alone = (await Promise.all([0, 1, 2, 3, 4].map((i) => logits(i, i + 1)))).flat();
  t.is(together.length, 25);
  together.forEach((logit, i) => {
    t.true(Math.abs(logit - (alone[i] ?? Number.NaN)) < 1e-6);
  });
  await session.release();
});

test('a multiple of batch is carried through reshapes and products, and refused where it cannot be', (t) => {
  const x = ops.input('x', ['batch', 4, 6]);
  t.deepEqual(ops.reshape(x, ['4·batch', 6]).shape, ['4·batch', 6]);
  t.deepEqual(ops.matmul(x, ops.input('w', [6, 2])).shape, ['batch', 4, 2]);
  t.deepEqual(ops.reshape(ops.transpose(x, [0, 2, 1]), ['24·batch']).shape, ['24·batch']);
  t.throws(() => ops.reshape(x, [4, 6]), {
    message: 'Reshape: expected as many elements as [batch, 4, 6], got [4, 6]',
  });
  t.throws(() => ops.split(x, 0, [1, 1]), {
    message: 'Split: expected static dimensions, got [batch, 4, 6]',
  });
  t.throws(() => grad(ops.reduceSum(ops.reduceSum(x, { axes: [0] })), [x]), {
    message: 'reduction: expected static dimensions, got [batch, 4, 6]',
  });
});

const [a, b, labels] = [ops.input('a', [2, 3]), ops.input('b', [4, 5]), ops.input('labels', [2], 'int32')];
const WRONG: readonly [() => Value | readonly Value[], string][] = [
  [() => ops.add(a, b), 'Add: expected shapes that broadcast, got [2, 3] and [4, 5]'],
  [() => ops.mul(a, labels), 'Mul: expected shapes that broadcast, got [2, 3] and [2]'],
  [
    () => ops.add(ops.reduceSum(a), ops.reduceSum(ops.cast(labels, 'float32'), { axes: [5] })),
    'ReduceSum: expected an axis in [-1, 0], got 5',
  ],
  [() => ops.exp(labels), 'Exp: expected float32, got int32 [2]; cast() it first'],
  [() => ops.where(a, a, a), 'Where: expected a bool condition, got float32'],
  [
    () => ops.matmul(a, b),
    'MatMul: expected inner dimensions to agree, got [2, 3] and [4, 5] (transA false, transB false)',
  ],
  [
    () => ops.gemm(a, a, undefined, {}),
    'Gemm: expected inner dimensions to agree, got [2, 3] and [2, 3] (transA false, transB false)',
  ],
  [() => ops.gemm(a, a, b, { transB: true }), 'Gemm: expected shapes that broadcast, got [2, 2] and [4, 5]'],
  [() => ops.reshape(a, [5]), 'Reshape: expected as many elements as [2, 3], got [5]'],
  [() => ops.transpose(a, [0, 0]), 'Transpose: expected a permutation of the 2 axes, got [0, 0]'],
  [() => ops.expand(a, [3, 3]), 'Expand: expected shapes that broadcast, got [2, 3] and [3, 3]'],
  [() => ops.slice(a, 1, 2, 2), 'Slice: expected 0 ≤ start < end ≤ 3, got 2 and 2'],
  [() => ops.pad(a, 0, -1, 0), 'Pad: expected counts of 0 or more, got -1 and 0'],
  [
    () => ops.concat([a, b], 0),
    'Concat: expected one dtype and shapes that differ on axis 0 only, got float32 [2, 3] and float32 [4, 5]',
  ],
  [() => ops.split(a, 1, [1, 1]), 'Split: expected positive sizes that add up to 3, got [1, 1]'],
  [() => ops.split(a, 1, [4, -1]), 'Split: expected positive sizes that add up to 3, got [4, -1]'],
  [() => ops.gather(a, b), 'Gather: expected int32 or int64, got float32 [4, 5]; cast() it first'],
  [() => ops.gatherElements(a, labels, 0), 'GatherElements: expected indices of rank 2, got [2]'],
  [
    () => ops.gatherElements(a, ops.input('indices', [5, 2], 'int32'), 1),
    'GatherElements: expected indices no longer than the data on any axis but 1, got [5, 2] for [2, 3]',
  ],
  [
    () => ops.scatterElements(a, ops.cast(a, 'int32'), ops.reduceSum(a), 0),
    'ScatterElements: expected float32 updates of shape [2, 3], got float32 []',
  ],
  [() => ops.mul(labels, 0.5), 'scalar: expected an integer for int32, got 0.5'],
  [() => ops.add(1, 2), 'Add: expected a value and a value or number, got two numbers'],
  [
    () => ops.add(a, ops.cast(a, 'int32')),
    'Add: expected operands of one dtype, got float32 and int32; cast() one of them',
  ],
  [
    () => ops.add(ops.equal(a, a), ops.equal(a, a)),
    'Add: expected float32 or int32 or int64, got bool [2, 3]; cast() it first',
  ],
  [
    () => ops.where(ops.equal(a, a), a, labels),
    'Where: expected operands of one dtype, got float32 and int32; cast() one of them',
  ],
  [
    () => ops.gemm(a, ops.input('w', [3, 2]), labels),
    'Gemm: expected float32, got int32 [2]; cast() it first',
  ],
  [() => ops.matmul(a, ops.input('v', [3])), 'MatMul: expected rank 2 or more, got [3]'],
  [() => ops.transpose(a, [0]), 'Transpose: expected a permutation of the 2 axes, got [0]'],
  [() => ops.concat([], 0), 'Concat: expected at least one value, got none'],
  [() => ops.softmax(a, 2), 'Softmax: expected an axis in [-2, 1], got 2'],
  [() => ops.reduceSum(a, { axes: [1, -1] }), 'ReduceSum: expected distinct axes, got [1, -1]'],
  [
    () => ops.layerNormalization(a, ops.input('scale', [3], 'int32'), 1e-5),
    'LayerNormalization: expected float32, got int32 [3]; cast() it first',
  ],
  [() => ops.layerNormalization(a, b, 1e-5), 'LayerNormalization: expected a scale of shape [3], got [4, 5]'],
  [() => ops.constant(Float32Array.of(1), [2]), 'constant: expected 2 elements for shape [2], got 1'],
];

for (const [call, message] of WRONG) {
  test(`refused: ${message}`, (t) => {
    t.throws(call, { message });
  });
}

test('an attribute of 0 is in the file, not left to be taken for its default', (t) => {
  const x = ops.input('x', [2, 3]);
  const bytes = Buffer.from(serialize(graphOf({ y: ops.reduceSum(x, { axes: [1] }) })));
  // AttributeProto: name (field 1), i (3), type (20).
  const [i, type] = [
    [0x18, 0],
    [0xa0, 1, 2],
  ];
  t.true(bytes.includes(Buffer.from([...Buffer.from('keepdims'), ...(i ?? []), ...(type ?? [])])));
});
