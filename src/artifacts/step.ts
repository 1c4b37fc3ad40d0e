/**
 * The second half of the graph of a whole training step: clipping, Adam or AdamW by the formulas of optim/adam.ts, and
 * the few numbers of the batch that a run logs. State and gradient are flat vectors (flat.ts).
 */
import {
  add,
  cast,
  concat,
  constant,
  div,
  equal,
  less,
  mul,
  oneHot,
  reduceSum,
  reshape,
  sqrt,
  sub,
  where,
} from '../onnx/ops.ts';
import { staticShape } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { FlatLayout } from './flat.ts';

export interface AdamConfig {
  readonly optimizer: 'adamw' | 'adam';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** The parameters and Adam's two moments. */
export interface AdamState {
  readonly parameters: Value;
  readonly mu: Value;
  readonly nu: Value;
}

/** The numbers of this step, float32 scalars. */
export interface AdamScalars {
  /** The learning rate over 1 − β1^count. */
  readonly step_size: Value;
  /** 1/√(1 − β2^count). */
  readonly correction: Value;
  /** AdamW's learning rate times weight decay; Adam's weight decay. */
  readonly decay: Value;
  /** The largest norm of the gradient. */
  readonly clip: Value;
}

/** The state after a step along `gradient`, whose norm is `norm`. */
export function adamStep(
  layout: FlatLayout,
  { parameters, mu, nu }: AdamState,
  gradient: Value,
  norm: Value,
  { step_size, correction, decay, clip }: AdamScalars,
  { optimizer, beta1, beta2, epsilon }: AdamConfig,
): AdamState {
  const decayed = mul(layout.whereDecaying(decay), parameters);
  const share = div(clip, add(norm, 1e-6));
  const clipped = mul(gradient, where(less(share, 1), share, 1));
  const g = optimizer === 'adam' ? add(clipped, decayed) : clipped;
  const m = add(mul(mu, beta1), mul(g, 1 - beta1));
  const v = add(mul(nu, beta2), mul(mul(g, g), 1 - beta2));
  const update = div(mul(m, step_size), add(mul(sqrt(v), correction), epsilon));
  const shrunk = optimizer === 'adamw' ? sub(parameters, decayed) : parameters;
  return { parameters: sub(shrunk, update), mu: m, nu: v };
}

/** How many images of the batch have their label first, and among the first five, as train/evaluate.ts counts: [2]. */
export function topCounts(logits: Value, labels: Value): Value {
  const [batch = 0, classes = 0] = staticShape(logits.shape, 'topCounts');
  // A NaN among an image's logits makes this NaN, which is neither more than nor equal to anything.
  const own = reduceSum(mul(logits, oneHot(labels, classes)), { axes: [1], keepdims: true });
  const numbers = constant(
    Float32Array.from({ length: classes }, (_, i) => i),
    [classes],
  );
  const label = reshape(cast(labels, 'float32'), [batch, 1]);
  // Among equal logits the first comes first, as in argmax. The label itself is not ahead of itself.
  const notBefore = cast(less(sub(label, 0.5), numbers), 'float32');
  const behind = cast(less(logits, own), 'float32');
  const notAhead = reduceSum(where(equal(logits, own), notBefore, behind), { axes: [1] });
  const among = (first: number): Value =>
    reduceSum(cast(less(Math.max(0, classes - first) + 0.5, notAhead), 'float32'), { keepdims: true });
  return concat([among(1), among(5)], 0);
}

/** Scalars as one vector. */
export function stacked(scalars: readonly Value[]): Value {
  return concat(
    scalars.map((value) => reshape(value, [1])),
    0,
  );
}
