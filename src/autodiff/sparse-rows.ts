/** Sums of a few weighted rows along an axis: what resampling, padding by reflection and the like do to an image. */
import { UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import { call, constant, gather, mul, reduceSum, reshape } from '../onnx/ops.ts';
import { normalizeAxis, show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { linearPair } from './linear.ts';

/** Which row goes in, and times what. */
export type Term = readonly [row: number, weight: number];

/** A matrix with few numbers in each row. A graph has its constants once, where one object stands for it. */
export interface SparseMatrix {
  /** The length of the axis before. */
  readonly from: number;
  /** For each place of the axis after, what is added up there. */
  readonly rows: readonly (readonly Term[])[];
}

/** The constants of a matrix, and the matrix with rows and columns swapped, made when they are asked for. */
interface Tables {
  readonly indices: Value;
  /** Undefined where every row is one other row, as it is. */
  readonly weights: Value | undefined;
  readonly transposed: SparseMatrix;
}

const TABLES = new WeakMap<SparseMatrix, Tables>();

function tablesOf(matrix: SparseMatrix): Tables {
  const known = TABLES.get(matrix);
  if (known) return known;
  const { rows } = matrix;
  const most = rows.reduce((length, row) => Math.max(length, row.length), 1);
  const indices = new Int32Array(rows.length * most);
  const weights = new Float32Array(rows.length * most);
  rows.forEach((row, i) => {
    row.forEach(([from, weight], j) => {
      indices[i * most + j] = from;
      weights[i * most + j] = weight;
    });
  });
  let transposed: SparseMatrix | undefined;
  const tables: Tables = {
    indices: constant(indices, most === 1 ? [rows.length] : [rows.length, most]),
    weights:
      most === 1 && weights.every((weight) => weight === 1)
        ? undefined
        : constant(weights, [rows.length, most]),
    get transposed() {
      transposed ??= transposeOf(matrix);
      TRANSPOSED_BACK.set(transposed, matrix);
      return transposed;
    },
  };
  TABLES.set(matrix, tables);
  return tables;
}

/** By a transposed matrix, the one that it was made of. */
const TRANSPOSED_BACK = new WeakMap<SparseMatrix, SparseMatrix>();

function transposeOf(matrix: SparseMatrix): SparseMatrix {
  const known = TRANSPOSED_BACK.get(matrix);
  if (known) return known;
  const rows: Term[][] = Array.from({ length: matrix.from }, () => []);
  matrix.rows.forEach((row, to) => {
    for (const [from, weight] of row) expectAt(rows, from).push([to, weight]);
  });
  return { from: matrix.rows.length, rows };
}

/**
 * x with its places along an axis replaced by sums of them: place i of the result is Σ weight·x[row] over `matrix.rows[i]`.
 * float32 of any shape, or any dtype where each sum is one place with weight 1. Its adjoint is the same with the matrix
 * transposed. Throws UserError where the axis has another length than `matrix.from`.
 */
export function sparseRows(x: Value, axis: number, matrix: SparseMatrix): Value {
  const at = normalizeAxis('sparseRows', axis, x.shape.length);
  if (x.shape[at] !== matrix.from) {
    throw new UserError(`sparseRows: expected ${matrix.from} places on axis ${at}, got ${show(x.shape)}`);
  }
  const isIdentity =
    matrix.rows.length === matrix.from &&
    matrix.rows.every((row, i) => row.length === 1 && row[0]?.[0] === i && row[0][1] === 1);
  if (isIdentity) return x;
  const body = (given: Value): Value => {
    const { indices, weights } = tablesOf(matrix);
    const rows = gather(given, indices, at);
    if (!weights) return rows;
    const behind = given.shape.slice(at + 1).map(() => 1);
    const [length = 0, most = 1] = matrix.rows.length === 0 ? [] : weights.shape;
    if (indices.shape.length === 1) return mul(rows, reshape(weights, [length, ...behind]));
    return reduceSum(mul(rows, reshape(weights, [length, most, ...behind])), { axes: [at + 1] });
  };
  const composite = linearPair('sparse-rows', body, (d) =>
    sparseRows(d, at, tablesOf(matrix).transposed),
  );
  return expectAt(call(composite, [x]), 0);
}
