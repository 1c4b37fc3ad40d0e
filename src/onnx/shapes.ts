/** Shape arithmetic: dimensions that may be multiples of `batch`, broadcasting, axes. */
import { UserError } from '../errors.ts';
import type { Dim, Shape } from './value.ts';

/** A dimension as a number, and whether `batch` is multiplied by it. */
function parts(dim: Dim): { count: number; symbolic: boolean } {
  if (typeof dim === 'number') return { count: dim, symbolic: false };
  return { count: dim === 'batch' ? 1 : Number.parseInt(dim, 10), symbolic: true };
}

/** The product of dimensions. Throws where `batch` would be squared. */
export function product(dims: Shape): Dim {
  let count = 1;
  let symbolic = false;
  for (const dim of dims) {
    const part = parts(dim);
    if (part.symbolic && symbolic) throw new UserError(`shapes: batch appears twice in ${show(dims)}`);
    count *= part.count;
    symbolic ||= part.symbolic;
  }
  return symbolic ? multiple(count) : count;
}

function multiple(count: number): Dim {
  return count === 1 ? 'batch' : `${count}·batch`;
}

/** The number of elements. Throws on a symbolic shape. */
export function sizeOf(shape: Shape): number {
  return staticShape(shape).reduce((size, dim) => size * dim, 1);
}

/** The number of elements, to compare: with a symbolic batch more than of any static shape. */
export function comparableSize(shape: Shape): number {
  const size = product(shape);
  return typeof size === 'number' ? size : Number.POSITIVE_INFINITY;
}

/** The number of elements for each example of a symbolic batch; of a static shape, all of them. */
export function sizePerExample(shape: Shape): number {
  return parts(product(shape)).count;
}

/** The shape as numbers. Throws on a symbolic one: training graphs are static, only inference keeps `batch`. */
export function staticShape(shape: Shape, op = 'shape'): readonly number[] {
  return shape.map((dim) => staticDim(dim, op, shape));
}

export function staticDim(dim: Dim | undefined, op: string, shape: Shape): number {
  if (typeof dim !== 'number') throw new UserError(`${op}: expected static dimensions, got ${show(shape)}`);
  return dim;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

export function show(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** The shape of an elementwise op on operands of these shapes (numpy's rule). */
export function broadcast(op: string, ...shapes: readonly Shape[]): Shape {
  const [first = []] = shapes;
  // Most operands are of one shape, and a training graph asks ten thousand times.
  if (shapes.every((shape) => sameShape(shape, first))) return first;
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let dim: Dim = 1;
    for (const shape of shapes) {
      const other = shape[i - rank + shape.length] ?? 1;
      if (other === 1 || other === dim) continue;
      if (dim !== 1)
        throw new UserError(`${op}: expected shapes that broadcast, got ${shapes.map(show).join(' and ')}`);
      dim = other;
    }
    return dim;
  });
}

/** The axis counted from the front. Throws when it is out of range. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new UserError(`${op}: expected an axis in [${-rank}, ${rank - 1}], got ${axis}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** The shape with the dimension at `axis` replaced. */
export function withDim(shape: Shape, axis: number, dim: Dim): Shape {
  return shape.map((old, i) => (i === axis ? dim : old));
}

/** The shape with its −1 replaced by what `from` leaves for it, which in our files is a multiple of `batch`. */
export function leftOver(from: Shape, shape: readonly number[]): Shape {
  const at = shape.indexOf(-1);
  if (at < 0) return shape;
  const known = shape.reduce((size, dim) => (dim === -1 ? size : size * dim), 1);
  const all = parts(product(from));
  if (all.count % known !== 0) throw new UserError(`Reshape of ${show(from)} to ${show(shape)}`);
  return withDim(shape, at, all.symbolic ? multiple(all.count / known) : all.count / known);
}

/** How a shape was broadcast to another: the number of axes put in front, and the axes of `to` that were stretched. */
export function broadcastAxes(from: Shape, to: Shape): { leading: number; stretched: readonly number[] } {
  const leading = to.length - from.length;
  const stretched = from.flatMap((dim, i) => (dim === 1 && to[i + leading] !== 1 ? [i + leading] : []));
  return { leading, stretched };
}
