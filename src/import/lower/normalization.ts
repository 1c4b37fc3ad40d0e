/** Normalizations: over the batch, the channels, the pixels, or the last axes. */
import { affineLayerNorm } from '../../autodiff/functions.ts';
import { normalizeBatch } from '../../layers/batch-norm.ts';
import { dropout } from '../../layers/dropout.ts';
import {
  abs,
  add,
  constant,
  div,
  full,
  layerNormalization,
  matmul,
  mul,
  pow,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  sqrt,
  sub,
} from '../../onnx/ops.ts';
import { normalizeAxis, product, staticDim } from '../../onnx/shapes.ts';
import type { Shape, Value } from '../../onnx/value.ts';
import type { Lowered } from '../tensor.ts';
import { asItLies, type Lying } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

// ---- batch normalization --------------------------------------------------------------------------------------

/** The first input with its channels as the last axis. */
function channelsLastOf(call: Call): Lying {
  if (call.shape(0).length < 3) return asItLies(call);
  return { x: call.channelsLast(0), axis: () => -1, result: (y) => ({ channelsLast: y }) };
}

const batchNormalization: Lowering = (call) => {
  const { x, result } = channelsLastOf(call);
  const options = {
    epsilon: call.attributes.float('epsilon', 1e-5),
    momentum: call.attributes.float('momentum', 0.9),
  };
  const weights = { scale: call.value(1), bias: call.value(2) };
  const statistics = { mean: call.value(3), variance: call.value(4) };
  if (call.attributes.int('training_mode', 0) !== 0 && !call.training) {
    return inTrainingForm(call, x, { ...weights, ...statistics }, options).map((y, i) =>
      i === 0 ? result(y) : y,
    );
  }
  return [
    result(
      normalizeBatch(call.scope, x, { ...weights, ...statistics }, { ...options, training: call.training }),
    ),
  ];
};

/** What a file itself asks for with training_mode: the batch's statistics, and the running ones that ONNX defines of them. */
function inTrainingForm(
  call: Call,
  x: Value,
  { scale, bias, mean, variance }: Record<'scale' | 'bias' | 'mean' | 'variance', Value>,
  { epsilon, momentum }: { readonly epsilon: number; readonly momentum: number },
): readonly Value[] {
  call.scope.couplesExamples();
  const axes = x.shape.slice(1).map((_, i) => i);
  const now = reduceMean(x, { axes });
  const centred = sub(x, now);
  const spread = reduceMean(mul(centred, centred), { axes });
  const y = add(mul(mul(centred, reciprocal(sqrt(add(spread, epsilon)))), scale), bias);
  const moved = (running: Value, of: Value): Value => add(mul(running, momentum), mul(of, 1 - momentum));
  return [y, moved(mean, now), moved(variance, spread)].slice(0, call.outputs);
}

// ---- over a part of each example ------------------------------------------------------------------------------

/** (x − mean)/σ over the last axis. */
function standardized(x: Value, epsilon: number): Value {
  const width = staticDim(x.shape.at(-1), 'normalization', x.shape);
  return layerNormalization(x, full([width], 1), epsilon)[0];
}

/** The shape of a number for each channel, [C, 1, …], beside x [batch, C, …]. */
const byChannel = (x: Value): Shape => [x.shape[1] ?? 1, ...x.shape.slice(2).map(() => 1)];

/** Standardizes `groups` of channels of x [batch, C, …], each with its pixels. */
function overGroups(x: Value, groups: number, epsilon: number): Value {
  const [batch = 0, ...rest] = x.shape;
  const width = staticDim(product(rest), 'normalization', x.shape) / groups;
  return reshape(standardized(reshape(x, [batch, groups, width]), epsilon), x.shape);
}

const instanceNormalization: Lowering = (call) => {
  const x = call.value(0);
  const channels = staticDim(x.shape[1], call.op, x.shape);
  const y = overGroups(x, channels, call.attributes.float('epsilon', 1e-5));
  const at = byChannel(x);
  return [add(mul(y, reshape(call.value(1), at)), reshape(call.value(2), at))];
};

/** Before opset 21 scale and bias are for each group. */
const groupNormalization: Lowering = (call) => {
  const x = call.value(0);
  const channels = staticDim(x.shape[1], call.op, x.shape);
  const groups = call.attributes.int('num_groups', 1);
  if (channels % groups !== 0) {
    throw call.error(`expected num_groups that divide ${channels} channels, got ${groups}`);
  }
  const y = overGroups(x, groups, call.attributes.float('epsilon', 1e-5));
  const factor = call.value(1);
  if (factor.shape[0] === channels) {
    const at = byChannel(x);
    return [add(mul(y, reshape(factor, at)), reshape(call.value(2), at))];
  }
  const [batch = 0, ...rest] = x.shape;
  const rows = reshape(y, [batch, groups, staticDim(product(rest), call.op, x.shape) / groups]);
  const of = (index: number): Value => reshape(call.value(index), [groups, 1]);
  return [reshape(add(mul(rows, of(1)), of(2)), x.shape)];
};

/** x as rows over which is normalized, from the attribute `axis` on. */
function rowsFrom(call: Call, x: Value): { readonly rows: Value; readonly lead: Shape } {
  const at = normalizeAxis(call.op, call.attributes.int('axis', -1), x.shape.length);
  const lead = x.shape.slice(0, at);
  const width = product(x.shape.slice(at));
  return { rows: reshape(x, [...lead, staticDim(width, call.op, x.shape)]), lead };
}

