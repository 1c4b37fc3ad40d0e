/**
 * A checkpoint: all that a run needs to go on as if it had never stopped, or a model to be used. Random numbers are
 * counter-based (see random.ts), so the seed and the step are the whole state of the generator. As files:
 * `model.safetensors` is of use on its own, `optimizer.safetensors` holds the optimizer's slots as `<slot>/<parameter>`,
 * and `checkpoint.json` the rest, with size and digest of both and a digest of its own. Pure: also for browsers.
 */
import * as v from 'valibot';
import { DATASETS, type DatasetInfo } from '../datasets/dataset.ts';
import { isIntact, withDigest } from '../digest.ts';
import { show, UserError } from '../errors.ts';
import { jsonText } from '../json-text.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from './safetensors.ts';

/** In a run's folder: its checkpoints, each under the name of its step. */
export const CHECKPOINTS = 'checkpoints';
export const stepName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

export const DOCUMENT = 'checkpoint.json';
export const TENSOR_FILES = { model: 'model.safetensors', optimizer: 'optimizer.safetensors' } as const;

const VERSION = 1;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** `DatasetInfo` as it is in files. */
export const Dataset = v.object({
  name: v.picklist(DATASETS),
  channels: count,
  height: count,
  width: count,
  classes: v.array(v.string()),
  mean: v.array(v.number()),
  std: v.array(v.number()),
  found: v.string(),
}) satisfies v.GenericSchema<unknown, DatasetInfo>;

const FileSum = v.object({ bytes: count, sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });

/** `checkpoint.json`. */
const Document = v.object({
  version: v.literal(VERSION),
  /** Optimizer steps done. */
  step: count,
  /** Whole epochs done. */
  epoch: count,
  generator: v.object({ seed: count }),
  /** The best measurement on the test images so far, and the step after which it was taken. */
  best: v.nullable(v.object({ top1: v.number(), step: count })),
  /** As `parseConfig` reads it. */
  config: v.record(v.string(), v.unknown()),
  /** `spec` as in the graph's spec.json; `hash` tells whether a graph is still the same. */
  graph: v.object({ name: v.string(), hash: v.string(), spec: v.unknown() }),
  dataset: Dataset,
  optimizer: v.object({ name: v.string(), slots: v.array(v.string()) }),
  files: v.object({ model: FileSum, optimizer: FileSum }),
});

export type FileSum = Readonly<v.InferOutput<typeof FileSum>>;
export type CheckpointDocument = Readonly<v.InferOutput<typeof Document>>;
export type CheckpointPart = keyof typeof TENSOR_FILES;

/** What is needed to use a trained model. */
export interface ModelCheckpoint
  extends Pick<CheckpointDocument, 'step' | 'epoch' | 'generator' | 'best' | 'graph'> {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dataset: DatasetInfo;
  readonly parameters: readonly NamedTensor[];
}

/** What is needed to go on training it. */
export interface Checkpoint extends ModelCheckpoint {
  readonly optimizer: {
    readonly name: string;
    /** Per slot (`mu`, `nu`) its tensors. A slot's name has no `/`. */
    readonly slots: Readonly<Record<string, readonly NamedTensor[]>>;
  };
}

/** The tensor files, each as pieces to be written in order; they view the checkpoint's data, nothing is copied. */
export function encodeTensors(checkpoint: Checkpoint): Record<CheckpointPart, Uint8Array[]> {
  const { step, graph, parameters, optimizer } = checkpoint;
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
    files,
  });
  return jsonText(await withDigest(document));
}

/**
 * Reads the value in `checkpoint.json`; `origin` names it in the UserError for the first thing that does not fit, or where
 * its digest shows that it was changed.
 */
export async function decodeDocument(json: unknown, origin: string): Promise<CheckpointDocument> {
  const result = v.safeParse(Document, json);
  if (!result.success) throw unfit(result.issues[0], origin);
  if (await isIntact(json)) return result.output;
  throw new UserError(
    `${origin}: it is not as it was saved: it was edited or damaged (its digest differs); undo the edit, or take another checkpoint of the run. A run goes on with other options by flags of --resume, or as a new run`,
  );
}

function unfit(issue: v.BaseIssue<unknown>, origin: string): UserError {
  const path = v.getDotPath(issue) ?? 'checkpoint';
  if (issue.input === undefined) return new UserError(`${origin}: ${path}: missing; it is no checkpoint`);
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

/** What is given to be saved. */
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

/** The model of a checkpoint, from the bytes of `model.safetensors`, which `origin` names. */
export function decodeModel(
  document: CheckpointDocument,
  model: Uint8Array,
  origin: string,
): ModelCheckpoint {
  const { step, epoch, generator, best, config, graph, dataset } = document;
  const parameters = decodeSafetensors(model, origin).tensors;
  return { step, epoch, generator, best, config, graph, dataset, parameters };
}

/** The optimizer of a checkpoint, from the bytes of `optimizer.safetensors`, which `origin` names. */
export function decodeOptimizer(
  { optimizer: { name, slots } }: CheckpointDocument,
  bytes: Uint8Array,
  origin: string,
): Checkpoint['optimizer'] {
  const tensors = new Map(slots.map((slot): [string, NamedTensor[]] => [slot, []]));
  for (const tensor of decodeSafetensors(bytes, origin).tensors) {
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
