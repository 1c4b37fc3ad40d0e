/**
 * A checkpoint: all that a run needs to resume as if it had never stopped, and all that is needed to use its model.
 * Random numbers are counter-based (see random.ts), so the seed and the step are the whole state of the generator. It has
 * three files. `model.safetensors` can be used on its own. `optimizer.safetensors` holds the optimizer's slots as
 * `<slot>/<parameter>`. `checkpoint.json` holds the rest, the size and digest of both files, and a digest of itself.
 * Pure: also for browsers.
 */
import * as v from 'valibot';
import type { DatasetInfo, Json } from '../data/dataset.ts';
import { describeImages, type ImageInfo } from '../data/images.ts';
import { DATASET_NAMES } from '../data/names.ts';
import { isIntact, withDigest } from '../digest.ts';
import { show, UserError } from '../errors.ts';
import { jsonText } from '../json-text.ts';
import type { MetricInfos } from '../metrics/info.ts';
import { sumOfSquares } from '../step/vectors.ts';
import { FIELD_TYPES } from '../tasks/task.ts';
import { Better, Info } from './metrics.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from './safetensors.ts';

/** In a run's folder: its checkpoints, each under the name of its step. */
export const CHECKPOINTS = 'checkpoints';
export const stepName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

export const DOCUMENT = 'checkpoint.json';
/** In a run's folder: the variables that are not trained, the same for all its checkpoints. */
export const FROZEN_FILE = 'frozen.safetensors';
export const TENSOR_FILES = { model: 'model.safetensors', optimizer: 'optimizer.safetensors' } as const;

const VERSION = 2;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** `ImageInfo` as it is in files. */
export const Images = v.object({
  name: v.picklist(DATASET_NAMES),
  channels: count,
  height: count,
  width: count,
  classes: v.array(v.string()),
  mean: v.array(v.number()),
  std: v.array(v.number()),
  found: v.string(),
}) satisfies v.GenericSchema<unknown, ImageInfo>;

const json: v.GenericSchema<Json> = v.lazy(() =>
  v.union([v.null(), v.boolean(), v.number(), v.string(), v.array(json), v.record(v.string(), json)]),
);

/** `DatasetInfo` as it is in files. Version 1 had that of images only. */
const Dataset = v.union([
  v.object({
    name: v.string(),
    fields: v.record(v.string(), v.object({ dtype: v.picklist(FIELD_TYPES), shape: v.array(count) })),
    found: v.string(),
    about: v.record(v.string(), json),
    bytes: v.optional(v.number(), 0),
  }),
  v.pipe(
    Images,
    v.transform((info): DatasetInfo => describeImages(info)),
  ),
]) satisfies v.GenericSchema<unknown, DatasetInfo>;

const FileSum = v.object({ bytes: count, sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });

const Best = v.pipe(
  v.object({
    /** The metric that judged. Without one the loss did. */
    metric: v.exactOptional(v.string()),
    /** Missing where it was not finite. */
    value: v.exactOptional(v.number()),
    better: v.exactOptional(Better),
    /** In old checkpoints, instead of metric, value and better. */
    top1: v.exactOptional(v.number()),
    step: count,
    /** Missing where it was not finite, and in old checkpoints from when it did not decide. */
    loss: v.exactOptional(v.number()),
    /** What was evaluated. Old checkpoints from when that was always the test set do not say so. */
    split: v.exactOptional(v.picklist(['validation', 'test']), 'test'),
  }),
  v.transform(({ top1, ...best }) =>
    top1 === undefined ? best : { ...best, metric: 'top1', value: top1, better: 'higher' as const },
  ),
);

