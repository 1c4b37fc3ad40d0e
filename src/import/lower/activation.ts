/** Activations: functions of each element, which keep the layout of their operand. */
import { clip, gelu, geluTanh, leakyRelu, silu, softplus } from '../../autodiff/functions.ts';
import { expectAt } from '../../expect.ts';
import {
  abs,
  add,
  argMax,
  cast,
  div,
  equal,
  exp,
  greater,
  less,
  logSoftmax,
  mul,
  range,
  reshape,
  sigmoid,
  softmax,
  sub,
  tanh,
  where,
} from '../../onnx/ops.ts';
import { normalizeAxis, staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { asItLies } from './images.ts';
import type { Attributes, Lowering, Lowerings } from './lowering.ts';

/** A function of each element of the first input, by attributes. */
export const elementwise =
  (f: (x: Value, attributes: Attributes) => Value): Lowering =>
  (call) => {
    const { x, result } = asItLies(call);
    return [result(f(x, call.attributes))];
  };

/** alpha·(e^(x/scale) − 1) below 0, x above (Clevert et al. 2016, ELU, scale 1; Barron 2017, CELU, scale alpha). */
function exponentialBelow(x: Value, alpha: number, scale = 1): Value {
  const isAbove = greater(x, 0);
  // What is above 0 is left out in front of the power, which would overflow, and its derivative too.
  const below = where(isAbove, 0, x);
  return where(isAbove, x, mul(sub(exp(mul(below, 1 / scale)), 1), alpha));
}

/** Klambauer et al., *Self-Normalizing Neural Networks*, 2017. */
const SELU = { alpha: 1.6732632423543772, gamma: 1.0507009873554805 };

export const hardSigmoid = (x: Value, alpha: number, beta: number): Value =>
  clip(add(mul(x, alpha), beta), 0, 1);

/** x·sigmoid(alpha·x) */
export const swish = (x: Value, alpha: number): Value =>
  alpha === 1 ? silu(x) : mul(x, sigmoid(mul(x, alpha)));

/** x + bias below −lambd, x − bias above lambd, 0 between. */
function shrink(x: Value, lambd: number, bias: number): Value {
  return where(less(x, -lambd), add(x, bias), where(greater(x, lambd), sub(x, bias), 0));
}

const pRelu: Lowering = (call) => {
  const slope = call.value(1);
  const rank = call.shape(0).length;
  const [channels = 1, ...rest] = slope.shape;
  const isByChannel = slope.shape.length === rank - 1 && rest.every((dim) => dim === 1);
  if (isByChannel && call.isChannelsLast(0)) {
    return [{ channelsLast: leakyRelu(call.channelsLast(0), reshape(slope, [channels])) }];
  }
  // Files of the first opsets have a row of slopes for channels that are not the last axis.
  const x = call.value(0);
  const isRow = rank > 2 && slope.shape.length === 1 && channels !== 1 && channels === x.shape[1];
  const isLast = channels === x.shape[rank - 1];
  const beside = isRow && !isLast ? reshape(slope, [channels, ...x.shape.slice(2).map(() => 1)]) : slope;
  return [leakyRelu(x, beside)];
};

/** A function along one axis. */
const along =
  (f: (x: Value, axis: number) => Value): Lowering =>
  (call) => {
    const lying = asItLies(call);
    const axis = normalizeAxis(call.op, call.attributes.int('axis', -1), lying.x.shape.length);
    return [lying.result(f(lying.x, lying.axis(axis)))];
  };

/** 1 at the first of the maxima along an axis, else 0. It has no derivative. */
function hardmax(x: Value, axis: number): Value {
  const places = range(staticDim(x.shape[axis], 'Hardmax', x.shape));
  const behind = x.shape.slice(axis + 1).map(() => 1);
  const first = argMax(x, axis, { keepdims: true });
  return cast(equal(reshape(places, [expectAt(places.shape, 0), ...behind]), first), 'float32');
}

export const ACTIVATION: Lowerings = {
  LeakyRelu: elementwise((x, a) => leakyRelu(x, a.float('alpha', 0.01))),
  PRelu: pRelu,
  Elu: elementwise((x, a) => exponentialBelow(x, a.float('alpha', 1))),
  Celu: elementwise((x, a) => exponentialBelow(x, a.float('alpha', 1), a.float('alpha', 1))),
  Selu: elementwise((x, a) =>
    mul(exponentialBelow(x, a.float('alpha', SELU.alpha)), a.float('gamma', SELU.gamma)),
  ),
  Softplus: elementwise((x) => softplus(x)),
  Softsign: elementwise((x) => div(x, add(abs(x), 1))),
  Mish: elementwise((x) => mul(x, tanh(softplus(x)))),
  Gelu: elementwise((x, a) => (a.text('approximate', 'none') === 'tanh' ? geluTanh(x) : gelu(x))),
  Swish: elementwise((x, a) => swish(x, a.float('alpha', 1))),
  HardSigmoid: elementwise((x, a) => hardSigmoid(x, a.float('alpha', 0.2), a.float('beta', 0.5))),
  HardSwish: elementwise((x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  ThresholdedRelu: elementwise((x, a) => where(greater(x, a.float('alpha', 1)), x, 0)),
  Shrink: elementwise((x, a) => shrink(x, a.float('lambd', 0.5), a.float('bias', 0))),
  Softmax: along(softmax),
  LogSoftmax: along(logSoftmax),
  Hardmax: along(hardmax),
};
