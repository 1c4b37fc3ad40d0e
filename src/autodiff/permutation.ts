/** Rows in another order: one Gather of whole rows, whose adjoint is the Gather of the inverse order. */
import { UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import { call, constant, gather } from '../onnx/ops.ts';
import { show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { linearPair } from './linear.ts';

/** An order of rows, and the way back. A graph has the constant of each once, where one object stands for it. */
export interface Permutation {
  /** int32 [rows]: which row comes here. */
  readonly indices: Value;
  readonly inverse: Permutation;
  readonly length: number;
  readonly isIdentity: boolean;
}

/** The permutation that takes row `order[i]` to place i. Throws UserError where these are not each of 0, 1, … once. */
export function permutation(order: readonly number[]): Permutation {
  const back = order.map(() => -1);
  order.forEach((from, to) => {
    if (back[from] !== -1) {
      throw new UserError(`permutation: expected each of 0 to ${order.length - 1} once, got ${from}`);
    }
    back[from] = to;
  });
  const isIdentity = order.every((from, to) => from === to);
  const { length } = order;
  const indices = (of: readonly number[]): Value => constant(Int32Array.from(of), [length]);
  const there: Permutation = {
    ...{ indices: indices(order), length, isIdentity },
    get inverse(): Permutation {
      return { indices: backIndices, length, isIdentity, inverse: there };
    },
  };
  const backIndices = indices(back);
  return there;
}

/**
 * The rows of x in the order of a permutation: float32 [..., rows, columns], and so is the result. Throws UserError where
 * x has another number of rows.
 */
export function permuteRows(x: Value, rows: Permutation): Value {
  if (x.shape.at(-2) !== rows.length) {
    throw new UserError(`permuteRows: expected x [..., ${rows.length}, columns], got ${show(x.shape)}`);
  }
  if (rows.isIdentity) return x;
  const composite = linearPair(
    'permute-rows',
    (given) => gather(given, rows.indices, -2),
    (ct) => permuteRows(ct, rows.inverse),
  );
  return expectAt(call(composite, [x]), 0);
}
