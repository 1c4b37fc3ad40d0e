import { lift, sum } from '../autodiff/linear.ts';
import {
  add,
  call,
  logSoftmax,
  mul,
  neg,
  oneHot,
  reduceMean,
  reduceSum,
  reshape,
  softmax,
  sub,
} from '../onnx/ops.ts';
import { show, staticShape } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';

const rowSum = (x: Value): Value => reduceSum(x, { axes: [-1] });
/** A number for each row, spread over it. */
const toRows = (d: Value, like: Value): Value => mul(reshape(d, [...d.shape, 1]), like);

function pair([logits, target]: readonly Value[]): [Value, Value] {
  if (!logits || !target) throw new Error('internal: cross-entropy takes logits and targets');
  return [logits, target];
}

/** −Σ target∘log softmax(logits) of every row, whose derivative by the logits is Σtarget·softmax(logits) − target. */
const rows: Composite = {
  name: 'cross-entropy',
  body: (inputs) => {
    const [logits, target] = pair(inputs);
    return [neg(rowSum(mul(target, logSoftmax(logits))))];
  },
  vjp: ([ct], _y, inputs) => {
    const [logits, target] = pair(inputs);
    return [
      lift(ct, (d) => toRows(d, slope(logits, target))),
      lift(ct, (d) => neg(toRows(d, logSoftmax(logits)))),
    ];
  },
  jvp: ([tLogits, tTarget], _y, inputs) => {
    const [logits, target] = pair(inputs);
    return [
      sum(
        lift(tLogits, (t) => rowSum(mul(t, slope(logits, target)))),
        lift(tTarget, (t) => neg(rowSum(mul(t, logSoftmax(logits))))),
      ),
    ];
  },
};

function slope(logits: Value, target: Value): Value {
  return sub(toRows(rowSum(target), softmax(logits)), target);
}

/** Cross-entropy of softmax(logits) with target weights, both float32 [batch, classes] → [batch]. */
export function softmaxCrossEntropy(logits: Value, target: Value): Value {
  const [loss] = call(rows, [logits, target]);
  if (!loss) throw new Error('internal: cross-entropy without a result');
  return loss;
}

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
  const target = add(mul(oneHot(labels, classes), sub(1, smoothing)), mul(smoothing, 1 / classes));
  return reduceMean(softmaxCrossEntropy(logits, target));
}
