/** A trained model from a checkpoint, ready to be evaluated, exported or shown. */

import path from 'node:path';
import { createSession } from '#runtime';
import { evaluationGraph, inferenceGraph } from '../artifacts/graphs.ts';
import { findGraph, openModule } from '../artifacts/store.node.ts';
import { parseConfig } from '../config/config.ts';
import type { DatasetSource } from '../data/dataset.ts';
import { UserError } from '../errors.ts';
import { serialize } from '../onnx/serialize.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { ModelCheckpoint } from '../storage/checkpoint.ts';
import { documentFile, loadCheckpoint, loadModel } from '../storage/checkpoint-folder.node.ts';
import { readTask } from '../tasks/imported.node.ts';
import { taskOf } from '../tasks/own.ts';
import { parseSpec } from '../tasks/parse-spec.ts';
import { isModuleSpec, isOnnxSpec, type Spec } from '../tasks/spec.ts';
import type { Task } from '../tasks/task.ts';
import { datasetSource } from './source.ts';
import { withStart } from './start.ts';

export interface TrainedModel {
  readonly checkpoint: ModelCheckpoint;
  readonly spec: Spec;
  readonly task: Task;
  /** All variables by path, as inputs of a session. */
  readonly weights: Readonly<Record<string, Tensor>>;
  /** Of an imported model, the ONNX file that it was read from. */
  readonly onnxFile?: string;
  /** Its dataset: in the folder `data` if one is given, otherwise where it was in training. */
  readonly source: DatasetSource;
}

export interface OpenModelOptions {
  /** The folder of the dataset. */
  readonly data?: string | undefined;
  /**
   * The module that the task of a user's own is in: a checkpoint never imports code by itself. Of an imported ONNX file,
   * where that is now.
   */
  readonly model?: string | undefined;
  /** Whether to take the averaged weights of a run with `ema`. */
  readonly ema?: boolean;
}

/**
 * Loads a model. `folder`: a run, its `last` or `best`, or a checkpoint. Throws UserError, also where the task is of a
 * module that was not given.
 */
export async function openModel(
  folder: string,
  { data, model, ema = false }: OpenModelOptions = {},
): Promise<TrainedModel> {
  const checkpoint = ema ? await loadAverage(folder) : await loadModel(folder);
  const file = await documentFile(folder);
  const spec = parseSpec(checkpoint.graph.spec, `${file}: graph`);
  const config = parseConfig(checkpoint.config, `${file}: config`);
  const onnxFile = isOnnxSpec(spec)
    ? (model ?? path.join(findGraph(config.graph) ?? config.graph, spec.file))
    : undefined;
  const task = await taskIn(spec, { file, model, onnxFile });
  const weights = withStart(task, checkpoint.parameters).map(
    ({ name, shape, data: values }): [string, Tensor] => [name, { dtype: 'float32', shape, data: values }],
  );
  const source = datasetSource({ ...config, data: data ?? config.data }, { spec, task });
  return {
    ...{ checkpoint, spec, task, ...(onnxFile !== undefined && { onnxFile }) },
    weights: Object.fromEntries(weights),
    source: { ...source, trainFraction: undefined, holdOut: undefined },
  };
}

/** The checkpoint with the averaged weights as its parameters. */
async function loadAverage(folder: string): Promise<ModelCheckpoint> {
  const { optimizer, ...checkpoint } = await loadCheckpoint(folder);
  const average = new Map(optimizer.slots.ema?.map((tensor) => [tensor.name, tensor]));
  if (average.size === 0) {
    throw new UserError(
      `${folder}: --ema: it holds no averaged weights; train with --ema 0.999, or leave --ema out`,
    );
  }
  const parameters = checkpoint.parameters.map((tensor) => average.get(tensor.name) ?? tensor);
  return { ...checkpoint, parameters };
}

/** Where the task of a checkpoint is: `file` holds its spec. */
interface Place {
  readonly file: string;
  /** What `--model` names. */
  readonly model: string | undefined;
  readonly onnxFile: string | undefined;
}

async function taskIn(spec: Spec, { file, model, onnxFile }: Place): Promise<Task> {
  if (isOnnxSpec(spec)) return readTask(spec, onnxFile ?? spec.file);
  if (!isModuleSpec(spec)) {
    if (model === undefined) return taskOf(spec);
    throw new UserError(`--model ${model}: ${file} holds a model of ortgrad's own; leave --model out`);
  }
  if (model === undefined) {
    throw new UserError(
      `${file}: its task is in the module ${spec.task.module}, which a checkpoint does not import by itself; give --model ${spec.task.module}`,
    );
  }
  return (await openModule(model, spec)).task;
}

/** A session of the model's forward pass. The weights are inputs of it. */
export function openInference(task: Task, options: Parameters<typeof createSession>[1]): Promise<Session> {
  return createSession(serialize(inferenceGraph(task)), options);
}

/** A session that measures the model; the weights are inputs of it. */
export function openEvaluation(task: Task, options: Parameters<typeof createSession>[1]): Promise<Session> {
  return createSession(serialize(evaluationGraph(task)), options);
}
