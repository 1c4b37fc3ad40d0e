/**
 * What an imported file's inputs get of the data. Ours are `images` float32 [channels, height, width], RGB and
 * normalised, `tokens` int32 [length] and `x` float32 [features]; files want other names, types and layouts.
 */
import { UserError } from '../errors.ts';
import { add, cast, constant, gather, greaterOrEqual, mul, range, reshape, transpose } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { tokenMask } from './language-model.ts';
import type { OnnxSpec } from './spec.ts';
import type { Field, Fields, Values } from './task.ts';

/** Which field of the data an input gets, and in which form. */
export type InputOptions = Pick<OnnxSpec, 'inputs' | 'image'>;

/** What an input gets that is made of the tokens: of the shape of `tokens`, whatever type the input has. */
export const MADE_OF_TOKENS = ['mask', 'zeros', 'ones', 'positions'] as const;
type MadeOfTokens = (typeof MADE_OF_TOKENS)[number];

function isMade(name: string): name is MadeOfTokens {
  return MADE_OF_TOKENS.some((each) => each === name);
}

/** An imported model's inputs; some of what is lowered reads what the trunk makes. */
interface HasInputs {
  readonly inputs: Fields;
  readonly trunk?: { readonly inputs: Fields; readonly features: Fields } | undefined;
}

/** The inputs of the whole file that are used. */
export function dataInputs({ inputs, trunk }: HasInputs): Fields {
  const all = Object.entries({ ...inputs, ...trunk?.inputs }).filter(([name]) => !trunk?.features[name]);
  return Object.fromEntries(all);
}

/** The fields that the data give for the inputs of a file. Throws UserError where two inputs want one in two shapes. */
export function dataOfInputs(model: HasInputs, options: InputOptions): Fields {
  const fields: Record<string, Field> = {};
  for (const [name, field] of Object.entries(dataInputs(model))) {
    const asked = options.inputs?.[name] ?? name;
    const from = isMade(asked) ? 'tokens' : asked;
    const wanted = fieldFor(from, field, options);
    const known = fields[from];
    if (known && String(known.shape) !== String(wanted.shape)) {
      throw new UserError(
        `inputs: ${name}: expected ${from} of one shape, got [${known.shape.join(', ')}] and [${wanted.shape.join(', ')}]; give the inputs different fields`,
      );
    }
    fields[from] = wanted;
  }
  return fields;
}

function fieldFor(from: string, { dtype, shape }: Field, { image }: InputOptions): Field {
  if (from === 'tokens') return { dtype: 'int32', shape };
  if (from === 'x') return { dtype: 'float32', shape };
  if (from !== 'images') return { dtype, shape };
  const [a = 1, b = 1, c = 1] = shape.length === 2 ? [1, ...shape] : shape;
  const isLast = image?.layout === 'channels-last' && shape.length === 3;
  return { dtype: 'float32', shape: isLast ? [c, a, b] : [a, b, c] };
}

/** The value of an input [batch, ...shape], of the fields of the data. */
export function inputValue(
  name: string,
  { dtype, shape }: Field,
  fields: Values,
  options: InputOptions,
): Value {
  const asked = options.inputs?.[name] ?? name;
  const from = fields[isMade(asked) ? 'tokens' : asked];
  if (!from) throw new Error(`internal: no field for the input ${name}`);
  const [batch = 'batch'] = from.shape;
  if (isMade(asked)) return cast(madeOf(from, asked), dtype);
  const value = asked === 'images' ? pictures(from, options) : from;
  return cast(reshape(value, [batch, ...shape]), dtype);
}

/** float32 [batch, length], of the tokens. */
function madeOf(tokens: Value, what: MadeOfTokens): Value {
  if (what === 'mask') return tokenMask(tokens);
  const isThere = cast(greaterOrEqual(cast(tokens, 'float32'), 0), 'float32');
  if (what === 'ones') return isThere;
  const zeros = mul(isThere, 0);
  if (what === 'zeros') return zeros;
  const length = tokens.shape[1];
  if (typeof length !== 'number') throw new Error('internal: tokens of no length');
  return add(zeros, cast(range(length), 'float32'));
}

/** Images [batch, channels, height, width] in the order and layout of the file. */
function pictures(images: Value, { image }: InputOptions): Value {
  const channels = images.shape[1];
  const isTurned = image?.order === 'bgr' && channels === 3;
  const ordered = isTurned ? gather(images, constant(Int32Array.of(2, 1, 0), [3]), 1) : images;
  return image?.layout === 'channels-last' ? transpose(ordered, [0, 2, 3, 1]) : ordered;
}
