import { expand, gather, gatherElements, reshape, scatterElements, zeros } from '../../onnx/ops.ts';
import type { indexing as described } from '../../onnx/opset/indexing.ts';
import { sizeOf, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { lift } from '../linear.ts';
import type { Rules } from './rule.ts';

/** Zeros like `data` with every slice of `ct` added where Gather took it from. */
function scatterSlices(ct: Value, data: Value, indices: Value, axis: number): Value {
  const shape = staticShape(data.shape, 'Gather');
  const count = sizeOf(indices.shape);
  const slices = shape.map((dim, i) => (i === axis ? count : dim));
  const alongAxis = shape.map((_, i) => (i === axis ? count : 1));
  const everywhere = expand(reshape(indices, alongAxis), slices);
  return scatterElements(expandedZeros(data), everywhere, reshape(ct, slices), axis);
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