/** A weight that broadcasts to the normalized axes, as a row of `width` numbers. */
function rowOf(call: Call, weight: Value, width: number): Value {
  const size = product(weight.shape);
  if (size === width) return reshape(weight, [width]);
  if (size === 1) return mul(reshape(weight, [1]), full([width], 1));
  throw call.error(`expected weights of ${width} numbers, got ${size}`);
}

const layerNormalizationOf: Lowering = (call) => {
  const x = call.value(0);
  const { rows, lead } = rowsFrom(call, x);
  const width = staticDim(rows.shape.at(-1), call.op, rows.shape);
  const epsilon = call.attributes.float('epsilon', 1e-5);
  const scale = rowOf(call, call.value(1), width);
  const given = call.optional(2);
  const bias = given ? rowOf(call, given, width) : full([width], 0);
  const y = reshape(affineLayerNorm(rows, scale, bias, epsilon), x.shape);
  if (call.outputs < 2) return [y];
  const [, mean, inverse] = layerNormalization(rows, full([width], 1), epsilon);
  const kept = [...lead, ...x.shape.slice(lead.length).map(() => 1)];
  return [y, reshape(mean, kept), reshape(inverse, kept)].slice(0, call.outputs);
};

/** x/√(mean x² + epsilon) over the last axis (Zhang & Sennrich, *Root Mean Square Layer Normalization*, 2019). */
export function rmsNormalized(x: Value, epsilon: number): { readonly y: Value; readonly inverse: Value } {
  const inverse = reciprocal(sqrt(add(reduceMean(mul(x, x), { axes: [-1], keepdims: true }), epsilon)));
  return { y: mul(x, inverse), inverse };
}

const rmsNormalization: Lowering = (call) => {
  const x = call.value(0);
  const { rows, lead } = rowsFrom(call, x);
  const { y, inverse } = rmsNormalized(rows, call.attributes.float('epsilon', 1e-5));
  const width = staticDim(rows.shape.at(-1), call.op, rows.shape);
  const scaled = reshape(mul(y, rowOf(call, call.value(1), width)), x.shape);
  const kept = [...lead, ...x.shape.slice(lead.length).map(() => 1)];
  return [scaled, reshape(inverse, kept)].slice(0, call.outputs);
};

// ---- others ---------------------------------------------------------------------------------------------------

const lpNormalization: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const at = axis(normalizeAxis(call.op, call.attributes.int('axis', -1), x.shape.length));
  const isL1 = call.attributes.int('p', 2) === 1;
  const total = (of: Value): Value => reduceSum(of, { axes: [at], keepdims: true });
  const length = isL1 ? total(abs(x)) : sqrt(total(mul(x, x)));
  return [result(div(x, length))];
};

/** (x − E[x])/(√(E[x²] − E[x]²) + 1e-9), as ONNX defines it. */
const meanVarianceNormalization: Lowering = (call): readonly Lowered[] => {
  const { x, axis, result } = asItLies(call);
  const axes = (call.attributes.ints('axes') ?? [0, 2, 3]).map((each) =>
    axis(normalizeAxis(call.op, each, x.shape.length)),
  );
  if (axes.includes(0)) call.scope.couplesExamples();
  const centred = sub(x, reduceMean(x, { axes, keepdims: true }));
  const deviation = sqrt(reduceMean(mul(centred, centred), { axes, keepdims: true }));
  return [result(div(centred, add(deviation, 1e-9)))];
};

/**
 * Local response normalization (Krizhevsky et al. 2012): the sum over a window of channels is a product with a matrix that
 * has ones in a band.
 */
const lrn: Lowering = (call) => {
  const x = call.channelsLast(0);
  const channels = staticDim(x.shape.at(-1), call.op, x.shape);
  const size = call.attributes.int('size', 1);
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const band = Float32Array.from({ length: channels * channels }, (_, i) => {
    const distance = Math.floor(i / channels) - (i % channels);
    return Number(distance >= -before && distance <= after);
  });
  const sums = matmul(mul(x, x), constant(band, [channels, channels]));
  const scaled = mul(sums, call.attributes.float('alpha', 1e-4) / size);
  const base = add(scaled, call.attributes.float('bias', 1));
  return [{ channelsLast: mul(x, pow(base, -call.attributes.float('beta', 0.75))) }];
};

const dropoutOf: Lowering = (call) => {
  const { x, result } = asItLies(call);
  const ratio = call.has(1) ? call.known(1)?.data[0] : call.attributes.float('ratio', 0.5);
  if (call.training && typeof ratio !== 'number') throw call.error('expected a ratio that is a constant');
  if (call.outputs > 1) throw call.error('expected one output: the mask is not among what can be read');
  if (call.training && typeof ratio === 'number') return [result(dropout(call.scope, x, ratio))];
  const isOn = call.has(2) && call.known(2)?.data[0] !== 0;
  if (isOn && ratio !== 0) {
    throw call.error('expected training_mode to be off in a file: its mask is random');
  }
  return [result(x)];
};

export const NORMALIZATION: Lowerings = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalizationOf,
  RMSNormalization: rmsNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  LRN: lrn,
  Dropout: dropoutOf,
};
