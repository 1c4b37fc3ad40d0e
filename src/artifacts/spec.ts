/** graphs/<name>/spec.json: what a person edits or copies to get another trainable graph. */
import * as v from 'valibot';
import { mismatch, nearestName, UserError } from '../errors.ts';
import { modelSchema } from '../models/index.ts';
import { TARGETS } from '../passes/finish.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const specSchema = v.strictObject({
  $schema: v.optional(v.string()),
  /** Which reader in src/datasets the images come from. */
  dataset: v.picklist(['mnist', 'cifar10', 'cifar100', 'image-folder']),
  image: v.strictObject({ channels: count, height: count, width: count }),
  classes: v.pipe(v.number(), v.integer(), v.minValue(2)),
  model: modelSchema,
  /** Images that one run of a training graph holds, at most; the trainer takes fewer when memory is short. */
  microBatch: count,
  target: v.optional(v.picklist(TARGETS), 'cpu'),
});

export type Spec = v.InferOutput<typeof specSchema>;

/** Checks a parsed spec.json. Throws UserError that names the file, the field, and what was expected there. */
export function parseSpec(json: unknown, origin: string): Spec {
  const result = v.safeParse(specSchema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  const where = path === '' ? origin : `${origin}: ${path}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    throw new UserError(`${where}: unknown field${suggestion(path)}; remove it or correct its name`);
  }
  throw new UserError(`${where}: ${mismatch(issue)}`);
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
].concat(['variant', 'patch', 'layers', 'heads', 'mlpRatio', 'pool', 'activation', 'hidden']);

function suggestion(path: string): string {
  const nearest = nearestName(path.split('.').at(-1) ?? '', FIELDS);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
