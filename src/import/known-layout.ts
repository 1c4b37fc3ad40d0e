/** Where the elements of known numbers lie. */
import { broadcast, sizeOf, staticShape } from '../onnx/shapes.ts';
import type { Dim } from '../onnx/value.ts';
import { MOST_KNOWN } from './known.ts';
import type { Known } from './tensor.ts';

/** How far apart the elements of each axis lie, row-major. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return strides;
}

/** The indices of all elements of a shape, one per axis, row-major. The list is one and the same. */
export function* indicesOf(shape: readonly number[]): Generator<readonly number[]> {
  const size = sizeOf(shape);
  const at = shape.map(() => 0);
  for (let i = 0; i < size; i++) {
    yield at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (at[axis] ?? 0) + 1;
      if (next < (shape[axis] ?? 1)) {
        at[axis] = next;
        break;
      }
      at[axis] = 0;
    }
  }
}

/** The elements of operands that belong together, by numpy's rule; undefined where there are too many. */
export function broadcastOperands(
  operands: readonly Known[],
): { readonly shape: readonly number[]; readonly pairs: Iterable<readonly Dim[]> } | undefined {
  const shape = staticShape(broadcast('shapes', ...operands.map((each) => each.shape)));
  if (sizeOf(shape) > MOST_KNOWN) return undefined;
  const steps = operands.map((each) => {
    const strides = stridesOf(each.shape);
    const lead = shape.length - each.shape.length;
    return shape.map((_, axis) => (each.shape[axis - lead] === 1 ? 0 : (strides[axis - lead] ?? 0)));
  });
  function* pairs(): Generator<readonly Dim[]> {
    for (const at of indicesOf(shape)) {
      yield operands.map(({ data }, i) => {
        let place = 0;
        at.forEach((index, axis) => {
          place += index * (steps[i]?.[axis] ?? 0);
        });
        return data[place] ?? 0;
      });
    }
  }
  return { shape, pairs: pairs() };
}

/** Known numbers of another shape, each from the place that `from` gives for its indices. */
export function gathered(x: Known, shape: readonly number[], from: (at: readonly number[]) => number): Known {
  const data: Dim[] = [];
  for (const at of indicesOf(shape)) data.push(x.data[from(at)] ?? 0);
  return { dtype: x.dtype, shape, data };
}
