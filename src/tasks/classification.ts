/** Telling classes apart: logits against labels. */
import type { Scope } from '../layers/scope.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import { accuracy, confusionMatrix, topK } from '../metrics/classification.ts';
import { hasTop5 } from '../metrics/info.ts';
import { fieldOf, outputOf } from '../metrics/names.ts';
import type { Value } from '../onnx/value.ts';
import type { Field, Fields, Task, Values } from './task.ts';

/** What a classifier reads, its number of classes, and its model. */
export interface ClassificationOptions {
  /** What the model reads; the field `labels` is added. */
  readonly fields: Fields;
  readonly classes: number;
  /** `classes`: the number of the class, int32 []. `distributions`: a share of each class, float32 [classes]. */
  readonly labels?: 'classes' | 'distributions';
  /** Fields → logits float32 [batch, classes]. */
  readonly model: (scope: Scope, fields: Values) => Value;
}

/** Cross-entropy with label smoothing that a run chooses, accuracy, and with more than five classes top-5. */
export function classification({ fields, classes, labels = 'classes', model }: ClassificationOptions): Task {
  const label: Field =
    labels === 'classes' ? { dtype: 'int32', shape: [] } : { dtype: 'float32', shape: [classes] };
  return {
    fields: { ...fields, labels: label },
    predict: (scope, given) => ({ logits: model(scope, given) }),
    loss: (outputs, given, scope) =>
      crossEntropy(outputOf(outputs, 'logits', 'logits'), fieldOf(given, 'labels'), {
        smoothing: scope.scalar('labelSmoothing', 0),
      }),
    metrics: {
      top1: accuracy(),
      ...(hasTop5(classes) ? { top5: topK(5) } : {}),
      confusion: confusionMatrix(),
    },
    lossInfo: { label: 'cross-entropy', unit: 'nats' },
  };
}