/** `checkpoint.json`. */
const Document = v.object({
  /** Version 1 knew classifiers of images only. */
  version: v.picklist([1, VERSION]),
  /** Optimizer steps done. */
  step: count,
  /** Whole epochs done. */
  epoch: count,
  generator: v.object({ seed: count }),
  /** The best evaluation so far (best.ts), and the step after which it was taken. */
  best: v.nullable(Best),
  /** How the run's metrics are shown. Missing in old checkpoints, of runs that all measured the same (metrics/info.ts). */
  metrics: v.exactOptional(v.array(Info)),
  /** As `parseConfig` reads it. */
  config: v.record(v.string(), v.unknown()),
  /**
   * `spec` as in the graph's spec.json; `hash` is of the graphs' files. `task`, of a user's module: the hash of what it
   * computes (artifacts/store.node.ts), by which a changed one is known.
   */
  graph: v.object({
    name: v.string(),
    hash: v.string(),
    spec: v.unknown(),
    task: v.exactOptional(v.string()),
  }),
  dataset: Dataset,
  optimizer: v.object({ name: v.string(), slots: v.array(v.string()) }),
  /** `frozen`: of the file in the run's folder that holds what is not trained, if there is any. */
  files: v.object({ model: FileSum, optimizer: FileSum, frozen: v.exactOptional(FileSum) }),
});

export type FileSum = Readonly<v.InferOutput<typeof FileSum>>;
export type CheckpointDocument = Readonly<v.InferOutput<typeof Document>>;
export type CheckpointPart = keyof typeof TENSOR_FILES;

/** What is needed to use a trained model. */
export interface ModelCheckpoint
  extends Pick<CheckpointDocument, 'step' | 'epoch' | 'generator' | 'best' | 'graph'> {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dataset: DatasetInfo;
  readonly metrics?: MetricInfos;
  /** Trained variables and those of state; where it was loaded, the frozen ones too. */
  readonly parameters: readonly NamedTensor[];
}

/** What is needed to resume its training. */
export interface Checkpoint extends ModelCheckpoint {
  /** Of the file that holds the frozen variables, if there are any. */
  readonly frozen?: FileSum;
  readonly optimizer: {
    readonly name: string;
    /** Per slot (`mu`, `nu`) its tensors. A slot's name has no `/`. */
    readonly slots: Readonly<Record<string, readonly NamedTensor[]>>;
  };
}

/** Names the first tensor of a checkpoint that holds a number that is not finite. Undefined if all are finite. */
export function notFinite({
  parameters,
  optimizer,
}: Pick<Checkpoint, 'parameters' | 'optimizer'>): string | undefined {
  const broken = firstNotFinite(parameters);
  if (broken) return `parameter ${broken.name}`;
  for (const [slot, tensors] of Object.entries(optimizer.slots)) {
    const found = firstNotFinite(tensors);
    if (found) return `the optimizer's ${slot} of ${found.name}`;
  }
  return undefined;
}

/** One sum checks a whole tensor: squares of finite float32 numbers do not overflow a float64 sum. */
function firstNotFinite(tensors: readonly NamedTensor[]): NamedTensor | undefined {
  return tensors.find(({ data }) => data instanceof Float32Array && !Number.isFinite(sumOfSquares(data)));
}

/**
 * The tensor files, each as pieces to be written in order. The pieces view the checkpoint's data; nothing is copied.
 * Throws a UserError for numbers that are not finite, because a run cannot resume from them.
 */
export function encodeTensors(checkpoint: Checkpoint): Record<CheckpointPart, Uint8Array[]> {
  const { step, graph, parameters, optimizer } = checkpoint;
  const broken = notFinite(checkpoint);
  if (broken !== undefined) {
    throw new UserError(
      `step ${step} is not saved: ${broken} is not finite; take an earlier checkpoint, or train again with a lower learning rate`,
    );
  }
  const about = { producer: 'ortgrad', graph: graph.name, graph_hash: graph.hash, step: String(step) };
  const slots = Object.entries(optimizer.slots).flatMap(([slot, tensors]) => {
    if (slot.includes('/')) throw new Error(`internal: optimizer slot ${slot} has a /`);
    return tensors.map((tensor) => ({ ...tensor, name: `${slot}/${tensor.name}` }));
  });
  return {
    model: encodeSafetensors(parameters, about),
    optimizer: encodeSafetensors(slots, { ...about, optimizer: optimizer.name }),
  };
}

/** The text of `checkpoint.json`, once the sums of the tensor files are known. */
export async function encodeDocument(
  checkpoint: Checkpoint,
  files: Readonly<Record<CheckpointPart, FileSum>>,
): Promise<string> {
  const { name, slots } = checkpoint.optimizer;
  const document = v.parse(Document, {
    ...checkpoint,
    version: VERSION,
    optimizer: { name, slots: Object.keys(slots) },
    files: { ...files, ...(checkpoint.frozen && { frozen: checkpoint.frozen }) },
  });
  return jsonText(await withDigest(document));
}

