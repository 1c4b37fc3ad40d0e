/** Sums down the columns of a matrix with many rows. */

import { expectAt } from '../expect.ts';
import { call, expand, gemm, mul, scalar } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { lift } from './linear.ts';

/**
 * The sum of the rows: float32 [rows, columns] → [1, columns]. A row of ones times the matrix, which in ONNX Runtime is
 * several times faster than ReduceSum over the first axis. Its adjoint repeats a row.
 */
export function columnSum(x: Value): Value {
  const rows = staticDim(x.shape[0], 'columnSum', x.shape);
  const composite: Composite = {
    name: 'column-sum',
    body: (given) => [gemm(expand(scalar(1), [1, rows]), expectAt(given, 0))],
    vjp: ([ct]) => [lift(ct, (row) => expand(row, [rows, staticDim(x.shape[1], 'columnSum', x.shape)]))],
    jvp: ([t]) => [lift(t, columnSum)],
  };
  return expectAt(call(composite, [x]), 0);
}

/** The mean of the rows: float32 [rows, columns] → [1, columns]. */
export function columnMean(x: Value): Value {
  return mul(columnSum(x), 1 / staticDim(x.shape[0], 'columnMean', x.shape));
}
