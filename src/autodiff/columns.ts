/** Sums down the columns of a matrix with many rows. */

import { expectAt } from '../expect.ts';
import { add, call, expand, gemm, matmul, mul, reshape, scalar } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { lift, sum, toShape } from './linear.ts';

/** The fewest rows of a part of a sum, and the most parts, a power of 2. */
const LEAST_ROWS = 512;
const MOST_PARTS = 16;

/**
 * The sum of the rows: float32 [rows, columns] → [1, columns]. A row of ones times the matrix, which in ONNX Runtime is
 * several times faster than ReduceSum over the first axis. Its adjoint repeats a row.
 */
export function columnSum(x: Value): Value {
  const rows = staticDim(x.shape[0], 'columnSum', x.shape);
  const columns = staticDim(x.shape[1], 'columnSum', x.shape);
  const composite: Composite = {
    name: 'column-sum',
    body: (given) => [sumOf(expectAt(given, 0), rows, columns)],
    vjp: ([ct]) => [lift(ct, (row) => expand(row, [rows, columns]))],
    jvp: ([t]) => [lift(t, columnSum)],
  };
  return expectAt(call(composite, [x]), 0);
}

/**
 * Rows side by side are a matrix with fewer and longer rows. Its sum has a few parts, which are then added up. A row of ones
 * for all rows of an image would be larger than the level-1 cache, and is read anew for every few columns.
 */
function sumOf(x: Value, rows: number, columns: number): Value {
  let parts = 1;
  while (parts < MOST_PARTS && rows % (2 * parts) === 0 && rows / (2 * parts) >= LEAST_ROWS) parts *= 2;
  const sums = gemm(ones(rows / parts), reshape(x, [rows / parts, columns * parts]));
  return parts === 1 ? sums : gemm(ones(parts), reshape(sums, [parts, columns]));
}

/** The sum of the rows of each matrix of a stack: [..., rows, columns] → [..., 1, columns]. Not differentiated. */
export function sumDown(x: Value): Value {
  return matmul(ones(staticDim(x.shape.at(-2), 'sumDown', x.shape)), x);
}

const ones = (count: number): Value => expand(scalar(1), [1, count]);

/** A vector added to every row: float32 [rows, columns] and [columns]. The vector's cotangent is a `columnSum`. */
export function addToRows(x: Value, vector: Value): Value {
  const composite: Composite = {
    name: 'add-to-rows',
    body: (given) => [add(expectAt(given, 0), expectAt(given, 1))],
    vjp: ([ct]) => [ct, lift(ct, (d) => reshape(columnSum(d), vector.shape))],
    jvp: ([tx, tVector]) => [sum(tx, toShape(tVector, x.shape))],
  };
  return expectAt(call(composite, [x, vector]), 0);
}

/** The mean of the rows: float32 [rows, columns] → [1, columns]. */
export function columnMean(x: Value): Value {
  return mul(columnSum(x), 1 / staticDim(x.shape[0], 'columnMean', x.shape));
}
