/**
 * How a task follows from an ONNX file, as JSON: with it and the file a session writes graphs for any batch, and exports
 * the file itself with trained weights. Also for browsers.
 */

import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { exportTrained } from '../import/export.ts';
import { type ImportedModel, modelOf } from '../import/import-model.ts';
import type { LoraOptions } from '../import/lora.ts';
import { type OnnxModel, readModel } from '../import/onnx-model.ts';
import { type ImportOptions, planOf } from '../import/plan.ts';
import { LOSS_NAMES } from '../losses/names.ts';
import { staticShape } from '../onnx/shapes.ts';
import { beforeSoftmax } from '../tasks/import-for.ts';
import type { Fields, Task, TrunkGraph } from '../tasks/task.ts';
import { tracePrediction } from '../tasks/trace.ts';
import type { TrainingDocument } from './document.ts';
import { type LossChoice, type LossPlan, lossPlan, type NamedLoss, USUAL_OUTPUT } from './losses.ts';

const pattern = v.object({ source: v.string(), flags: v.string() });
const optional = <S extends v.GenericSchema>(schema: S) => v.exactOptional(schema);

/** What of `GenerateOptions` a file can hold. */
export const recipeSchema = v.object({
  loss: v.object({
    kind: v.picklist(LOSS_NAMES),
    output: optional(v.string()),
    target: optional(v.string()),
    smoothing: optional(v.number()),
    axis: optional(v.number()),
    mask: optional(v.string()),
  }),
  dims: optional(v.record(v.string(), v.number())),
  fix: optional(v.record(v.string(), v.number())),
  outputs: optional(v.array(v.string())),
  dropout: optional(v.boolean()),
  trainable: optional(pattern),
  frozen: optional(pattern),
  lora: optional(v.object({ target: pattern, rank: v.number(), alpha: v.number() })),
});

export type Recipe = v.InferOutput<typeof recipeSchema>;

/** How a model is read from a file. */
export type ReadOptions = Pick<
  ImportOptions,
  'dims' | 'fix' | 'outputs' | 'dropout' | 'external' | 'trainable' | 'frozen' | 'lora' | 'features'
>;

/** The recipe of options; null where they have functions, which no file holds. */
export function recipeOf(loss: LossChoice, options: ReadOptions): Recipe | null {
  const { dims, fix, outputs, dropout, external, features, trainable, frozen, lora } = options;
  if (typeof loss === 'function' || external !== undefined || features !== undefined) return null;
  return {
    loss: typeof loss === 'string' ? { kind: loss } : { ...loss },
    ...(dims && { dims: { ...dims } }),
    ...(fix && { fix: { ...fix } }),
    ...(outputs && { outputs: [...outputs] }),
    ...(dropout !== undefined && { dropout }),
    ...(trainable !== undefined && { trainable: written(trainable) }),
    ...(frozen !== undefined && { frozen: written(frozen) }),
    ...(lora && { lora: { ...lora, target: written(lora.target) } }),
  };
}

function written(regexp: RegExp | string): v.InferOutput<typeof pattern> {
  return typeof regexp === 'string'
    ? { source: regexp, flags: '' }
    : { source: regexp.source, flags: regexp.flags };
}

/** The options that a recipe was made from. */
export function optionsIn({ dims, fix, outputs, dropout, trainable, frozen, lora }: Recipe): ReadOptions {
  const read = ({ source, flags }: v.InferOutput<typeof pattern>): RegExp => new RegExp(source, flags);
  const adapters: LoraOptions | undefined = lora && { ...lora, target: read(lora.target) };
  return {
    ...(dims && { dims }),
    ...(fix && { fix }),
    ...(outputs && { outputs }),
    ...(dropout !== undefined && { dropout }),
    ...(trainable && { trainable: read(trainable) }),
    ...(frozen && { frozen: read(frozen) }),
    ...(adapters && { lora: adapters }),
  };
}

