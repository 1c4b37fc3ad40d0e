import { softplus } from '../autodiff/functions.ts';
import { mul, neg, sub, where } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { alike } from './regression.ts';

/**
 * Cross-entropy of two classes, of every element: −t·log σ(x) − (1 − t)·log(1 − σ(x)) = softplus(x) − t·x, which does not
 * overflow. logits x: float32 [batch, ...]; targets t: bool, or float32 from 0 to 1, of the same shape but for an axis
 * of 1 at the end → float32 of the logits' shape. As torch's `binary_cross_entropy_with_logits`. Throws UserError where
 * they do not fit.
 */
export function binaryCrossEntropy(logits: Value, target: Value): Value {
  const t = alike('binaryCrossEntropy', logits, target, ['bool', 'float32']);
  // Of bool no difference of large numbers is taken.
  return t.dtype === 'bool' ? softplus(where(t, neg(logits), logits)) : sub(softplus(logits), mul(t, logits));
}
