/** Graphs to ONNX and back, names, and the checks that ops make. */
import test from 'ava';
import { buildGraphs, buildInference } from '../../src/artifacts/build.ts';
import { parseSpec } from '../../src/artifacts/spec.ts';
import { grad } from '../../src/autodiff/grad.ts';
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
import { graphOf } from '../_run.ts';

const spec = parseSpec(
  {
    dataset: 'cifar10',
    image: { channels: 3, height: 8, width: 8 },
    classes: 5,
    model: { kind: 'vit', patch: 4, width: 8, layers: 1, heads: 2 },
    microBatch: 2,
  },
  'test',
);
const { graphs } = buildGraphs(spec, 2);

test('a small network and its gradient, printed', (t) => {
  const [x, w] = [ops.input('x', [2, 3]), ops.input('fc/kernel', [3, 4])];
  const loss = ops.reduceSum(ops.tanh(ops.matmul(x, w)));
  const [gradient = loss] = grad(loss, [w]);
  const graph = finish({ name: 'net', inputs: [x, w], outputs: { loss, 'grad/fc/kernel': gradient } }, 'cpu');
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

for (const name of ['loss-grad', 'gr-exact', 'hvp', 'infer'] as const) {
  test(`what is written can be read: ${name}`, (t) => {
    const bytes = serialize(graphs[name], { metadata: { classes: '["a"]' } });
    const { graph, metadata } = read(bytes);
    t.deepEqual(metadata, { classes: '["a"]' });
    t.is(print(graph).replaceAll(/const\/\S+/g, ''), print(graphs[name]).replaceAll(/const\/\S+/g, ''));
  });
}

test('a constant is stored once, and every input and output has its shape', (t) => {
  const { graph } = decodeModel(serialize(graphs['gr-exact']));
  const contents = graph.initializer.map(
    ({ dims, dataType, rawData }) => `${dataType} ${dims} ${rawData.join()}`,
  );
  t.is(new Set(contents).size, contents.length);
  t.is(new Set(graph.initializer.map(({ name }) => name)).size, contents.length);
  const shape = (name: string) =>
    [...graph.input, ...graph.output]
      .find((each) => each.name === name)
      ?.type.tensorType.shape.dim.map((d) => d.dimValue);
  t.deepEqual(shape('images'), [2, 3, 8, 8]);
  t.deepEqual(shape('grad/block0/mlp/fc1/kernel'), [8, 32]);
  t.deepEqual(shape('loss'), []);
});

test('nodes are named after the part of the model they belong to', (t) => {
  const names = decodeModel(serialize(graphs.infer)).graph.node.map(({ name }) => name);
  for (const name of ['embed/Gemm', 'block0/attn/query/Gemm', 'block0/mlp/fc1/Gemm', 'head/Gemm'])
    t.true(names.includes(name), name);
  t.is(new Set(names).size, names.length);
});

test('weights inside, any batch size: images give the same logits alone and together', async (t) => {
  const inference = buildInference(spec);
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
  const run = async (from: number, to: number) => {
    const data = images.slice(from * 192, to * 192);
    const feed: Tensor = { dtype: 'float32', shape: [to - from, 3, 8, 8], data };
    return Array.from((await session.run({ images: feed })).logits?.data ?? [], Number);
  };
  const together = await run(0, 5);
  const alone = (await Promise.all([0, 1, 2, 3, 4].map((i) => run(i, i + 1)))).flat();
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
  [() => ops.exp(labels), 'Exp: expected float32, got int32 [2]'],
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
  [() => ops.transpose(a, [0, 0]), 'Transpose: expected distinct axes, got [0, 0]'],
  [() => ops.expand(a, [3, 3]), 'Expand: expected shapes that broadcast, got [2, 3] and [3, 3]'],
  [() => ops.slice(a, 1, 2, 2), 'Slice: expected 0 ≤ start < end ≤ 3, got 2 and 2'],
  [() => ops.pad(a, 0, -1, 0), 'Pad: expected counts of 0 or more, got -1 and 0'],
  [
    () => ops.concat([a, b], 0),
    'Concat: expected one dtype and shapes that differ on axis 0 only, got float32 [2, 3] and float32 [4, 5]',
  ],
  [() => ops.split(a, 1, [1, 1]), 'Split: expected sizes that add up to 3, got [1, 1]'],
  [() => ops.gather(a, b), 'Gather: expected int32 or int64 indices, got float32'],
  [() => ops.gatherElements(a, labels, 0), 'GatherElements: expected indices of rank 2, got [2]'],
  [() => ops.layerNormalization(a, b, 1e-5), 'LayerNormalization: expected a scale of shape [3], got [4, 5]'],
  [() => ops.constant(Float32Array.of(1), [2]), 'constant: expected 2 elements for shape [2], got 1'],
];

for (const [call, message] of WRONG) {
  test(`refused: ${message}`, (t) => {
    t.throws(call, { message });
  });
}

test('what is no ONNX file of ours is refused with a reason', (t) => {
  const bytes = serialize(graphs.infer);
  t.throws(() => read(Uint8Array.of(1, 2, 3)));
  t.throws(() => read(bytes.subarray(0, bytes.length / 2)));
  const x = ops.input('x', [2]);
  t.throws(() => grad(ops.exp(x), [x]), { message: 'grad: expected a scalar, got shape [2]' });
  t.notThrows(() => read(serialize(graphOf({ y: ops.exp(x) }))));
});
