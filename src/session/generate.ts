/** An ONNX file that somebody exported for inference, and a loss → the artifacts of a training session. Also for browsers. */
import { show, UserError } from '../errors.ts';
import type { Weights } from '../fit/weights.ts';
import { type ImportedModel, type ImportOptions, importModel } from '../import/import-model.ts';
import { staticShape } from '../onnx/shapes.ts';
import type { Fields, Task } from '../tasks/task.ts';
import { tracePrediction } from '../tasks/trace.ts';
import { type ArtifactOptions, artifactsOf, type TrainingArtifacts } from './artifacts.ts';
import { LOSS_NAMES, type LossChoice, lossPlan } from './losses.ts';

/** What the artifacts are made for: `loss` must be given, all else has a default. */
export interface GenerateOptions
  extends ArtifactOptions,
    Pick<ImportOptions, 'dims' | 'outputs' | 'external' | 'dropout'> {
  /** A loss by its name, with what is not as usual, or a function of outputs and fields. */
  readonly loss: LossChoice;
  /** What a loss of your own reads besides the model's inputs. */
  readonly fields?: Fields;
}

/**
 * Artifacts for `TrainingSession.create`, as Python's `onnxruntime.training.artifacts.generate_artifacts` makes them, of
 * plain bytes. Inputs are the model's, and those of the loss: `labels` int32 (int64 is read, too) for classes, −100 where
 * nothing counts; `target` float32 for numbers. Throws UserError for a file that is damaged or cannot be trained through,
 * and for options that do not fit it.
 */
export function generateArtifacts(bytes: Uint8Array, options: GenerateOptions): TrainingArtifacts {
  if (!(bytes instanceof Uint8Array))
    throw new UserError(`generateArtifacts: expected the bytes of an ONNX file, got ${show(bytes)}`);
  if (typeof options !== 'object' || options?.loss === undefined) {
    throw new UserError(
      `generateArtifacts: expected { loss }: one of ${LOSS_NAMES.join(', ')}, or a function of (outputs, fields)`,
    );
  }
  const { loss, fields, dims, outputs, external, dropout, trainable, frozen, ...written } = options;
  const model = importModel(bytes, {
    ...{ trainable, frozen },
    ...(dims !== undefined && { dims }),
    ...(outputs !== undefined && { outputs }),
    ...(external !== undefined && { external }),
    ...(dropout !== undefined && { dropout }),
  });
  const { task, labels } = taskOfModel(model, loss, fields);
  return artifactsOf(task, written, { weights: weightsOf(model), labels });
}

/** The task of a model with a loss. */
export function taskOfModel(
  model: ImportedModel,
  loss: LossChoice,
  fields: Fields = {},
): { readonly task: Task; readonly labels: ReturnType<typeof lossPlan>['labels'] } {
  const { inputs } = model;
  const task = (more: Fields, terms: Task['loss']): Task => ({
    fields: { ...inputs, ...more },
    predict: (scope, given) => model.predict(scope, given),
    loss: terms,
    metrics: {},
  });
  const { outputs } = tracePrediction(
    task({}, () => ({})),
    'batch',
  );
  const shapes = Object.entries(outputs).map(
    ([name, { dtype, shape }]) => [name, { dtype, shape: staticShape(shape.slice(1), name) }] as const,
  );
  const plan = lossPlan(loss, { inputs, outputs: Object.fromEntries(shapes) }, fields);
  return { task: task(plan.fields, plan.loss), labels: plan.labels };
}

function weightsOf(model: ImportedModel): Weights {
  const weights = model.weights();
  return Object.fromEntries(
    model.variables.map(({ path, shape }) => [
      path,
      { shape, data: weights.get(path) ?? new Float32Array() },
    ]),
  );
}
