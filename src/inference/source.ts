/** Where the examples of a run lie, and what is asked of them. Also for browsers. */
import { holdOutOf, type TrainConfig } from '../config/config.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { stepsFor } from '../data/names.ts';
import { type Augmentation, mixesLabels } from '../tasks/augmentation.ts';
import {
  isImageSpec,
  isModuleSpec,
  isOnnxSpec,
  type OnnxSpec,
  type OwnSpec,
  type Spec,
} from '../tasks/spec.ts';
import { dataFields, type Task } from '../tasks/task.ts';

/** Where the examples lie that a run of a config takes, and what its task expects of them. */
export function datasetSource(
  config: TrainConfig,
  { spec, task }: { readonly spec: Spec; readonly task: Task },
): DatasetSource {
  return {
    dataset: spec.dataset,
    dir: config.data,
    fields: dataFields(task),
    ...(isModuleSpec(spec)
      ? {}
      : isOnnxSpec(spec)
        ? expectationsOfFile(spec, task)
        : expectationsOf(spec, config)),
    augmentation: augmentationOf(config, spec),
    onBroken: config.onBroken,
    trainFraction: config.trainFraction,
    holdOut: holdOutOf(config),
  };
}

/** What training images go through: what the config says or, at `auto`, what the spec does. */
export function augmentationOf({ augment }: Pick<TrainConfig, 'augment'>, spec: Spec): Augmentation {
  return augment === 'auto' && (isImageSpec(spec) || isOnnxSpec(spec))
    ? (spec.augmentation ?? 'auto')
    : augment;
}

/** The spec as a run uses it: where images are mixed, its graphs read distributions over the classes as labels. */
export function specInUse<S extends Spec>(spec: S, config: Pick<TrainConfig, 'augment'>): S {
  if (!isImageSpec(spec) || !mixesLabels(stepsFor(augmentationOf(config, spec), spec.dataset))) return spec;
  return { ...spec, labels: 'distributions' };
}

/** What a spec asks of its dataset beside the fields. */
function expectationsOf(
  spec: OwnSpec,
  { channelStatistics }: TrainConfig,
): Pick<DatasetSource, 'classes' | 'scale' | 'vocabulary' | 'options'> {
  // A scale of 1 tells errors of the target as the model sees it.
  if (spec.task === 'table' && spec.scale !== 1) return { classes: spec.classes, scale: spec.scale };
  if (spec.task === 'images' && channelStatistics === 'exact')
    return { classes: spec.classes, options: { channelStatistics } };
  if (spec.task !== 'text') return { classes: spec.classes };
  const { classes, tokens, length, model } = spec;
  const { vocabulary } = model;
  return { classes, vocabulary, options: tokens === 'bytes' ? { length } : { tokens, vocabulary, length } };
}

/** What the spec of an ONNX file asks of its dataset: as many classes as the file's output tells apart. */
function expectationsOfFile(
  { image, tokens, vocabulary }: OnnxSpec,
  task: Task,
): Pick<DatasetSource, 'classes' | 'vocabulary' | 'options' | 'normalization'> {
  const { mean, std } = image ?? {};
  const length = dataFields(task).tokens?.shape[0];
  return {
    ...(task.classes !== undefined && { classes: task.classes }),
    ...(mean && std && { normalization: { mean, std } }),
    ...(vocabulary !== undefined && { vocabulary }),
    ...(tokens !== undefined &&
      length !== undefined && {
        options:
          tokens === 'bytes'
            ? { length }
            : { tokens, length, ...(vocabulary !== undefined && { vocabulary }) },
      }),
  };
}
