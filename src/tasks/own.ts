/** The tasks that a spec can name: what each learns, from which fields, with which model. */
import { fieldOf } from '../metrics/names.ts';
import { buildModel, buildTableModel, buildTextModel } from '../models/index.ts';
import { reshape } from '../onnx/ops.ts';
import { classification } from './classification.ts';
import { regression } from './regression.ts';
import type { ImageSpec, OwnSpec, TableSpec, TextSpec } from './spec.ts';
import type { Task } from './task.ts';

/** The task that a spec describes. */
export function taskOf(spec: OwnSpec): Task {
  switch (spec.task) {
    case 'images':
      return imagesTask(spec);
    case 'table':
      return tableTask(spec);
    case 'text':
      return textTask(spec);
  }
}

/** images float32 [batch, channels, height, width] → logits [batch, classes]. */
function imagesTask({ image: { channels, height, width }, classes, labels, model }: ImageSpec): Task {
  return classification({
    ...(labels !== undefined && { labels }),
    fields: { images: { dtype: 'float32', shape: [channels, height, width] } },
    classes,
    model: (scope, fields) => buildModel(scope, fieldOf(fields, 'images'), classes, model),
  });
}

/** x float32 [batch, features] → a number [batch], or logits [batch, classes]. */
function tableTask({ features, classes, loss, scale, unit, model }: TableSpec): Task {
  const fields = { x: { dtype: 'float32', shape: [features] } } as const;
  if (classes !== undefined) {
    return classification({
      fields,
      classes,
      model: (scope, given) => buildTableModel(scope, fieldOf(given, 'x'), classes, model),
    });
  }
  return regression({
    ...{ fields, loss, scale },
    ...(unit !== undefined && { unit }),
    model: (scope, given) => {
      const prediction = buildTableModel(scope, fieldOf(given, 'x'), 1, model);
      return reshape(prediction, prediction.shape.slice(0, 1));
    },
  });
}

/** tokens int32 [batch, length] → logits [batch, classes]. */
function textTask({ length, classes, model }: TextSpec): Task {
  return classification({
    fields: { tokens: { dtype: 'int32', shape: [length] } },
    classes,
    model: (scope, fields) => buildTextModel(scope, fieldOf(fields, 'tokens'), classes, model),
  });
}