/** A model that was read from a file, with a loss. */
export interface ModelTask {
  readonly task: Task;
  readonly labels: TrainingDocument['labels'];
  /** The file with other numbers in place of its own, adapters merged. */
  readonly exported: (values: ReadonlyMap<string, Float32Array>) => Uint8Array;
  /** Paths of the variables in the file's order. */
  readonly order: readonly string[];
  /** What the file's variables begin with, by path. */
  readonly weights: () => ReadonlyMap<string, Float32Array>;
}

/** Throws UserError for a file that cannot be trained through, and a loss that does not fit it. */
export function taskFrom(
  bytes: Uint8Array,
  loss: LossChoice,
  options: ReadOptions,
  fields: Fields = {},
): ModelTask {
  const source = readModel(bytes, options.external);
  const wanted = withLogits(source, loss, options.outputs);
  const model = modelOf(planOf(source, { ...options, outputs: wanted.outputs }));
  expectTrained(model, options);
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
  const known = { inputs: dataOf(model, {}), outputs: Object.fromEntries(shapes) };
  const plan = lossPlan(wanted.loss, known, fields);
  return {
    task: { ...task({ ...direct(model, plan), ...plan.fields }, plan.loss), ...trunkOf(model, plan) },
    labels: plan.labels,
    exported: (values) => exportTrained(model.source, { values, adapters: model.adapters }),
    order: model.variables.map(({ path }) => path),
    weights: () => model.weights(),
  };
}

/**
 * The outputs of the file and, where the one that a loss wants logits of is a Softmax or a Sigmoid, what goes into that,
 * which the loss then takes.
 */
function withLogits(
  source: OnnxModel,
  choice: LossChoice,
  outputs: ReadOptions['outputs'],
): { readonly outputs: readonly string[]; readonly loss: LossChoice } {
  const all = outputs ?? source.outputs;
  if (typeof choice === 'function' || choice === null) return { outputs: all, loss: choice };
  const loss: NamedLoss = typeof choice === 'string' ? { kind: choice } : choice;
  const output = loss?.output ?? (all.length === 1 ? all[0] : USUAL_OUTPUT);
  if (output === undefined || !all.includes(output)) return { outputs: all, loss };
  const logits = beforeSoftmax(source.nodes, loss.kind, output);
  return logits === output
    ? { outputs: all, loss }
    : { outputs: [...all, logits], loss: { ...loss, output: logits } };
}

/** Inputs of the file that the loss reads, though no node that is lowered does: a mask that only the trunk takes. */
function direct({ inputs, trunk }: ImportedModel, { reads }: LossPlan): Fields {
  return Object.fromEntries(
    Object.entries(trunk?.inputs ?? {}).filter(
      ([name]) => reads.includes(name) && !Object.hasOwn(inputs, name),
    ),
  );
}

/** The inputs of the file in its order, then what the loss needs besides. */
function dataOf({ inputs, trunk, source }: ImportedModel, more: Fields): Fields {
  const all: Fields = { ...inputs, ...trunk?.inputs };
  const known = source.inputs.flatMap(({ name }) => {
    const field = all[name];
    return field ? [[name, field] as const] : [];
  });
  return { ...Object.fromEntries(known), ...more };
}

function trunkOf(model: ImportedModel, plan: LossPlan): Pick<Task, 'trunk'> {
  const { trunk } = model;
  if (!trunk) return {};
  const same = (names: Fields): Record<string, string> =>
    Object.fromEntries(Object.keys(names).map((name) => [name, name]));
  const graph: TrunkGraph = {
    bytes: () => trunk.bytes(),
    ...(trunk.batch !== undefined && { batch: trunk.batch }),
    inputs: same(trunk.inputs),
    outputs: same(trunk.features),
  };
  return { trunk: { fields: dataOf(model, plan.fields), graphs: [graph] } };
}

function expectTrained({ variables, source }: ImportedModel, { trainable, frozen }: ReadOptions): void {
  if (variables.some(({ role }) => role === 'trainable')) return;
  const names = [...source.initializers.keys()];
  const shown = `${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''}`;
  throw new UserError(
    trainable === undefined && frozen === undefined
      ? `generateArtifacts: expected a file with float tensors to train, got ${shown || 'none'}`
      : `trainable: expected it to find tensors of the file that frozen does not, ${shown}, got ${trainable ?? frozen}`,
  );
}
