/** graphs/<name>/spec.json: what a person edits or copies to get another trainable graph. */
import * as v from 'valibot';
import { mismatch, nearestName, show, UserError } from '../errors.ts';
import { encoderSchema } from '../models/encoder.ts';
import { modelSchema } from '../models/index.ts';
import { mlpSchema } from '../models/mlp.ts';
import { size } from '../models/schema.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { TARGETS } from '../passes/finish.ts';
import { taskOf } from './own.ts';
import { tracePrediction } from './trace.ts';

/** An ONNX file has at most 2 GiB, and a model's weights must fit into one. So must a run's images into a tensor. */
const MOST_NUMBERS = 2 ** 29;

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
  model: mlpSchema,
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
  model: encoderSchema,
});

const moduleSpec = v.strictObject({
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

const SCHEMAS = { images: imageSpec, table: tableSpec, text: textSpec } as const;

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

/**
 * Checks a parsed spec.json, and that its parts fit each other: the model is written once, for one example, which takes
 * milliseconds. Throws UserError that names the file, the field, and what was expected there.
 */
export function parseSpec(json: unknown, origin: string): Spec {
  const result = v.safeParse(schemaOf(json, origin), json, { abortEarly: true });
  if (result.success) {
    if (!isModuleSpec(result.output)) expectSizes(result.output, origin);
    return result.output;
  }
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  const where = path === '' ? origin : `${origin}: ${path}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    throw new UserError(`${where}: unknown field${suggestion(path)}; remove it or correct its name`);
  }
  throw new UserError(`${where}: ${mismatch(issue)}`);
}

function schemaOf(json: unknown, origin: string): v.GenericSchema<unknown, Spec> {
  const task = typeof json === 'object' && json !== null && 'task' in json ? json.task : 'images';
  if (typeof task === 'object' && task !== null) return moduleSpec;
  const [, schema] = Object.entries(SCHEMAS).find(([name]) => name === task) ?? [];
  if (schema) return schema;
  throw new UserError(
    `${origin}: task: expected ${Object.keys(SCHEMAS).join(', ')} or an object with a module, got ${show(task)}`,
  );
}

function expectSizes(spec: OwnSpec, origin: string): void {
  const task = taskOf(spec);
  const numbers = Object.values(task.fields).map(({ shape }) => spec.microBatch * sizeOf(shape));
  const largest = Math.max(...numbers);
  if (largest > MOST_NUMBERS) {
    throw tooLarge(origin, `${isImageSpec(spec) ? 'images' : 'examples'} of a micro-batch hold`, largest);
  }
  let parameters = 0;
  try {
    const { variables } = tracePrediction(task, 1);
    parameters = variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('internal:')) throw error;
    throw new UserError(`${origin}: ${error.message}`);
  }
  if (parameters > MOST_NUMBERS) throw tooLarge(origin, 'parameters of the model are', parameters);
}

function tooLarge(origin: string, what: string, numbers: number): UserError {
  const [most, got] = [MOST_NUMBERS, numbers].map((count) => count.toLocaleString('en'));
  return new UserError(`${origin}: the ${what} ${got} numbers, expected at most ${most}; lower the sizes`);
}

const FIELDS = [
  'dataset',
  'image',
  'channels',
  'height',
  'width',
  'classes',
  'model',
  'microBatch',
  'target',
  'task',
  'features',
  'scale',
  'unit',
  'tokens',
  'loss',
  'vocabulary',
  'length',
  'kind',
].concat(
  ['variant', 'patch', 'layers', 'heads', 'mlpRatio', 'pool', 'activation', 'hidden'],
  ['width', 'dropout', 'attentionDropout', 'stochasticDepth', 'stem', 'block', 'blocks'],
);

function suggestion(path: string): string {
  const nearest = nearestName(path.split('.').at(-1) ?? '', FIELDS);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
