import {
  add,
  call,
  cast,
  equal,
  expand,
  gather,
  gatherElements,
  less,
  matmul,
  range,
  reshape,
  scalar,
  scatterElements,
  where,
  zeros,
} from '../../onnx/ops.ts';
import type { indexing as described } from '../../onnx/opset/indexing.ts';
import { product, sizeOf, staticShape, withDim } from '../../onnx/shapes.ts';
import type { Composite, Value } from '../../onnx/value.ts';
import { lift } from '../linear.ts';
import type { Rules } from './rule.ts';

/**
 * Zeros like `data` with every slice of `ct` added where Gather took it from. A composite, so that its own adjoint is
 * a Gather again, whichever way the sum is written.
 */
function scatterSlices(ct: Value, data: Value, indices: Value, axis: number): Value {
  const write = axis === 0 && isSmall(data) ? sumByProduct : sumByScatter;
  const scatter: Composite = {
    name: 'scatter-slices',
    body: ([slices = ct]) => [write(slices, data, indices, axis)],
    vjp: ([d]) => [lift(d, (table) => gather(table, indices, axis)), undefined],
    jvp: ([t]) => [lift(t, (slices) => scatterSlices(slices, data, indices, axis))],
  };
  const [sums = ct] = call(scatter, [ct, indices]);
  return sums;
}

/**
 * Whether a table is so small that a matrix product adds up its rows faster than ScatterElements, which goes element by
 * element. ONNX Runtime 1.30 on two CPU cores took, for 4096 indices into rows × width (milliseconds, product and
 * scatter): 64 × 192 1.1 and 8.0; 256 × 192 3.2 and 8.1; 384 × 192 4.9 and 7.9; 1024 × 192 15 and 7; 512 × 512 20 and
 * 48; 256 × 64 1.3 and 1.8; 128 × 16 0.33 and 0.31. The one-hot matrix is then no larger than the slices or 384 columns.
 * ScatterND, which takes whole slices (0.2 ms), adds wrongly where several threads meet at one row.
 */
function isSmall({ dtype, shape: [rows = 1, ...rest] }: Value): boolean {
  const width = sizeOf(rest);
  return dtype === 'float32' && Number(rows) <= Math.min(8 * width, Math.max(384, width));
}

/** The transposed one-hot matrix of the indices times the slices. An index below 0 counts from the last row. */
function sumByProduct(ct: Value, { shape }: Value, indices: Value): Value {
  const [rows = 1, ...rest] = staticShape(shape, 'Gather');
  const count = product(indices.shape);
  const row = reshape(indices, [1, count]);
  const fromFront = where(less(row, 0), add(row, rows), row);
  const column = cast(reshape(range(rows), [rows, 1]), indices.dtype);
  const sums = matmul(cast(equal(column, fromFront), 'float32'), reshape(ct, [count, sizeOf(rest)]));
  return reshape(sums, shape);
}

/** The index of every slice, repeated for each of its elements. */
function sumByScatter(ct: Value, data: Value, indices: Value, axis: number): Value {
  const count = product(indices.shape);
  const elsewhere = withDim(data.shape, axis, 1);
  const alongAxis = reshape(
    indices,
    elsewhere.map((_, i) => (i === axis ? count : 1)),
  );
  const everywhere = add(alongAxis, expand(scalar(0, indices.dtype), staticShape(elsewhere, 'Gather')));
  return scatterElements(
    expandedZeros(data),
    everywhere,
    reshape(ct, withDim(data.shape, axis, count)),
    axis,
  );
}

const expandedZeros = (x: Value): Value => zeros(staticShape(x.shape, 'Scatter'));

/** GatherElements and ScatterElements (adding) are each other's adjoints, so the family is closed. */
export const indexing: Rules<keyof typeof described> = {
  Gather: {
    vjp: ([ct], _y, [data, indices], { axis }) => [scatterSlices(ct, data, indices, axis), undefined],
    jvp: ([t], _y, [, indices], { axis }) => [lift(t, (d) => gather(d, indices, axis))],
  },
  GatherElements: {
    vjp: ([ct], _y, [data, indices], { axis }) => [
      scatterElements(expandedZeros(data), indices, ct, axis),
      undefined,
    ],
    jvp: ([t], _y, [, indices], { axis }) => [lift(t, (d) => gatherElements(d, indices, axis))],
  },
  ScatterElements: {
    vjp: ([ct], _y, [, indices], { axis }) => [ct, undefined, gatherElements(ct, indices, axis)],
    jvp: ([t, , updates], _y, [data, indices], { axis }) => [
      updates ? scatterElements(t ?? expandedZeros(data), indices, updates, axis) : t,
    ],
  },
};
