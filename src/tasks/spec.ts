/** graphs/<name>/spec.json: what a person edits or copies to get another trainable graph. */
import * as v from 'valibot';
import { show, UserError } from '../errors.ts';
import { modelSchema, tableModelSchema, textModelSchema } from '../models/index.ts';
import { size } from '../models/schema.ts';
import { TARGETS } from '../passes/finish.ts';
import type { Augmentation } from './augmentation.ts';

/** What every spec says. */
const shared = {
  $schema: v.optional(v.string()),
  /** Examples that one run of a training graph holds, at most; the trainer takes fewer when memory is short. */
  microBatch: size(65536),
  target: v.optional(v.picklist(TARGETS), 'cpu'),
};

/** Where the examples come from: a name that src/data knows, or the path of a module of the user's. */
const dataset = v.pipe(v.string(), v.nonEmpty());
const classes = v.pipe(size(100_000), v.minValue(2));

const imageSpec = v.strictObject({
  ...shared,
  task: v.optional(v.literal('images'), 'images'),
  dataset,
  image: v.strictObject({ channels: size(1024), height: size(8192), width: size(8192) }),
  classes,
  /** What the graphs read as labels; a run whose augmentation mixes images takes distributions (`specInUse`). */
  labels: v.optional(v.picklist(['classes', 'distributions'])),
  /** What training images go through, unless a run says otherwise: `parseSpec` checks it (augmentation.ts). */
  augmentation: v.optional(v.custom<Augmentation>((given) => given !== null)),
  model: modelSchema,
});

const tableSpec = v.strictObject({
  ...shared,
  task: v.literal('table'),
  dataset,
  /** Numbers that an example has, after one-hot columns. */
  features: size(2 ** 20),
  /** The loss of a number that is predicted; with `classes`, a class is predicted instead. */
  loss: v.optional(v.picklist(['mse', 'mae', 'huber']), 'mse'),
  /** How large 1 of the target is in the unit of the data: the deviation by which the dataset divides it. */
  scale: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0)), 1),
  /** The unit that errors are shown in: `$`. */
  unit: v.optional(v.pipe(v.string(), v.nonEmpty())),
  classes: v.optional(classes),
  model: tableModelSchema,
});

const textSpec = v.strictObject({
  ...shared,
  task: v.literal('text'),
  dataset,
  /** What a token is (data/tokens.ts): a byte, one of the most frequent words, or what the data has as numbers. */
  tokens: v.optional(v.picklist(['bytes', 'words', 'given']), 'bytes'),
  /** Tokens of an example. */
  length: size(65536),
  classes,
  model: textModelSchema,
});

export const moduleSpec = v.strictObject({
  ...shared,
  task: v.strictObject({
    /** The path of a JavaScript module, from the spec's folder. */
    module: v.pipe(v.string(), v.nonEmpty()),
    /** The name of its export: a task, or a function from `options` to a task. */
    export: v.optional(v.string(), 'task'),
    options: v.optional(v.record(v.string(), v.unknown())),
  }),
  dataset,
});

/** By their task. */
export const OWN_SPECS = { images: imageSpec, table: tableSpec, text: textSpec } as const;

/** A checked spec of a classifier of images. */
export type ImageSpec = v.InferOutput<typeof imageSpec>;
/** A checked spec of a table: a number or a class of each row. */
export type TableSpec = v.InferOutput<typeof tableSpec>;
/** A checked spec of a classifier of texts. */
export type TextSpec = v.InferOutput<typeof textSpec>;
export type ModuleSpec = v.InferOutput<typeof moduleSpec>;
/** A spec of one of our tasks. */
export type OwnSpec = ImageSpec | TableSpec | TextSpec;
/** A checked spec, with its defaults. */
export type Spec = OwnSpec | ModuleSpec;

/** Whether the spec names a module of the user's, which has to be imported. */
export function isModuleSpec(spec: Spec): spec is ModuleSpec {
  return typeof spec.task === 'object';
}

export function isImageSpec(spec: Spec): spec is ImageSpec {
  return spec.task === 'images';
}

/** Throws UserError, which names the graph, where its task is not the classification of images. */
export function expectImageSpec(spec: Spec, what: string): ImageSpec {
  if (isImageSpec(spec)) return spec;
  const task = isModuleSpec(spec) ? spec.task.module : spec.task;
  throw new UserError(`${what}: expected a classifier of images, got the task ${show(task)}`);
}
