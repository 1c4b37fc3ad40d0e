/** Adjoints that many rules share. */
import { expectAt } from '../expect.ts';
import { add, call, expand, reduceSum, reshape } from '../onnx/ops.ts';
import { broadcastAxes, sameShape, staticShape } from '../onnx/shapes.ts';
import type { Composite, Shape, Value } from '../onnx/value.ts';

/** The adjoint of broadcasting: sums a cotangent over the axes along which an operand of this shape was stretched. */
export function sumTo(ct: Value, shape: Shape): Value {
  if (sameShape(ct.shape, shape)) return ct;
  const { leading, stretched } = broadcastAxes(shape, ct.shape);
  const axes = [...Array.from({ length: leading }, (_, i) => i), ...stretched];
  return reshape(reduceSum(ct, { axes, keepdims: true }), shape);
}

/** The sum of tangents or cotangents. An undefined one is zero, and so is the sum where all are. */
export function sum(...values: readonly (Value | undefined)[]): Value | undefined {
  let total: Value | undefined;
  for (const value of values) if (value) total = total ? add(total, value) : value;
  return total;
}

/** Broadcasts a tangent to the shape of its value, which it must have. An undefined tangent is zero and stays so. */
export function toShape(value: Value | undefined, shape: Shape): Value | undefined {
  if (!value || sameShape(value.shape, shape)) return value;
  return expand(value, staticShape(shape));
}

/** Applies a linear function to a tangent or cotangent. An undefined one is zero, and so is its result. */
export function lift(value: Value | undefined, linear: (value: Value) => Value): Value | undefined {
  return value && linear(value);
}

/** The shape of a reduction's result with its reduced axes kept as 1. */
export function keptShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
}

/** A linear function of one value as a composite, by itself and its adjoint, which is written the same way. */
export function linearPair(name: string, there: (x: Value) => Value, back: (d: Value) => Value): Composite {
  return {
    name,
    body: (x) => [there(expectAt(x, 0))],
    vjp: ([ct]) => [lift(ct, back)],
    jvp: ([t]) => [lift(t, (d) => expectAt(call(linearPair(name, there, back), [d]), 0))],
  };
}
