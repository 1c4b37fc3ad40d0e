/** Losses of numbers: one for each element of a prediction, which the loss of a task averages. */
import { UserError } from '../errors.ts';
import { abs, greater, mul, reshape, sub, where } from '../onnx/ops.ts';
import { sameShape, show } from '../onnx/shapes.ts';
import type { DType, Shape, Value } from '../onnx/value.ts';

/**
 * (prediction − target)². Both float32 [batch, ...]; an axis of 1 at the end may be missing in one of them. Throws
 * UserError where they do not fit.
 */
export function mse(prediction: Value, target: Value): Value {
  const error = difference('mse', prediction, target);
  return mul(error, error);
}

/** |prediction − target|; shapes as those of `mse`. */
export function mae(prediction: Value, target: Value): Value {
  return abs(difference('mae', prediction, target));
}

/**
 * Huber's loss (1964): ½e² where |e| ≤ delta, else delta·(|e| − ½delta); shapes as those of `mse`. As torch's
 * `huber_loss`.
 */
export function huber(prediction: Value, target: Value, { delta = 1 }: { delta?: number } = {}): Value {
  if (!(delta > 0 && delta < Number.POSITIVE_INFINITY)) {
    throw new UserError(`huber: expected a finite delta above 0, got ${delta}`);
  }
  const error = difference('huber', prediction, target);
  const size = abs(error);
  return where(greater(size, delta), mul(sub(size, delta / 2), delta), mul(mul(error, error), 0.5));
}

/**
 * prediction − target. A target without the prediction's last axis of 1 is meant to be of its shape: broadcasting
 * [batch] against [batch, 1] would compare every example with every other.
 */
export function difference(op: string, prediction: Value, target: Value): Value {
  return sub(prediction, alike(op, prediction, target));
}

/** The target, of the prediction's shape but for an axis of 1 at the end, in that shape. */
export function alike(
  op: string,
  prediction: Value,
  target: Value,
  dtypes: readonly DType[] = ['float32'],
): Value {
  const bare = (shape: Shape): Shape => (shape.length > 1 && shape.at(-1) === 1 ? shape.slice(0, -1) : shape);
  if (
    prediction.dtype !== 'float32' ||
    !dtypes.includes(target.dtype) ||
    !sameShape(bare(prediction.shape), bare(target.shape))
  ) {
    throw new UserError(
      `${op}: expected a ${dtypes.join(' or ')} target of the shape of float32 ${show(prediction.shape)}, got ${target.dtype} ${show(target.shape)} for ${prediction.dtype} ${show(prediction.shape)}`,
    );
  }
  return sameShape(prediction.shape, target.shape) ? target : reshape(target, prediction.shape);
}