/**
 * Checks the value in `checkpoint.json`, which `origin` names in errors. Throws a UserError for the first thing that does
 * not fit, and if the digest shows that the file was changed.
 */
export async function decodeDocument(json: unknown, origin: string): Promise<CheckpointDocument> {
  const result = v.safeParse(Document, json);
  if (!result.success) throw unfit(result.issues[0], origin);
  if (await isIntact(json)) return result.output;
  throw new UserError(
    `${origin}: it was edited or damaged after it was saved (its digest differs); undo the edit, or take another checkpoint of the run. To change an option, give its flag with --resume, or begin a new run`,
  );
}

function unfit(issue: v.BaseIssue<unknown>, origin: string): UserError {
  const path = v.getDotPath(issue) ?? 'checkpoint';
  if (issue.input === undefined)
    return new UserError(`${origin}: ${path}: missing; this is not a checkpoint`);
  const hint = path === 'version' ? '; it was written by another version of ortgrad' : '';
  return new UserError(`${origin}: ${path}: expected ${issue.expected}, got ${show(issue.input)}${hint}`);
}

const Tensors = v.array(
  v.object({
    name: v.string(),
    shape: v.array(count),
    data: v.custom<ArrayBufferView>(ArrayBuffer.isView, ''),
  }),
);

/** A checkpoint as a caller gives it to `saveCheckpoint`. */
const Given = v.object({
  ...v.omit(Document, ['version', 'files', 'optimizer']).entries,
  parameters: Tensors,
  optimizer: v.object({ name: v.string(), slots: v.record(v.string(), Tensors) }),
});

/** Throws UserError for the first part of a checkpoint that is missing or does not fit, before anything is written. */
export function expectCheckpoint(checkpoint: Checkpoint): void {
  const result = v.safeParse(Given, checkpoint);
  if (!result.success) throw unfit(result.issues[0], 'saveCheckpoint');
}

/**
 * The model of a checkpoint, from the bytes of `model.safetensors`, which `origin` names. Throws a UserError for bytes that
 * are no such file, and for parameters that are not finite.
 */
export function decodeModel(
  document: CheckpointDocument,
  model: Uint8Array,
  origin: string,
  frozen: readonly NamedTensor[] = [],
): ModelCheckpoint {
  const { step, epoch, generator, best, config, graph, dataset, metrics } = document;
  const parameters = [...finiteTensors(model, origin), ...frozen];
  const told = metrics === undefined ? {} : { metrics };
  return { step, epoch, generator, best, ...told, config, graph, dataset, parameters };
}

/** The tensors of a file. They are checked because older versions of ortgrad also saved runs that had diverged. */
export function finiteTensors(bytes: Uint8Array, origin: string): readonly NamedTensor[] {
  const { tensors } = decodeSafetensors(bytes, origin);
  const broken = firstNotFinite(tensors);
  if (broken === undefined) return tensors;
  throw new UserError(
    `${origin}: ${broken.name} holds numbers that are not finite: training had diverged before this was saved; take an earlier checkpoint, or train again with a lower learning rate`,
  );
}

/** The optimizer of a checkpoint, from the bytes of `optimizer.safetensors`, which `origin` names. */
export function decodeOptimizer(
  { optimizer: { name, slots } }: CheckpointDocument,
  bytes: Uint8Array,
  origin: string,
): Checkpoint['optimizer'] {
  const tensors = new Map(slots.map((slot): [string, NamedTensor[]] => [slot, []]));
  for (const tensor of finiteTensors(bytes, origin)) {
    const [, slot = '', parameter = ''] = /^(.*?)\/(.*)$/s.exec(tensor.name) ?? [];
    const found = tensors.get(slot);
    if (found === undefined) {
      const valid = slots.map((each) => `${each}/…`).join(', ') || 'none at all';
      throw new UserError(`${origin}: unexpected tensor ${show(tensor.name)}; names are ${valid}`);
    }
    found.push({ ...tensor, name: parameter });
  }
  return { name, slots: Object.fromEntries(tensors) };
}
