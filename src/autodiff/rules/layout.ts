import { concat, expand, pad, reshape, slice, split, transpose, zeros } from '../../onnx/ops.ts';
import type { layout as described } from '../../onnx/opset/layout.ts';
import { staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { sumTo } from '../linear.ts';
import { type Rules, symmetric, unary } from './rule.ts';

const length = (x: Value, axis: number): number => staticDim(x.shape[axis], 'layout', x.shape);
const zerosLike = (x: Value): Value => zeros(staticShape(x.shape, 'layout'));

export const layout: Rules<keyof typeof described> = {
  Identity: symmetric((d) => d),
  Reshape: unary(
    (ct, _y, x) => reshape(ct, x.shape),
    (t, y) => reshape(t, y.shape),
  ),
  Transpose: unary(
    (ct, _y, _x, { perm }) =>
      transpose(
        ct,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    (t, _y, _x, { perm }) => transpose(t, perm),
  ),
  Expand: unary(
    (ct, _y, x) => sumTo(ct, x.shape),
    (t, _y, _x, { shape }) => expand(t, shape),
  ),
  Slice: unary(
    (ct, _y, x, { starts, ends, axes }) =>
      axes.reduce((d, axis, i) => pad(d, axis, starts[i] ?? 0, length(x, axis) - (ends[i] ?? 0)), ct),
    (t, _y, _x, { starts, ends, axes }) =>
      axes.reduce((d, axis, i) => slice(d, axis, starts[i] ?? 0, ends[i] ?? 0), t),
  ),
  Pad: unary(
    (ct, _y, x, { pads }) =>
      x.shape.reduce((d: Value, _, axis) => {
        const before = pads[axis] ?? 0;
        return slice(d, axis, before, before + length(x, axis));
      }, ct),
    (t, _y, x, { pads }) =>
      x.shape.reduce(
        (d: Value, _, axis) => pad(d, axis, pads[axis] ?? 0, pads[axis + x.shape.length] ?? 0),
        t,
      ),
  ),
  Concat: {
    vjp: ([ct], _y, xs, { axis }) =>
      split(
        ct,
        axis,
        xs.map((x) => length(x, axis)),
      ),
    jvp: (ts, _y, xs, { axis }) => [
      concat(
        xs.map((x, i) => ts[i] ?? zerosLike(x)),
        axis,
      ),
    ],
  },
  Split: {
    vjp: (cts, ys, _x, { axis }) => [
      concat(
        ys.map((y, i) => cts[i] ?? zerosLike(y)),
        axis,
      ),
    ],
    jvp: ([t], ys, _x, { axis, sizes }) => (t ? split(t, axis, sizes) : ys.map(() => undefined)),
  },
};
