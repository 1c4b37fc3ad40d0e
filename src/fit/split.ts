/** Which examples train, and which validate. Also for browsers. */
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { permutation, Random } from '../random.ts';
import { type ArrayData, pick, readColumns } from './columns.ts';
import type { AnyFitOptions } from './types.ts';

/** Holds out a share of the examples, drawn by the seed, or reads those that are given. */
export function split(
  data: ArrayData,
  validation: AnyFitOptions['validation'],
  seed: number,
): { readonly train: ArrayData; readonly validation: ArrayData | undefined } {
  if (data.length === 0) throw new UserError('data: expected at least one example, got none');
  if (validation === undefined) return { train: data, validation: undefined };
  if (typeof validation !== 'number') {
    const read = readColumns('validation', validation, { like: data.fields });
    if (read.length === 0)
      throw new UserError('validation: there are no examples in it; give some, or leave it out');
    return { train: data, validation: read };
  }
  if (!(validation > 0 && validation < 1)) {
    throw new UserError(
      `validation: expected a share between 0 and 1, or arrays, got ${validation}; leave it out to hold out nothing`,
    );
  }
  const count = Math.round(validation * data.length);
  if (count === 0 || count === data.length) {
    throw new UserError(
      `validation: ${validation} of ${counted(data.length, 'example')} leaves none to ${count === 0 ? 'validate' : 'train'} with; give another share, or arrays`,
    );
  }
  const order = permutation(data.length, new Random(seed, 'validation'));
  return {
    validation: pick(data, order.subarray(0, count).sort()),
    train: pick(data, order.subarray(count).sort()),
  };
}
