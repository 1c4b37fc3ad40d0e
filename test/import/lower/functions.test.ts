import test from 'ava';
import { floats, ints, tensor } from '../_files.ts';
import { expectLowered } from './_lowered.ts';

const x = [2, 4, 3, 2];
const flat = [3, 4, 6];

test('activations', async (t) => {
  const positive = [0.2, 0.9] as const;
  const negative = [-0.9, -0.2] as const;
  const both = (op: string, attributes = {}) =>
    [positive, negative].map((range) => ({ op, inputs: [x], attributes, range }));
  await expectLowered(t, [
    ...['LeakyRelu', 'Elu', 'Selu', 'Celu', 'Softplus', 'Softsign', 'ThresholdedRelu', 'HardSwish'].flatMap(
      (op) => both(op),
    ),
    ...both('Elu', { alpha: { float: 0.7 } }),
    ...both('Celu', { alpha: { float: 0.7 } }),
    ...both('HardSigmoid', { alpha: { float: 0.4 }, beta: { float: 0.45 } }),
    ...both('Shrink', { lambd: { float: 0.1 }, bias: { float: 0.05 } }),
    { op: 'Mish', inputs: [x] },
    { op: 'PRelu', inputs: [x, [4, 1, 1]], range: negative },
    { op: 'Softmax', inputs: [x], attributes: { axis: 1 } },
    { op: 'LogSoftmax', inputs: [flat], attributes: { axis: 1 } },
    { op: 'Hardmax', inputs: [flat], attributes: { axis: 1 }, isSmooth: false },
    { op: 'Gelu', inputs: [x], opset: 20 },
    { op: 'Gelu', inputs: [x], attributes: { approximate: 'tanh' }, opset: 20 },
  ]);
});

test('normalizations', async (t) => {
  const range = [0.5, 1.5] as const;
  await expectLowered(t, [
    { op: 'BatchNormalization', inputs: [x, [4], [4], [4], [4]], range },
    { op: 'BatchNormalization', inputs: [[5, 4], [4], [4], [4], [4]], range },
    { op: 'InstanceNormalization', inputs: [x, [4], [4]] },
    { op: 'LayerNormalization', inputs: [flat, [6], [6]], outputs: 3 },
    { op: 'LayerNormalization', inputs: [flat, [4, 6]], attributes: { axis: 1 } },
    { op: 'GroupNormalization', inputs: [x, [4], [4]], attributes: { num_groups: 2 }, opset: 21 },
    { op: 'LpNormalization', inputs: [flat], attributes: { axis: 1 } },
    { op: 'LpNormalization', inputs: [flat], attributes: { p: 1 }, range },
    { op: 'MeanVarianceNormalization', inputs: [x], attributes: { axes: [2, 3] } },
    { op: 'LRN', inputs: [[2, 5, 3, 2]], attributes: { size: 3, alpha: { float: 0.3 } } },
  ]);
});

test('reductions', async (t) => {
  const range = [0.5, 1.5] as const;
  const axes = ints('axes', 1);
  const named = ['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare', 'ReduceProd'];
  await expectLowered(t, [
    ...named.map((op) => ({ op, inputs: [flat, axes] as const, attributes: { keepdims: 0 }, range })),
    ...['ReduceMax', 'ReduceMin'].map((op) => ({ op, inputs: [flat, axes] as const, isSmooth: false })),
    {
      op: 'ArgMax',
      inputs: [flat],
      attributes: { axis: 1, select_last_index: 1 },
      types: { 0: 7 },
      isSmooth: false,
    },
    { op: 'ArgMin', inputs: [flat], attributes: { axis: 2, keepdims: 0 }, types: { 0: 7 }, isSmooth: false },
  ]);
});

test('indexing', async (t) => {
  await expectLowered(t, [
    { op: 'CumSum', inputs: [flat, ints('axis', 1)], attributes: { reverse: 1 } },
    {
      op: 'TopK',
      inputs: [flat, ints('k', 3)],
      attributes: { axis: 1 },
      outputs: 2,
      types: { 1: 7 },
      isSmooth: false,
    },
    {
      op: 'TopK',
      inputs: [flat, ints('k', 2)],
      attributes: { largest: 0 },
      outputs: 2,
      types: { 1: 7 },
      isSmooth: false,
    },
  ]);
});

