/**
 * What the files of a training session say of themselves: JSON documents in the metadata of ONNX and safetensors files,
 * and whole graphs as text beside them. Also for browsers.
 */
import * as v from 'valibot';
import { type GraphName, MEMORY_LEVELS } from '../artifacts/graphs.ts';
import { type Manifest, parseManifest } from '../artifacts/manifest.ts';
import { mismatch, UserError } from '../errors.ts';
import { TARGETS } from '../passes/finish.ts';
import { DECAY_PLACES } from '../step/program.ts';
import { FIELD_TYPES } from '../tasks/task.ts';
import { fromBase64 } from './base64.ts';
import { recipeSchema } from './recipe.ts';

/** The key of the document in a file's metadata. */
export const DOCUMENT = 'ortgrad';
const GRAPH = 'ortgrad/graph/';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const tensor = v.object({ dtype: v.string(), shape: v.array(count) });
/** The regularizers that a session can have: what LookSAM keeps of a step has no place in its files. */
export const SESSION_KINDS = ['exact', 'fd', 'sam', 'asam', 'gsam'] as const;
export type SessionKind = (typeof SESSION_KINDS)[number];

const gr = v.object({
  kind: v.picklist(SESSION_KINDS),
  warmup: v.exactOptional(v.picklist(['none', 'lambda', 'r', 'zero'])),
  lambda: v.exactOptional(v.number()),
  r: v.exactOptional(v.number()),
  alpha: v.exactOptional(v.number()),
  mix: v.exactOptional(v.picklist(['plain', 'normalized'])),
});

const Training = v.object({
  format: v.literal('training'),
  version: v.literal(1),
  lossName: v.string(),
  /** What a training step gives besides the loss, in order. */
  outputs: v.array(v.string()),
  /** Examples that the graphs in the file take at once. */
  sizes: v.array(count),
  target: v.picklist(TARGETS),
  memory: v.picklist(MEMORY_LEVELS),
  gr: v.nullable(gr),
  /** Fields that hold classes: how many, and the number that marks what does not count. */
  labels: v.record(v.string(), v.object({ classes: count, ignored: v.number() })),
  /** Paths of all variables in the order of parameter buffers: a file's own, where the task was read from one. */
  order: v.array(v.string()),
  /** How the task follows from `forwardModel`; null where a function says it. */
  recipe: v.nullable(recipeSchema),
  /** What of the data `trunkModel` takes, and what it gives; null where there is none. */
  trunk: v.nullable(
    v.object({
      fields: v.record(v.string(), v.object({ dtype: v.picklist(FIELD_TYPES), shape: v.array(count) })),
      inputs: v.record(v.string(), v.string()),
      outputs: v.record(v.string(), v.string()),
      batch: v.exactOptional(count),
    }),
  ),
  /** manifest.json's content. */
  manifest: v.unknown(),
});

const Evaluation = v.object({
  format: v.literal('evaluation'),
  version: v.literal(1),
  lossName: v.string(),
  terms: v.array(v.object({ name: v.string(), weighted: v.boolean(), perExample: count })),
  outputs: v.record(v.string(), tensor),
});

const Optimizer = v.object({
  format: v.literal('optimizer'),
  version: v.literal(1),
  /** The rule by its name and numbers. */
  named: v.looseObject({ optimizer: v.string() }),
  learningRate: v.number(),
  weightDecay: v.number(),
  weightDecayIn: v.picklist(DECAY_PLACES),
  clip: v.number(),
});

const Checkpoint = v.object({
  format: v.literal('training-session'),
  version: v.literal(1),
  trainSteps: count,
  optimizerSteps: count,
  /** The update rule and what it keeps; none where the session had no optimizer. */
  optimizer: v.nullable(v.object({ name: v.string(), slots: v.array(v.string()) })),
  learningRate: v.number(),
  weightDecay: v.number(),
  /** How many training steps the gradient in the file is the sum of; 0 where there is none. */
  added: count,
});

export type TrainingDocument = Omit<v.InferOutput<typeof Training>, 'manifest'> & {
  readonly manifest: Manifest;
};
export type EvaluationDocument = v.InferOutput<typeof Evaluation>;
export type OptimizerDocument = v.InferOutput<typeof Optimizer>;
export type CheckpointDocument = v.InferOutput<typeof Checkpoint>;

type Metadata = Readonly<Record<string, string>>;

/** Throws UserError where the document of a file, which `origin` names, is not of this version or damaged. */
function parsed<Schema extends v.GenericSchema>(
  schema: Schema,
  metadata: Metadata,
  origin: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, jsonOf(metadata[DOCUMENT]), { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(
    `${origin}: ${v.getDotPath(issue) ?? 'document'}: ${mismatch(issue)}; it is damaged, for something else, or of another version of ortgrad: generate the artifacts again`,
  );
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

export function trainingDocument(metadata: Metadata, origin: string): TrainingDocument {
  const document = parsed(Training, metadata, origin);
  return { ...document, manifest: parseManifest(document.manifest, origin) };
}

export function evaluationDocument(metadata: Metadata, origin: string): EvaluationDocument {
  return parsed(Evaluation, metadata, origin);
}

export function optimizerDocument(metadata: Metadata, origin: string): OptimizerDocument {
  return parsed(Optimizer, metadata, origin);
}

export function checkpointDocument(metadata: Metadata, origin: string): CheckpointDocument {
  return parsed(Checkpoint, metadata, origin);
}

/** A document as metadata. */
export function metadataOf(
  document: TrainingDocument | EvaluationDocument | OptimizerDocument | CheckpointDocument,
): Record<string, string> {
  return { [DOCUMENT]: JSON.stringify(document) };
}

/** The key of a graph in the file's metadata; `infer` takes any number of examples, as does `weights`. */
export function graphKey(name: GraphName, size?: number): string {
  return `${GRAPH}${size === undefined ? '' : `${size}/`}${name}`;
}

/** A graph of a file's metadata, if it is there. */
export function graphIn(metadata: Metadata, name: GraphName, size?: number): Uint8Array | undefined {
  const text = metadata[graphKey(name, size)];
  return text === undefined ? undefined : fromBase64(text);
}
