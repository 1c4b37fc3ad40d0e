/** An ONNX file that somebody exported for inference, and a loss → the artifacts of a training session. Also for browsers. */
import { show, UserError } from '../errors.ts';
import { LOSS_NAMES } from '../losses/names.ts';
import type { Fields } from '../tasks/task.ts';
import type { ArtifactOptions, TrainingArtifacts } from './artifact-options.ts';
import { artifactsOf } from './artifacts.ts';
import type { LossChoice } from './losses.ts';
import { type ReadOptions, recipeOf, taskFrom } from './recipe.ts';

/** What the artifacts are made for: `loss` must be given, all else has a default. */
export interface GenerateOptions extends ArtifactOptions, Omit<ReadOptions, 'trainable' | 'frozen'> {
  /** A loss by its name, with what is not as usual, or a function of outputs and fields. */
  readonly loss: LossChoice;
  /** What a loss of your own reads besides the model's inputs. */
  readonly fields?: Fields;
}

/**
 * Artifacts for `TrainingSession.create`, as Python's `onnxruntime.training.artifacts.generate_artifacts` makes them, of
 * plain bytes. Inputs are the model's, and those of the loss: `labels` int32 (int64 is read, too) for classes, −100 where
 * nothing counts; `target` float32 for numbers. Nodes that nothing trained feeds stay as they are, in `trunkModel`. Throws
 * UserError for a file that is damaged or cannot be trained through, and for options that do not fit it.
 */
export function generateArtifacts(bytes: Uint8Array, options: GenerateOptions): TrainingArtifacts {
  if (!(bytes instanceof Uint8Array))
    throw new UserError(`generateArtifacts: expected the bytes of an ONNX file, got ${show(bytes)}`);
  if (typeof options !== 'object' || options?.loss === undefined) {
    throw new UserError(
      `generateArtifacts: expected { loss }: one of ${LOSS_NAMES.join(', ')}, or a function of (outputs, fields)`,
    );
  }
  const { loss, fields, dims, fix, outputs, external, dropout, lora, features, ...others } = options;
  const { trainable, frozen, ...written } = others;
  const read: ReadOptions = { dims, fix, outputs, external, dropout, lora, features, trainable, frozen };
  const { task, labels, exported, order, weights } = taskFrom(bytes, loss, read, fields);
  const recipe = recipeOf(loss, read);
  const made = artifactsOf(task, written, { weights: weights(), labels, recipe, exported, order });
  return { ...made, forwardModel: bytes };
}
