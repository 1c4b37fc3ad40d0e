/** From a file, data and choices to a model that trains. Pure, but for what it runs of the file. */
import { UserError } from '../../errors.ts';
import { expectPatternText } from '../../expect.ts';
import type { ImportedModel } from '../../import/import-model.ts';
import { headParameters } from '../../import/new-head.ts';
import { readModel } from '../../import/onnx-model.ts';
import { startingFile } from '../../import/starting-file.ts';
import { exactly } from '../../import/variables.ts';
import { withFeatureTypes } from '../../run/feature-types.ts';
import { type HowRead, importFor } from '../../tasks/import-for.ts';
import { importedTask } from '../../tasks/imported.ts';
import type { OnnxSpec } from '../../tasks/spec.ts';
import type { Fields, Task } from '../../tasks/task.ts';
import { inputsOf, type OwnFile } from './file.ts';
import type { Choices } from './messages.ts';

/** A model that is ready to train. */
export interface PlannedModel {
  readonly model: ImportedModel;
  readonly task: Task;
  /** What the data give. */
  readonly data: Fields;
  readonly lora: OnnxSpec['lora'];
}

/**
 * What the choices make of a file; `classes` are those of the data. Throws UserError where they do not fit the file or the
 * data.
 */
export async function planModel(file: OwnFile, choices: Choices, classes: number): Promise<PlannedModel> {
  const { loss, output, dims } = choices;
  const hasNewHead = loss === 'cross-entropy' && (choices.newHead || choices.what === 'head');
  if (choices.what === 'head' && !hasNewHead) {
    throw new UserError(
      'a new head has a class for each of several outputs: take cross-entropy as the loss, or train a pattern',
    );
  }
  const bytes = startingFile(file.bytes, hasNewHead ? { classes, output } : {});
  const head = hasNewHead ? exactly(headParameters(readModel(bytes), output)) : undefined;
  const how = await withFeatureTypes(bytes, { ...{ loss, output, dims }, ...trained(choices, head) });
  const model = importFor(bytes, how);
  const guessed = inputsOf(model.source, dims);
  const layout = guessed.layout ?? 'channels-first';
  const task = importedTask(model, {
    ...{ loss, inputs: guessed.inputs, sha256: '' },
    image: { order: choices.order, layout },
  });
  const known = task.classes;
  if (known !== undefined && known !== classes) {
    throw new UserError(
      `${file.name} tells ${known} classes apart, and the data have ${classes}: choose a new last layer`,
    );
  }
  return { model, task, data: task.trunk?.fields ?? task.fields, lora: how.lora };
}

/** The parameters that train. */
function trained(
  { what, pattern, rank }: Choices,
  head: string | undefined,
): Pick<HowRead, 'trainable' | 'lora'> {
  if (what === 'all') return {};
  if (what === 'head') return { ...(head !== undefined && { trainable: head }) };
  if (pattern.trim() === '') throw new UserError('pattern: expected a regular expression, got none');
  expectPatternText('pattern', pattern);
  if (what === 'pattern') return { trainable: head === undefined ? pattern : `(${pattern})|${head}` };
  if (!Number.isSafeInteger(rank) || rank < 1)
    throw new UserError(`rank: expected a whole number of 1 or more, got ${rank}`);
  return {
    lora: { target: pattern, rank, alpha: 2 * rank },
    ...(head !== undefined && { trainable: head }),
  };
}
