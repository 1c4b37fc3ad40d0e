/** Which examples train, and which validate. Also for browsers. */
import { counted } from '../counted.ts';
import { type ArraysSplit, readArrays, someOf } from '../data/arrays.ts';
import type { Split } from '../data/dataset.ts';
import { heldOutCount, holdOut } from '../data/subset.ts';
import { UserError } from '../errors.ts';
import type { AnyFitOptions } from './types.ts';

/** Holds out a share of the examples, drawn by the seed, or reads those that are given. */
export function split(
  data: ArraysSplit,
  validation: AnyFitOptions['validation'],
  seed: number,
): { readonly train: Split; readonly validation: Split | undefined } {
  someOf('data', data);
  if (validation === undefined) return { train: data, validation: undefined };
  if (typeof validation !== 'number') {
    const read = readArrays('validation', validation, { fields: data.fields, asIn: 'data' });
    if (read.length === 0)
      throw new UserError('validation: there are no examples in it; give some, or leave it out');
    return { train: data, validation: read };
  }
  if (!(validation > 0 && validation < 1)) {
    throw new UserError(
      `validation: expected a share between 0 and 1, or arrays, got ${validation}; leave it out to hold out nothing`,
    );
  }
  const how = { fraction: validation, seed };
  const count = heldOutCount(data.length, how);
  if (count === 0 || count === data.length) {
    throw new UserError(
      `validation: ${validation} of ${counted(data.length, 'example')} leaves none to ${count === 0 ? 'validate' : 'train'} with; give another share, or arrays`,
    );
  }
  const [train, held] = holdOut(data, how);
  return { train, validation: held };
}
