/** Differentiable functions that models are written with, above the ops: activations, normalisation, linear layers. */
import {
  abs,
  add,
  call,
  cast,
  constant,
  equal,
  erf,
  exp,
  gemm,
  greater,
  layerNormalization,
  log,
  max,
  min,
  mul,
  neg,
  type Operand,
  reduceSum,
  relu,
  reshape,
  sigmoid,
  sub,
  tanh,
  where,
} from '../onnx/ops.ts';
import { product, show } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { elementwiseComposite } from './composite.ts';

// GELU (Hendrycks & Gimpel 2016), exact: x·Φ(x) = u·F(u)/√2 with u = x/√2 and F = 1 + erf u. With φ = F' = (2/√π)·e^(−u²),
//   (u·F)' = F + u·φ,  (u·F)'' = 2φ·(1 − u²).
// The factors 1/√2 stay outside, so that a pass can move them into the matrix products before and behind.
const cumulative = (u: Value): Value => add(erf(u), 1);
const density = (u: Value): Value => exp(sub(Math.log(2 / Math.sqrt(Math.PI)), mul(u, u)));
const curvature = (u: Value): Value => mul(mul(density(u), sub(1, mul(u, u))), 2);

const slope = elementwiseComposite('gelu-slope', (u) => add(cumulative(u), mul(u, density(u))), curvature);

const unscaledGelu = elementwiseComposite('gelu', (u) => mul(u, cumulative(u)), slope);

/** x·Φ(x), exact. float32, any shape. */
export const gelu = (x: Value): Value => mul(unscaledGelu(mul(x, Math.SQRT1_2)), Math.SQRT1_2);

/** The tanh approximation of GELU: ½x·(1 + tanh(√(2/π)(x + 0.044715x³))). */
export function geluTanh(x: Value): Value {
  const inner = mul(mul(x, add(mul(mul(x, x), 0.044715), 1)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

/** log(1 + eˣ), without overflow. float32, any shape. Its derivative is sigmoid. */
export const softplus = elementwiseComposite(
  'softplus',
  (x) => add(relu(x), log(add(exp(neg(abs(x))), 1))),
  sigmoid,
);

/**
 * x, but no less than `low` and no more than `high`: float32, int32 or int64, any shape. The bounds are numbers, also
 * infinite ones, or values that broadcast to x. At a bound that is a number the derivative is 1, as PyTorch's clamp's; at
 * a value it is that of min() and max(), half.
 */
export function clip(x: Value, low: Operand, high: Operand): Value {
  const bounded = (value: Value): Value => {
    const raised = low === Number.NEGATIVE_INFINITY ? value : max(value, low);
    return high === Number.POSITIVE_INFINITY ? raised : min(raised, high);
  };
  if (typeof low !== 'number' || typeof high !== 'number' || x.dtype !== 'float32') return bounded(x);
  // What stays as it is passes on what it gets: one comparison tells, where min and max take two each.
  return elementwiseComposite('clip', bounded, (value) => cast(equal(bounded(value), value), 'float32'))(x);
}

/** x·sigmoid(x), also called swish. float32, any shape. */
export const silu = (x: Value): Value => mul(x, sigmoid(x));

/**
 * x where it is positive, else slope·x. float32, any shape; the slope is a number, or a value that broadcasts to x (He et
 * al. 2015, PReLU). Its derivative at 0 is `slope`.
 */
export const leakyRelu = (x: Value, slope: Operand = 0.01): Value => where(greater(x, 0), x, mul(x, slope));

const stop: Composite = {
  name: 'stop-gradient',
  elementwise: true,
  body: (x) => x,
  vjp: () => [undefined],
  jvp: () => [undefined],
};

/** The value itself, with a derivative of 0. Any shape and dtype. The graph that is written has no node for it. */
export function stopGradient(x: Value): Value {
  const [stopped] = call(stop, [x]);
  return stopped ?? x;
}

/** Layer normalisation (Ba et al. 2016) over the last axis, with scale and bias of shape [n] for an axis of length n. */
export function affineLayerNorm(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  const width = x.shape.at(-1);
  if (typeof width !== 'number')
    throw new Error(`affineLayerNorm: expected a static last axis, got ${show(x.shape)}`);
  const ones = constant(new Float32Array(width).fill(1), [width]);
  const [normalized] = layerNormalization(x, ones, epsilon);
  return add(mul(normalized, scale), bias);
}

/**
 * x·kernel + bias over the last axis: x [..., in], kernel [in, out], bias [out], which may be left out → [..., out]. With
 * `transB` the kernel is [out, in], which costs nothing.
 */
export function linear(x: Value, kernel: Value, bias?: Value, { transB = false } = {}): Value {
  const [width, columns] = [x.shape.at(-1), kernel.shape[transB ? 0 : 1]];
  if (width === undefined || columns === undefined) {
    throw new Error(
      `linear: expected x [..., in] and kernel [in, out], got ${show(x.shape)} and ${show(kernel.shape)}`,
    );
  }
  const leading = x.shape.slice(0, -1);
  return reshape(gemm(reshape(x, [product(leading), width]), kernel, bias, { transB }), [
    ...leading,
    columns,
  ]);
}

/**
 * The sum of all elements: a float32 scalar. It adds axis by axis, the last first: ONNX Runtime adds a whole tensor up
 * one element after the other, and four million of them to three digits only.
 */
export function total(x: Value): Value {
  let sum = x;
  while (sum.shape.length > 0) sum = reduceSum(sum, { axes: [-1] });
  return sum;
}
