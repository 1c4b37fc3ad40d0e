/** Earlier opsets: what stood in attributes, and what had other default values, gives what ONNX Runtime gives. */
import test from 'ava';
import type { TensorProto } from '../../src/onnx/proto.ts';
import { type Attribute, difference, feed, file, floats, info, ints, node, weight } from './_files.ts';

interface Case {
  readonly opset: number;
  readonly shape: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly initializers?: readonly TensorProto[];
}

/** By operator: x of `shape` goes in, y comes out. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  Clip: [
    { opset: 7, shape: [3, 4], attributes: { min: { float: -0.5 }, max: { float: 0.25 } } },
    { opset: 7, shape: [3, 4], attributes: { max: { float: 0.25 } } },
  ],
  Squeeze: [
    { opset: 11, shape: [2, 1, 3], attributes: { axes: [1] } },
    { opset: 11, shape: [2, 1, 3], attributes: { axes: [-2] } },
    { opset: 13, shape: [2, 1, 3], initializers: [ints('axes', 1)] },
  ],
  Unsqueeze: [
    { opset: 11, shape: [2, 3], attributes: { axes: [1, 3] } },
    { opset: 13, shape: [2, 3], initializers: [ints('axes', 1, -1)] },
  ],
  ReduceSum: [
    { opset: 11, shape: [2, 3, 4], attributes: { axes: [1], keepdims: 0 } },
    { opset: 13, shape: [2, 3, 4], initializers: [ints('axes', 1)] },
  ],
  ReduceMean: [
    { opset: 13, shape: [2, 3, 4], attributes: { axes: [1, 2], keepdims: 1 } },
    { opset: 18, shape: [2, 3, 4], initializers: [ints('axes', 2)], attributes: { keepdims: 0 } },
  ],
  ReduceMax: [{ opset: 12, shape: [2, 3, 4], attributes: { axes: [-1], keepdims: 0 } }],
  ReduceL2: [{ opset: 13, shape: [2, 3, 4], attributes: { axes: [1], keepdims: 0 } }],
  Slice: [
    { opset: 9, shape: [2, 5, 4], attributes: { starts: [1, -3], ends: [4, 9], axes: [1, 2] } },
    {
      opset: 10,
      shape: [2, 5],
      initializers: [ints('starts', -1), ints('ends', -9), ints('axes', 1), ints('steps', -2)],
    },
  ],
  Pad: [{ opset: 10, shape: [2, 3], attributes: { pads: [0, 1, 0, 2], value: { float: 0.5 } } }],
  Split: [{ opset: 11, shape: [2, 5], attributes: { axis: 1, split: [2, 3] } }],
  Upsample: [
    { opset: 7, shape: [2, 1, 2, 3], attributes: { mode: 'nearest', scales: [1, 1, 2.5, 2] } },
    {
      opset: 9,
      shape: [2, 1, 2, 3],
      attributes: { mode: 'linear' },
      initializers: [floats('scales', [4], [1, 1, 2, 3])],
    },
  ],
  Resize: [
    {
      opset: 10,
      shape: [2, 2, 2, 3],
      attributes: { mode: 'nearest' },
      initializers: [floats('scales', [4], [1, 1, 2, 2])],
    },
  ],
  Softmax: [
    { opset: 11, shape: [2, 3, 4] },
    { opset: 11, shape: [2, 3, 4], attributes: { axis: 2 } },
    { opset: 11, shape: [2, 3, 4], attributes: { axis: -1 } },
    { opset: 13, shape: [2, 3, 4], attributes: { axis: 1 } },
  ],
  LogSoftmax: [{ opset: 7, shape: [2, 3, 4], attributes: { axis: 1 } }],
  Dropout: [
    { opset: 7, shape: [2, 3], attributes: { ratio: { float: 0.5 } } },
    { opset: 13, shape: [2, 3], initializers: [floats('ratio', [], [0.5])] },
  ],
  BatchNormalization: [9, 14, 15].map((opset) => ({
    opset,
    shape: [2, 3, 4],
    initializers: [weight('scale', 3), weight('bias', 3), weight('mean', 3), floats('var', [3], [0.5, 1, 2])],
  })),
  TopK: [
    { opset: 9, shape: [2, 5], attributes: { axis: 1, k: 2 } },
    { opset: 11, shape: [2, 5], attributes: { axis: 1, largest: 0 }, initializers: [ints('k', 3)] },
  ],
  Gemm: [
    {
      opset: 7,
      shape: [2, 3],
      initializers: [weight('w', 3, 4), weight('c', 4)],
      attributes: { alpha: { float: 0.5 }, beta: { float: 2 } },
    },
    { opset: 11, shape: [2, 3], initializers: [weight('w', 4, 3)], attributes: { transB: 1 } },
    {
      opset: 13,
      shape: [2, 3],
      initializers: [weight('w', 4, 3), weight('c', 1, 4)],
      attributes: { transB: 1, beta: { float: 0.5 } },
    },
  ],
  Cast: [{ opset: 9, shape: [2, 3], attributes: { to: 1 } }],
  Flatten: [
    { opset: 9, shape: [2, 3, 4], attributes: { axis: 2 } },
    { opset: 11, shape: [2, 3, 4], attributes: { axis: -2 } },
  ],
};

for (const [op, cases] of Object.entries(CASES)) {
  test(`${op} of earlier opsets`, async (t) => {
    for (const { opset, shape, attributes = {}, initializers = [] } of cases) {
      const outputs = op === 'Split' ? ['y', 'z'] : op === 'TopK' ? ['y', 'i'] : ['y'];
      const bytes = file({
        opset,
        inputs: [info('x', ['N', ...shape.slice(1)])],
        initializers: [...initializers, floats('two', [], [2])],
        nodes: [
          node('Mul', ['x', 'two'], 'x2'),
          node(op, ['x2', ...initializers.map(({ name }) => name)], outputs, attributes),
        ],
        outputs: ['y'],
      });
      const { worst } = await difference(bytes, { x: feed(shape) });
      t.true(worst < 1e-5, `${op} ${opset}: ${worst}`);
    }
  });
}
