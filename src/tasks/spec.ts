/** graphs/<name>/spec.json: what a person edits or copies to get another trainable graph. */

import * as v from 'valibot';
import { show, UserError } from '../errors.ts';
import { patternFault } from '../expect.ts';
import { LOSS_NAMES } from '../losses/names.ts';
import { modelSchema, tableModelSchema, textModelSchema } from '../models/index.ts';
import { size } from '../models/schema.ts';
import type { Dim } from '../onnx/value.ts';
import { TARGETS } from '../passes/finish.ts';
import type { Augmentation } from './augmentation.ts';
import { CHANNEL_ORDERS, IMAGE_LAYOUTS, TOKEN_KINDS } from './input-forms.ts';
import { FIELD_TYPES } from './task.ts';

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
  tokens: v.optional(v.picklist(TOKEN_KINDS), 'bytes'),
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

/** What a loss compares an output of an imported file with. */

/** A regular expression, as text. */
const pattern = v.pipe(
  v.string(),
  v.check((text) => patternFault(text) === null, 'a regular expression'),
);
const numbers = v.array(v.pipe(v.number(), v.finite()));

const dim = v.custom<Dim>(
  (given) =>
    (typeof given === 'number' && Number.isSafeInteger(given) && given > 0) ||
    (typeof given === 'string' && /^(\d+·)?batch$/.test(given)),
);

export const onnxSpec = v.strictObject({
  ...shared,
  task: v.literal('onnx'),
  dataset,
  /** The file, beside spec.json, and the sha-256 of its bytes: checkpoints hold no copy of what is frozen. */
  file: v.optional(v.pipe(v.string(), v.nonEmpty()), 'model.onnx'),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  loss: v.picklist(LOSS_NAMES),
  /** The output that the loss is of; needed where the file has several. */
  output: v.optional(v.pipe(v.string(), v.nonEmpty())),
  /** The initializers that train, by name; all by default, and with `lora` none besides the adapters. */
  trainable: v.optional(pattern),
  /** Sizes of the file's named dimensions, but for the batch. */
  dims: v.optional(v.record(v.string(), size(2 ** 24))),
  /** Inputs of the file that are always one number, and so no fields. */
  fix: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite()))),
  /**
   * The types of what the part that only runs gives, where neither the file nor its operators say them: the batch is
   * 'batch', or a multiple of it, on one axis.
   */
  features: v.optional(
    v.record(v.string(), v.object({ dtype: v.picklist(FIELD_TYPES), shape: v.array(dim) })),
  ),
  lora: v.optional(
    v.strictObject({
      /** What gets an adapter: modules, nodes or initializers whose name it finds. */
      target: pattern,
      rank: size(4096),
      alpha: v.pipe(v.number(), v.finite(), v.gtValue(0)),
    }),
  ),
  /**
   * By input, the field of the data that it gets: `images`, `tokens`, `x` or one of a dataset of the user's own; or what
   * is made of the tokens: their `mask`, `zeros`, `ones` or `positions`. By default the field of the input's name.
   */
  inputs: v.optional(v.record(v.string(), v.pipe(v.string(), v.nonEmpty()))),
  /** How pictures are given to the file; ours are RGB, [channels, height, width], normalised as the dataset says. */
  image: v.optional(
    v.strictObject({
      /** Per channel, for pixels on the scale 0 to 1: what the file was trained with. */
      mean: v.optional(numbers),
      std: v.optional(numbers),
      order: v.optional(v.picklist(CHANNEL_ORDERS), 'rgb'),
      layout: v.optional(v.picklist(IMAGE_LAYOUTS), 'channels-first'),
    }),
  ),
  /** What a token is, where the file reads texts, as for our own tasks; and how many tokens it knows. */
  tokens: v.optional(v.picklist(TOKEN_KINDS)),
  vocabulary: v.optional(size(2 ** 24)),
  augmentation: v.optional(v.custom<Augmentation>((given) => given !== null)),
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
/** A checked spec of an ONNX file of somebody else's. */
export type OnnxSpec = v.InferOutput<typeof onnxSpec>;
/** A spec of one of our tasks. */
export type OwnSpec = ImageSpec | TableSpec | TextSpec;
/** A checked spec, with its defaults. */
export type Spec = OwnSpec | OnnxSpec | ModuleSpec;

/** Whether the spec names a module of the user's, which has to be imported. */
export function isModuleSpec(spec: Spec): spec is ModuleSpec {
  return typeof spec.task === 'object';
}

/** Whether the spec names an ONNX file, which has to be read. */
export function isOnnxSpec(spec: Spec): spec is OnnxSpec {
  return spec.task === 'onnx';
}

/** Whether the spec says all of its task. */
export function isOwnSpec(spec: Spec): spec is OwnSpec {
  return !isModuleSpec(spec) && !isOnnxSpec(spec);
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
