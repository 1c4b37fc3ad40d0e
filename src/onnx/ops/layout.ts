/**
 * Ops that move elements, of any dtype. Negative axes count from the last. Each throws a UserError that names the op
 * where the shapes do not allow it. An op that changes nothing returns its operand. Two Reshapes in a row become one,
 * and so do two Transposes.
 */
import { UserError } from '../../errors.ts';
import { expectAt } from '../../expect.ts';
import { apply } from '../apply.ts';
import { normalizeAxis, sameShape, staticShape } from '../shapes.ts';
import { isOp, type Shape, type Value } from '../value.ts';
import { constant, scalar } from './operands.ts';

/** The same elements in the same order, in another shape. Throws where the shape has more or fewer elements. */
export function reshape(x: Value, shape: Shape): Value {
  const [reshaped] = apply('Reshape', [x], { shape });
  if (sameShape(shape, x.shape)) return x;
  if (isOp(x.node, 'Reshape')) return reshape(x.node.inputs[0], shape);
  if (isOp(x.node, 'Constant')) return constant(x.node.attributes.data, staticShape(shape), x.dtype);
  return reshaped;
}

/** Axis i of the result is axis perm[i] of x; by default the axes are reversed. Throws where perm is no permutation. */
export function transpose(
  x: Value,
  perm: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i),
): Value {
  const [transposed] = apply('Transpose', [x], { perm });
  const longer = perm.filter((axis) => x.shape[axis] !== 1);
  // Only axes of length 1 move: the elements stay where they are.
  if (longer.every((axis, i) => i === 0 || axis > expectAt(longer, i - 1)))
    return reshape(x, transposed.shape);
  if (!isOp(x.node, 'Transpose')) return transposed;
  const inner = x.node;
  return transpose(
    inner.inputs[0],
    perm.map((axis) => inner.attributes.perm[axis] ?? axis),
  );
}

/** Broadcasts x to a static shape. Throws where it does not broadcast to it. */
export function expand(x: Value, shape: readonly number[]): Value {
  const [expanded] = apply('Expand', [x], { shape });
  return sameShape(x.shape, shape) ? x : expanded;
}

/** float32 zeros of a static shape. The graph stores one element, however many there are. */
export function zeros(shape: readonly number[]): Value {
  return expand(scalar(0), shape);
}

/** The elements `start` up to but not including `end` along one axis. Throws where 0 ≤ start < end ≤ length fails. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalizeAxis('Slice', axis, x.shape.length);
  const [sliced] = apply('Slice', [x], { starts: [start], ends: [end], axes: [at] });
  return start === 0 && end === x.shape[at] ? x : sliced;
}

/** x with `before` and `after` zeros put around it along one axis. Throws where one of them is negative. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  const at = normalizeAxis('Pad', axis, x.shape.length);
  if (before < 0 || after < 0)
    throw new UserError(`Pad: expected counts of 0 or more, got ${before} and ${after}`);
  if (before === 0 && after === 0) return x;
  const rank = x.shape.length;
  const pads = Array.from({ length: 2 * rank }, (_, i) => (i === at ? before : i === at + rank ? after : 0));
  return apply('Pad', [x], { pads })[0];
}

/**
 * The values one after the other along an axis. Throws where there are none, or where they are of different dtypes or
 * differ on another axis.
 */
export function concat(values: readonly Value[], axis: number): Value {
  const [first] = values;
  const at = normalizeAxis('Concat', axis, first?.shape.length ?? 1);
  const [joined] = apply('Concat', values, { axis: at });
  return first && values.length === 1 ? first : joined;
}

/** Consecutive pieces of x of these sizes along an axis. Throws where the sizes do not add up to its length. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  const at = normalizeAxis('Split', axis, x.shape.length);
  const pieces = apply('Split', [x], { axis: at, sizes });
  return sizes.length === 1 ? [x] : pieces;
}
