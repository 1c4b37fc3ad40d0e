/** A trained model from a checkpoint, ready to be evaluated, exported or shown. */

import { createSession } from '#runtime';
import { buildInference } from '../artifacts/build.ts';
import { parseConfig } from '../config/config.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { imageFields } from '../data/images.ts';
import { serialize } from '../onnx/serialize.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { ModelCheckpoint } from '../storage/checkpoint.ts';
import { documentFile, loadModel } from '../storage/checkpoint-folder.node.ts';
import { parseSpec, type Spec } from '../tasks/spec.ts';

export interface TrainedModel {
  readonly checkpoint: ModelCheckpoint;
  readonly spec: Spec;
  /** Parameters by path, as inputs of an inference session. */
  readonly weights: Readonly<Record<string, Tensor>>;
  /** Its dataset: in the folder `data` if one is given, otherwise where it was in training. */
  readonly source: DatasetSource;
}

/** Loads a model. `folder`: a run, its `last` or `best`, or a checkpoint. Throws UserError. */
export async function openModel(folder: string, data?: string): Promise<TrainedModel> {
  const checkpoint = await loadModel(folder);
  const file = await documentFile(folder);
  const spec = parseSpec(checkpoint.graph.spec, `${file}: graph`);
  const config = parseConfig(checkpoint.config, `${file}: config`);
  const weights = checkpoint.parameters.map(({ name, shape, data: values }): [string, Tensor] => [
    name,
    { dtype: 'float32', shape, data: values },
  ]);
  return {
    checkpoint,
    spec,
    weights: Object.fromEntries(weights),
    source: {
      dataset: spec.dataset,
      dir: data ?? config.data,
      fields: imageFields(spec.image),
      classes: spec.classes,
    },
  };
}

/** A session of the model's forward pass. The weights are inputs of it. */
export function openInference(spec: Spec, options: Parameters<typeof createSession>[1]): Promise<Session> {
  return createSession(serialize(buildInference(spec)), options);
}
