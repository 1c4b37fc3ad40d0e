/** Where the examples of a run lie, and what is asked of them. Also for browsers. */
import { holdOutOf, type TrainConfig } from '../config/config.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { isModuleSpec, type OwnSpec, type Spec } from '../tasks/spec.ts';
import type { Task } from '../tasks/task.ts';

/** Where the examples lie that a run of a config takes, and what its task expects of them. */
export function datasetSource(
  config: TrainConfig,
  { spec, task }: { readonly spec: Spec; readonly task: Task },
): DatasetSource {
  return {
    dataset: spec.dataset,
    dir: config.data,
    fields: task.fields,
    ...(isModuleSpec(spec) ? {} : expectationsOf(spec)),
    augmentation: config.augment,
    trainFraction: config.trainFraction,
    holdOut: holdOutOf(config),
  };
}

/** What a spec asks of its dataset beside the fields. */
function expectationsOf(spec: OwnSpec): Pick<DatasetSource, 'classes' | 'options'> {
  if (spec.task !== 'text') return { classes: spec.classes };
  const { classes, length, model } = spec;
  return { classes, options: { vocabulary: model.vocabulary, length } };
}
