import { lift, sum } from '../autodiff/linear.ts';
import { UserError } from '../errors.ts';
import { add, call, logSoftmax, mul, neg, oneHot, reduceSum, reshape, softmax, sub } from '../onnx/ops.ts';
import { sameShape, show } from '../onnx/shapes.ts';
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

/** Changes to the target. */
export interface CrossEntropyOptions {
  /** Label smoothing s (Szegedy et al. 2016): the target is 1 − s + s/classes for the label and s/classes elsewhere. */
  readonly smoothing?: Value | number;
}

/**
 * Softmax cross-entropy of every row: logits float32 [..., classes] → float32 [...]. The target is a label, int32 or
 * int64 [...], or a distribution over the classes, float32 of the logits' shape. Throws where they do not fit.
 */
export function crossEntropy(
  logits: Value,
  target: Value,
  { smoothing = 0 }: CrossEntropyOptions = {},
): Value {
  const classes = logits.shape.at(-1);
  const isLabels = target.dtype === 'int32' || target.dtype === 'int64';
  const wanted = isLabels ? logits.shape.slice(0, -1) : logits.shape;
  if (
    typeof classes !== 'number' ||
    logits.dtype !== 'float32' ||
    !(isLabels || target.dtype === 'float32') ||
    !sameShape(target.shape, wanted)
  ) {
    throw new UserError(
      `crossEntropy: expected float32 logits [..., classes] and int32 labels [...] or a float32 distribution [..., classes], got ${logits.dtype} ${show(logits.shape)} and ${target.dtype} ${show(target.shape)}`,
    );
  }
  const distribution = isLabels ? oneHot(target, classes) : target;
  return softmaxCrossEntropy(logits, smoothed(distribution, smoothing, classes));
}

function smoothed(distribution: Value, smoothing: Value | number, classes: number): Value {
  if (smoothing === 0) return distribution;
  if (typeof smoothing !== 'number') {
    return add(mul(distribution, sub(1, smoothing)), mul(smoothing, 1 / classes));
  }
  if (!(smoothing > 0 && smoothing <= 1)) {
    throw new UserError(`crossEntropy: expected a smoothing from 0 to 1, got ${smoothing}`);
  }
  return add(mul(distribution, 1 - smoothing), smoothing / classes);
}
