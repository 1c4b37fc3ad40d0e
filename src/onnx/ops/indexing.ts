/**
 * Ops that read or add elements at indices. Indices are int32 or int64 and have no derivative. Where one is out of
 * range ONNX Runtime throws when the graph runs. Each function throws a UserError that names the op where dtypes or
 * shapes do not fit.
 */

import { UserError } from '../../errors.ts';
import { apply } from '../apply.ts';
import { normalizeAxis, show } from '../shapes.ts';
import type { Value } from '../value.ts';
import { cast, equal } from './elementwise.ts';
import { reshape } from './layout.ts';
import { range } from './operands.ts';

/**
 * The slices of `data` along `axis` at `indices`, which may have any shape. For an embedding, data [n, d] and indices
 * [b, t] give [b, t, d]. data: any dtype. Where an index occurs several times, its slice's derivatives add up.
 */
export function gather(data: Value, indices: Value, axis = 0): Value {
  return apply('Gather', [data, indices], { axis: normalizeAxis('Gather', axis, data.shape.length) })[0];
}

/** One element of `data` per index. `indices` has the rank of data; the result has its shape. data: any dtype. */
export function gatherElements(data: Value, indices: Value, axis: number): Value {
  const at = normalizeAxis('GatherElements', axis, data.shape.length);
  return apply('GatherElements', [data, indices], { axis: at })[0];
}

/**
 * `data` with each update added to the element at its index along `axis`. Updates with the same index add up. `updates`
 * has the shape of `indices` and the dtype of `data`.
 */
export function scatterElements(data: Value, indices: Value, updates: Value, axis: number): Value {
  const at = normalizeAxis('ScatterElements', axis, data.shape.length);
  return apply('ScatterElements', [data, indices, updates], { axis: at })[0];
}

/**
 * 1 for the class of an index, 0 for the others: indices of any shape [...] → float32 [..., classes]. An index
 * that is out of range gives zeros.
 */
export function oneHot(indices: Value, classes: number): Value {
  if (!Number.isInteger(classes) || classes < 1)
    throw new UserError(`oneHot: expected one class or more, got ${classes}`);
  if (indices.dtype !== 'int32' && indices.dtype !== 'int64') {
    throw new UserError(`oneHot: expected int32 or int64, got ${indices.dtype} ${show(indices.shape)}`);
  }
  const column = reshape(indices, [...indices.shape, 1]);
  return cast(equal(column, cast(range(classes), indices.dtype)), 'float32');
}
