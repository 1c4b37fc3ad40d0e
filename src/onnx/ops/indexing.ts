/**
 * Ops that take elements, or put them, where indices say. Indices are int32 or int64 and are not differentiated; one
 * that is out of range is an error of ONNX Runtime when the graph runs. Each function throws a UserError that names the
 * op where dtypes or shapes do not fit.
 */

import { UserError } from '../../errors.ts';
import { apply } from '../apply.ts';
import { normalizeAxis, show } from '../shapes.ts';
import type { Value } from '../value.ts';
import { cast, equal } from './elementwise.ts';
import { reshape } from './layout.ts';
import { range } from './operands.ts';

/**
 * The slices of `data` along `axis` that `indices`, of any shape, name: with data [n, d] and indices [b, t], as in an
 * embedding, the result is [b, t, d]. data: any dtype. In its derivative slices that are named several times add up.
 */
export function gather(data: Value, indices: Value, axis = 0): Value {
  return apply('Gather', [data, indices], { axis: normalizeAxis('Gather', axis, data.shape.length) })[0];
}

/** One element of `data` per index: indices has the rank of data, and its shape is the result's. data: any dtype. */
export function gatherElements(data: Value, indices: Value, axis: number): Value {
  const at = normalizeAxis('GatherElements', axis, data.shape.length);
  return apply('GatherElements', [data, indices], { axis: at })[0];
}

/**
 * `data` with every update added to the element that its index names along `axis`; what is named several times gets the
 * sum. `updates` has the shape of `indices` and the dtype of `data`.
 */
export function scatterElements(data: Value, indices: Value, updates: Value, axis: number): Value {
  const at = normalizeAxis('ScatterElements', axis, data.shape.length);
  return apply('ScatterElements', [data, indices, updates], { axis: at })[0];
}

/**
 * 1 for the class that an index names, 0 for the others: indices of any shape [...] → float32 [..., classes]. An index
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
