import {
  add,
  cast,
  constant,
  equal,
  logSoftmax,
  mul,
  neg,
  reduceMean,
  reduceSum,
  reshape,
  sub,
} from '../onnx/ops.ts';
import { show, staticShape } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

/**
 * Mean softmax cross-entropy with label smoothing s (Szegedy et al. 2016): the target is 1 − s + s/classes for the
 * label and s/classes elsewhere. logits float32 [batch, classes], labels int32 [batch], smoothing a float32
 * scalar → float32 scalar.
 */
export function crossEntropy(logits: Value, labels: Value, smoothing: Value): Value {
  const [batch, classes] = staticShape(logits.shape, 'crossEntropy');
  if (batch === undefined || classes === undefined || labels.dtype !== 'int32' || labels.shape[0] !== batch) {
    throw new Error(
      `crossEntropy: expected logits [batch, classes] and int32 labels [batch], got ${show(logits.shape)} and ${labels.dtype} ${show(labels.shape)}`,
    );
  }
  const numbers = constant(
    Int32Array.from({ length: classes }, (_, i) => i),
    [classes],
  );
  const oneHot = cast(equal(reshape(labels, [batch, 1]), numbers), 'float32');
  const target = add(mul(oneHot, sub(1, smoothing)), mul(smoothing, 1 / classes));
  return neg(reduceMean(reduceSum(mul(target, logSoftmax(logits)), { axes: [1] })));
}
