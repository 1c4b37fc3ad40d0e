/** graphs/<name>/spec.json: what a person edits or copies to get another trainable graph. */
import * as v from 'valibot';
import { mismatch, nearestName, UserError } from '../errors.ts';
import { Scope } from '../layers/scope.ts';
import { buildModel, modelSchema } from '../models/index.ts';
import { size } from '../models/schema.ts';
import { input } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { TARGETS } from '../passes/finish.ts';

/** An ONNX file has at most 2 GiB, and a model's weights must fit into one. So must a run's images into a tensor. */
const MOST_NUMBERS = 2 ** 29;

const specSchema = v.strictObject({
  $schema: v.optional(v.string()),
  /** Which reader in src/data the images come from. */
  dataset: v.picklist(['mnist', 'cifar10', 'cifar100', 'image-folder']),
  image: v.strictObject({ channels: size(1024), height: size(8192), width: size(8192) }),
  classes: v.pipe(size(100_000), v.minValue(2)),
  model: modelSchema,
  /** Images that one run of a training graph holds, at most; the trainer takes fewer when memory is short. */
  microBatch: size(65536),
  target: v.optional(v.picklist(TARGETS), 'cpu'),
});

/** A checked spec, with its defaults. */
export type Spec = v.InferOutput<typeof specSchema>;

/**
 * Checks a parsed spec.json, and that its parts fit each other: the model is written once, for one image, which takes
 * milliseconds. Throws UserError that names the file, the field, and what was expected there.
 */
export function parseSpec(json: unknown, origin: string): Spec {
  const result = v.safeParse(specSchema, json, { abortEarly: true });
  if (result.success) {
    expectSizes(result.output, origin);
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

function expectSizes({ image, classes, model, microBatch }: Spec, origin: string): void {
  const { channels, height, width } = image;
  const pixels = microBatch * channels * height * width;
  if (pixels > MOST_NUMBERS) throw tooLarge(origin, 'images of a micro-batch hold', pixels);
  const scope = new Scope();
  try {
    buildModel(scope, input('images', [1, channels, height, width]), classes, model);
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('internal:')) throw error;
    throw new UserError(`${origin}: ${error.message}`);
  }
  const parameters = scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
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
  'kind',
].concat(
  ['variant', 'patch', 'layers', 'heads', 'mlpRatio', 'pool', 'activation', 'hidden'],
  ['dropout', 'attentionDropout', 'stochasticDepth'],
);

function suggestion(path: string): string {
  const nearest = nearestName(path.split('.').at(-1) ?? '', FIELDS);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
