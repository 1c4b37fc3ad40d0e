/** A spec.json as it was written → a spec, checked: its fields, and that its parts fit each other. */
import * as v from 'valibot';
import { mismatch, nearestName, show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { parseAugmentation } from './augmentation.ts';
import { taskOf } from './own.ts';
import {
  isImageSpec,
  isOnnxSpec,
  isOwnSpec,
  moduleSpec,
  OWN_SPECS,
  type OwnSpec,
  onnxSpec,
  type Spec,
} from './spec.ts';
import { tracePrediction } from './trace.ts';

/** An ONNX file has at most 2 GiB, and a model's weights must fit into one. So must a run's images into a tensor. */
const MOST_NUMBERS = 2 ** 29;

/**
 * Checks a parsed spec.json, and that its parts fit each other: the model is written once, for one example, which takes
 * milliseconds. Throws UserError that names the file, the field, and what was expected there.
 */
export function parseSpec(json: unknown, origin: string): Spec {
  const result = v.safeParse(schemaOf(json, origin), json, { abortEarly: true });
  if (result.success) {
    const spec = withSteps(result.output, origin);
    if (isOwnSpec(spec)) expectSizes(spec, origin);
    return spec;
  }
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  const where = path === '' ? origin : `${origin}: ${path}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    throw new UserError(`${where}: unknown field${suggestion(path)}; remove it or correct its name`);
  }
  throw new UserError(`${where}: ${mismatch(issue)}`);
}

/** The spec with its augmentation read. Throws UserError that names the step that is not right. */
function withSteps(spec: Spec, origin: string): Spec {
  if (!(isImageSpec(spec) || isOnnxSpec(spec)) || spec.augmentation === undefined) return spec;
  return { ...spec, augmentation: parseAugmentation(spec.augmentation, `${origin}: augmentation`) };
}

function schemaOf(json: unknown, origin: string): v.GenericSchema<unknown, Spec> {
  const task = typeof json === 'object' && json !== null && 'task' in json ? json.task : 'images';
  if (typeof task === 'object' && task !== null) return moduleSpec;
  if (task === 'onnx') return onnxSpec;
  const [, schema] = Object.entries(OWN_SPECS).find(([name]) => name === task) ?? [];
  if (schema) return schema;
  throw new UserError(
    `${origin}: task: expected ${[...Object.keys(OWN_SPECS), 'onnx'].join(', ')} or an object with a module, got ${show(task)}`,
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

/** The names of all fields in a schema and in those that it is made of. */
function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const entries = Object.entries(Object(Reflect.get(schema, 'entries')));
  const parts = ['options', 'wrapped', 'item'].flatMap((key): unknown => Reflect.get(schema, key));
  return [...entries.flatMap(([name, field]) => [name, ...fieldsOf(field)]), ...parts.flatMap(fieldsOf)];
}

const FIELDS = [...new Set([...Object.values(OWN_SPECS), onnxSpec].flatMap(fieldsOf))];

function suggestion(path: string): string {
  const nearest = nearestName(path.split('.').at(-1) ?? '', FIELDS);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}
