/** Telling the next token of a text. */
import type { Scope } from '../layers/scope.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import { accuracy, perplexity } from '../metrics/classification.ts';
import { fieldOf, outputOf } from '../metrics/names.ts';
import { cast, cumSum, greater, slice } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import type { Fields, Metric, Task, Values } from './task.ts';

/** What a language model reads besides `tokens`, and the model. */
export interface LanguageModelOptions {
  /** What the model reads; the field `tokens`, int32 [length], is added. */
  readonly fields: Fields;
  readonly length: number;
  /** Fields → logits float32 [batch, length, vocabulary], each of the token after its place. */
  readonly model: (scope: Scope, fields: Values) => Value;
}

/**
 * Cross-entropy of every token but the first, given those before it; padding, the zeros at a text's end, does not count. A
 * batch's loss is the mean over its tokens, whichever texts they are in.
 */
export function languageModel({ fields, length, model }: LanguageModelOptions): Task {
  const shifted = (metric: Metric): Metric => ({
    ...metric,
    sums: (outputs, given) => {
      const { logits, labels, mask } = nextTokens(outputs, given, length);
      return metric.sums({ logits }, { labels, mask });
    },
  });
  const names = { mask: 'mask' };
  return {
    fields: { ...fields, tokens: { dtype: 'int32', shape: [length] } },
    predict: (scope, given) => ({ logits: model(scope, given) }),
    loss: (outputs, given) => {
      const { logits, labels, mask } = nextTokens(outputs, given, length);
      return { each: crossEntropy(logits, labels), weight: mask };
    },
    metrics: { perplexity: shifted(perplexity(names)), top1: shifted(accuracy(names)) },
    lossInfo: { label: 'cross-entropy', unit: 'nats' },
  };
}

/** What is predicted at all places but the last, what follows there, and whether that is a token: float32. */
function nextTokens(
  outputs: Values,
  fields: Values,
  length: number,
): { logits: Value; labels: Value; mask: Value } {
  const logits = slice(outputOf(outputs, 'logits', 'logits'), 1, 0, length - 1);
  const labels = slice(fieldOf(fields, 'tokens'), 1, 1, length);
  return { logits, labels, mask: slice(tokenMask(fieldOf(fields, 'tokens')), 1, 1, length) };
}

/** Tokens int32 [batch, length] → float32: 1 up to the last that is not 0, which pads texts at their end. */
export function tokenMask(tokens: Value): Value {
  const zero = greater(cast(tokens, 'float32'), 0);
  const after = cumSum(cast(zero, 'float32'), 1, { reverse: true });
  return cast(greater(after, 0), 'float32');
}
