/** How many images of a batch are classified right, as the graph of a whole step tells it. */
import {
  cast,
  concat,
  constant,
  equal,
  less,
  mul,
  oneHot,
  reduceSum,
  reshape,
  sub,
  where,
} from '../onnx/ops.ts';
import { staticShape } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

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