test('Einsum', async (t) => {
  await expectLowered(t, [
    {
      op: 'Einsum',
      inputs: [
        [2, 3, 4],
        [4, 5],
      ],
      attributes: { equation: 'bij,jk->bik' },
    },
    { op: 'Einsum', inputs: [[2, 3, 4, 4]], attributes: { equation: '...ii->...i' } },
    { op: 'Einsum', inputs: [[2, 3, 4], [1, 4, 2], [2]], attributes: { equation: '...ij,...jk,k->...i' } },
  ]);
});

test('recurrent layers', async (t) => {
  const [steps, batch, width, inputs] = [4, 1, 3, 2];
  const sequence = [batch, steps, inputs];
  const weights = (gates: number, directions: number) =>
    [
      [directions, gates * width, inputs],
      [directions, gates * width, width],
      [directions, 2 * gates * width],
    ] as const;
  const both = { hidden_size: width, direction: 'bidirectional' };
  await expectLowered(
    t,
    [
      { op: 'LSTM', inputs: [sequence, ...weights(4, 2)], attributes: both, outputs: 3 },
      {
        op: 'GRU',
        inputs: [sequence, ...weights(3, 2)],
        attributes: { ...both, linear_before_reset: 1 },
        outputs: 2,
      },
      {
        op: 'GRU',
        inputs: [sequence, ...weights(3, 1)],
        attributes: { hidden_size: width, direction: 'reverse' },
        outputs: 2,
      },
      { op: 'RNN', inputs: [sequence, ...weights(1, 1)], attributes: { hidden_size: width }, outputs: 2 },
      {
        op: 'LSTM',
        inputs: [sequence, ...weights(4, 1), '' as const, [1, 1, width], [1, 1, width], [1, 3 * width]],
        attributes: { hidden_size: width, clip: { float: 5 } },
        outputs: 1,
      },
    ].map((given) => ({ ...given, isStepsFirst: true })),
  );
});

test("ONNX Runtime's fused operators", async (t) => {
  const ms = (op: string): string => `com.microsoft.${op}`;
  const mask = tensor('mask', [1, 4], Int32Array.of(1, 1, 1, 0));
  await expectLowered(t, [
    {
      op: ms('FusedMatMul'),
      inputs: [
        [2, 3, 4],
        [5, 4],
      ],
      attributes: { transB: 1, alpha: { float: 0.3 } },
    },
    { op: ms('FastGelu'), inputs: [flat, [6]] },
    { op: ms('BiasGelu'), inputs: [flat, [6]] },
    { op: ms('QuickGelu'), inputs: [flat] },
    { op: ms('Gelu'), inputs: [flat] },
    {
      op: ms('SkipLayerNormalization'),
      inputs: [flat, 'x', [6], [6], [6]],
      attributes: { epsilon: { float: 1e-5 } },
    },
    { op: ms('SkipSimplifiedLayerNormalization'), inputs: [flat, 'x', [6]] },
    { op: ms('FusedConv'), inputs: [x, [3, 4, 2, 2], [3]], attributes: { activation: 'Sigmoid' } },
    { op: ms('Attention'), inputs: [[1, 4, 6], [6, 18], [18], mask], attributes: { num_heads: 2 } },
    {
      op: ms('Attention'),
      inputs: [[2, 4, 6], [6, 18], [18]],
      attributes: { num_heads: 2, unidirectional: 1 },
      range: [-0.5, 0.5],
    },
    { op: ms('MultiHeadAttention'), inputs: [[2, 4, 6], 'x', 'x', [18]], attributes: { num_heads: 2 } },
  ]);
});

test('attention and rotary positions of opset 23', async (t) => {
  const heads = [1, 2, 3, 4];
  await expectLowered(t, [
    { op: 'Attention', inputs: [heads, 'x', 'x'], opset: 23, attributes: { is_causal: 1 } },
    {
      op: 'Attention',
      inputs: [
        [1, 3, 8],
        [1, 5, 4],
        [1, 5, 4],
      ],
      opset: 23,
      attributes: { q_num_heads: 2, kv_num_heads: 1, softcap: { float: 2 } },
    },
    {
      op: 'RotaryEmbedding',
      inputs: [
        heads,
        floats('cos', [1, 3, 2], [1, 0.9, 0.5, 0.3, 0.8, 0.1]),
        floats('sin', [1, 3, 2], [0, 0.4, 0.8, 0.9, 0.6, 0.9]),
      ],
      opset: 23,
    },
    { op: 'RMSNormalization', inputs: [flat, [6]], opset: 23 },
  ]);
});
