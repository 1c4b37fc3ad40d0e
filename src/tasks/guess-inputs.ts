/** Which data an imported file wants, by the names and shapes of its inputs. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import type { OnnxSpec } from './spec.ts';
import type { Field, Fields } from './task.ts';

/** What a spec says of the data. */
export interface GuessedInputs {
  readonly dataset: string;
  /** By input, as in the spec; inputs whose field has their name are left out. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Whether one is a picture with its channels last. */
  readonly layout?: NonNullable<OnnxSpec['image']>['layout'];
}

/** What the user has said. */
export interface SaidInputs {
  readonly dataset?: string | undefined;
  readonly inputs?: Readonly<Record<string, string>>;
}

const KINDS: Readonly<Record<string, string>> = { images: 'image-folder', tokens: 'text', x: 'table' };

/**
 * Pictures for float numbers of three axes (or two: grey), texts for integers along one, tables for float numbers along
 * one. Throws UserError where an input that the user said is none of the file's, and where the data cannot be told.
 */
export function guessInputs(inputs: Fields, { dataset, inputs: said = {} }: SaidInputs): GuessedInputs {
  const names = Object.keys(inputs);
  for (const name of Object.keys(said)) {
    if (names.includes(name)) continue;
    throw new UserError(`--inputs ${name}: the file has no such input; it has ${names.join(', ')}`);
  }
  // The fields of a user's own dataset have the inputs' names.
  const isOwn = dataset !== undefined && /[./\\]/.test(dataset);
  const fields = names.map((name): [string, string] => {
    const field = inputs[name];
    return [name, said[name] ?? (isOwn || !field ? name : (fieldOf(name, field) ?? name))];
  });
  const kinds = new Set(fields.flatMap(([, field]) => KINDS[field] ?? []));
  const [kind] = kinds;
  if (dataset === undefined && (kind === undefined || kinds.size > 1)) {
    throw new UserError(
      `its inputs are ${names.map((name) => shown(name, inputs[name])).join(', ')}: name a dataset that gives them with --dataset, and with --inputs INPUT=FIELD,… which field each gets`,
    );
  }
  const [picture] = fields.flatMap(([name, field]) => (field === 'images' ? [inputs[name]] : []));
  return {
    dataset: dataset ?? kind ?? '',
    inputs: Object.fromEntries(fields.filter(([name, field]) => name !== field)),
    ...(picture && isLast(picture.shape) && { layout: 'channels-last' as const }),
  };
}

function fieldOf(name: string, { dtype, shape }: Field): string | undefined {
  const isInteger = dtype === 'int64' || dtype === 'int32';
  if (isInteger && shape.length === 1) {
    if (/mask/i.test(name)) return 'mask';
    if (/type|segment/i.test(name)) return 'zeros';
    if (/position/i.test(name)) return 'positions';
    return 'tokens';
  }
  if (dtype !== 'float32' && dtype !== 'uint8') return undefined;
  if (shape.length === 3 || (shape.length === 2 && (shape[0] ?? 0) > 4)) return 'images';
  return shape.length === 1 ? 'x' : undefined;
}

function isLast(shape: readonly number[]): boolean {
  const [first = 0, , last = 0] = shape;
  return shape.length === 3 && last <= 4 && first > 4;
}

function shown(name: string, field: Field | undefined): string {
  return `${name} ${field?.dtype} [${['batch', ...(field?.shape ?? [])].join(', ')}]`;
}
