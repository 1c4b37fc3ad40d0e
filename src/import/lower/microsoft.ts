/** The fused operators of ONNX Runtime that its optimizer and optimum write, as the parts that they stand for. */
import { affineLayerNorm, clip, gelu, geluTanh, leakyRelu } from '../../autodiff/functions.ts';
import { expectAt } from '../../expect.ts';
import {
  add,
  cast,
  constant,
  full,
  gather,
  gemm,
  greater,
  layerNormalization,
  less,
  matmul,
  mul,
  relu,
  reshape,
  sigmoid,
  slice,
  split,
  tanh,
  where,
} from '../../onnx/ops.ts';
import { staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { elementwise, hardSigmoid, swish } from './activation.ts';
import { type AttendOptions, attend, headsOf, joined, MASKED, rotaryEmbedding } from './attention.ts';
import { conv } from './convolution.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';
import { rmsNormalized } from './normalization.ts';

// ---- products and activations ---------------------------------------------------------------------------------

const fusedMatMul: Lowering = (call) => {
  const { attributes: a } = call;
  if (a.int('transBatchA', 0) !== 0 || a.int('transBatchB', 0) !== 0) {
    throw call.error('expected transBatchA and transBatchB of 0');
  }
  const flags = { transA: a.int('transA', 0) !== 0, transB: a.int('transB', 0) !== 0 };
  return [matmul(call.value(0), call.value(1), { ...flags, alpha: a.float('alpha', 1) })];
};

/** By the name that fused operators give an activation, with its parameters. */
const FUSED: Readonly<Record<string, (x: Value, parameters: readonly number[]) => Value>> = {
  Relu: (x) => relu(x),
  Tanh: (x) => tanh(x),
  Sigmoid: (x) => sigmoid(x),
  LeakyRelu: (x, [alpha = 0.01]) => leakyRelu(x, alpha),
  Clip: (x, [low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY]) => clip(x, low, high),
  HardSigmoid: (x, [alpha = 0.2, beta = 0.5]) => hardSigmoid(x, alpha, beta),
};

function activated(call: Call, x: Value): Value {
  const name = call.attributes.text('activation', '');
  if (name === '') return x;
  const f = FUSED[name];
  if (!f) throw call.error(`expected an activation of ${Object.keys(FUSED).join(', ')}, got ${name}`);
  const alone = ['activation_alpha', 'activation_beta'].filter((each) => call.attributes.has(each));
  const parameters =
    call.attributes.floats('activation_params') ?? alone.map((each) => call.attributes.float(each, 0));
  return f(x, parameters);
}

const fusedConv: Lowering = (call) => {
  const y = conv(call);
  const summed = call.has(3) ? add(y, call.channelsLast(3)) : y;
  return [{ channelsLast: activated(call, summed) }];
};

const fusedGemm: Lowering = (call) => {
  const { attributes: a } = call;
  const y = gemm(call.value(0), call.value(1), call.optional(2), {
    ...{ transA: a.int('transA', 0) !== 0, transB: a.int('transB', 0) !== 0 },
    ...{ alpha: a.float('alpha', 1), beta: a.float('beta', 1) },
  });
  return [activated(call, y)];
};

/** f(x + bias), where the bias may be left out. */
const biased =
  (f: (x: Value) => Value): Lowering =>
  (call) => {
    const bias = call.optional(1);
    return [f(bias ? add(call.value(0), bias) : call.value(0))];
  };

// ---- normalizations -------------------------------------------------------------------------------------------

/** The sum of the input, what is skipped to, and a bias, normalized; the last output is the sum. */
const skipNormalization =
  (isCentred: boolean): Lowering =>
  (call) => {
    const epsilon = call.attributes.float('epsilon', isCentred ? 1e-12 : 1e-5);
    const bias = call.optional(isCentred ? 4 : 3);
    const both = add(call.value(0), call.value(1));
    const x = bias ? add(both, bias) : both;
    const width = staticDim(x.shape.at(-1), call.op, x.shape);
    if (!isCentred) {
      const { y, inverse } = rmsNormalized(x, epsilon);
      return [mul(y, call.value(2)), inverse, inverse, x].slice(0, call.outputs);
    }
    const [, mean, inverse] = layerNormalization(x, full([width], 1), epsilon);
    const beta = call.optional(3) ?? full([width], 0);
    return [affineLayerNorm(x, call.value(2), beta, epsilon), mean, inverse, x].slice(0, call.outputs);
  };

/** The embeddings of words, positions and segments added, and normalized. */
const embedNormalization: Lowering = (call) => {
  const ids = call.value(0);
  const tokens = staticDim(ids.shape[1], call.op, ids.shape);
  const words = gather(call.value(2), ids);
  const positions = call.optional(8);
  const at = positions ? gather(call.value(3), positions) : slice(call.value(3), 0, 0, tokens);
  const [segments, table] = [call.optional(1), call.optional(4)];
  const placed = add(words, at);
  const sum = segments && table ? add(placed, gather(table, segments)) : placed;
  const y = affineLayerNorm(sum, call.value(5), call.value(6), call.attributes.float('epsilon', 1e-12));
  if (call.outputs < 2) return [y];
  const mask = call.optional(7);
  if (!mask && call.outputs === 2) return [y, constant(new Int32Array(1), [1])];
  const width = tokens;
  const count = mask && matmul(cast(mask, 'float32'), full([width, 1], 1));
  const index = count
    ? reshape(cast(count, 'int32'), [mask.shape[0] ?? 1])
    : constant(new Int32Array(1), [1]);
  return [y, index, sum].slice(0, call.outputs);
};

// ---- attention ------------------------------------------------------------------------------------------------

/**
 * What a mask of ONNX Runtime's means, as one of scores [batch, 1, queries, keys]: int32 [batch] are numbers of keys that
 * count, [batch, keys] or [batch, queries, keys] are 0 where one does not.
 */
function maskOf(mask: Value | undefined, keys: number): Value | undefined {
  if (!mask) return undefined;
  const [batch = 0, ...rest] = mask.shape;
  if (rest.length === 0) {
    const places = constant(
      Int32Array.from({ length: keys }, (_, i) => i),
      [1, 1, 1, keys],
    );
    return less(places, cast(reshape(mask, [batch, 1, 1, 1]), 'int32'));
  }
  const isReal = mask.dtype === 'bool' ? mask : greater(mask, 0);
  if (rest.length === 1) return reshape(isReal, [batch, 1, 1, ...rest]);
  return reshape(isReal, [batch, 1, ...rest.slice(-2)]);
}

/** What an attribute says of masks and scales. */
function optionsOf(call: Call, size: number, mask: Value | undefined): AttendOptions {
  const filter = call.attributes.float('mask_filter_value', MASKED);
  return {
    scale: call.attributes.float('scale', 0) || 1 / Math.sqrt(size),
    // A row that is masked throughout then means the same as in ONNX Runtime, which adds a finite number too.
    mask: mask && where(mask, constant(new Float32Array(1), [1]), Math.max(filter, MASKED)),
    causal: call.attributes.int('unidirectional', 0) !== 0,
  };
}

const attention: Lowering = (call) => {
  const [x, weights] = [call.value(0), call.value(1)];
  const heads = call.attributes.int('num_heads', 1);
  const [batch = 0, tokens = 0] = x.shape;
  if (call.has(4)) throw call.error('expected no past');
  const whole = staticDim(weights.shape[1], call.op, weights.shape);
  const sizes = call.attributes.ints('qkv_hidden_sizes') ?? [whole / 3, whole / 3, whole / 3];
  const bias = call.optional(2);
  const products = matmul(x, weights);
  const parts = split(bias ? add(products, bias) : products, -1, sizes);
  const [q, k, v] = [0, 1, 2].map((i) => headsOf(call, expectAt(parts, i), heads));
  if (!q || !k || !v) throw call.error('expected weights for queries, keys and values');
  const keys = staticDim(tokens, call.op, [batch, tokens]);
  const mask = maskOf(call.optional(3), keys);
  const options = optionsOf(call, staticDim(q.shape[3], call.op, q.shape), mask);
  const { y } = attend(call, [q, k, v], { ...options, bias: call.optional(5) });
  if (call.outputs > 1) throw call.error('expected one output: the present keys and values are for decoding');
  return [joined(y)];
};

/** A third of the bias of queries, keys and values. */
function biasOf(call: Call, x: Value, third: 0 | 1 | 2, widths: readonly number[]): Value {
  const bias = call.optional(3);
  if (!bias) return x;
  const start = widths.slice(0, third).reduce((sum, width) => sum + width, 0);
  return add(x, slice(bias, 0, start, start + expectAt(widths, third)));
}

const multiHeadAttention: Lowering = (call) => {
  const heads = call.attributes.int('num_heads', 1);
  if (!call.has(1) || !call.has(2)) throw call.error('expected queries, keys and values apart');
  if (call.has(6) || call.has(7)) throw call.error('expected no past');
  if (call.outputs > 1) throw call.error('expected one output: the present keys and values are for decoding');
  const given = [call.value(0), call.value(1), call.value(2)];
  const widths = given.map(({ shape }) =>
    shape.length === 4
      ? staticDim(shape[1], call.op, shape) * staticDim(shape[3], call.op, shape)
      : staticDim(shape[2], call.op, shape),
  );
  const [q, k, v] = ([0, 1, 2] as const).map((i) => {
    const x = expectAt(given, i);
    // Keys and values of a cross attention come as [batch, heads, keys, size].
    return x.shape.length === 4 ? x : headsOf(call, biasOf(call, x, i, widths), heads);
  });
  if (!q || !k || !v) throw call.error('expected queries, keys and values');
  const keys = call.has(4) ? staticDim(k.shape[2], call.op, k.shape) : 0;
  const options = optionsOf(call, staticDim(q.shape[3], call.op, q.shape), maskOf(call.optional(4), keys));
  return [joined(attend(call, [q, k, v], { ...options, bias: call.optional(5) }).y)];
};

const microsoft: Lowerings = {
  FusedMatMul: fusedMatMul,
  FusedConv: fusedConv,
  FusedGemm: fusedGemm,
  Gelu: elementwise((x) => gelu(x)),
  BiasGelu: biased(gelu),
  FastGelu: biased(geluTanh),
  QuickGelu: elementwise((x, a) => swish(x, a.float('alpha', 1.702))),
  SkipLayerNormalization: skipNormalization(true),
  SkipSimplifiedLayerNormalization: skipNormalization(false),
  EmbedLayerNormalization: embedNormalization,
  Attention: attention,
  MultiHeadAttention: multiHeadAttention,
  RotaryEmbedding: rotaryEmbedding([2, 3, 1]),
};

export const MICROSOFT: Lowerings = Object.fromEntries(
  Object.entries(microsoft).map(([op, lowering]) => [`com.microsoft.${op}`, lowering]),
);
