/**
 * Composites: named functions of ops whose derivatives are written in closed form, for where that reuses values
 * that the general rules would compute again. What a body and its derivatives have in common need not be passed
 * around: common subexpressions are merged when the graph is finished.
 */
import { call, mul } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { lift } from './linear.ts';

function first([value]: readonly Value[]): Value {
  if (!value) throw new Error('internal: composite without operand');
  return value;
}

/** An elementwise function of one value with a closed form for its derivative (itself perhaps a composite). */
export function elementwiseComposite(
  name: string,
  body: (x: Value) => Value,
  derivative: (x: Value) => Value,
): (x: Value) => Value {
  const composite = {
    name,
    elementwise: true,
    body: (x: readonly Value[]) => [body(first(x))],
    vjp: ([ct]: readonly (Value | undefined)[], _y: readonly Value[], x: readonly Value[]) => [
      lift(ct, (d) => mul(d, derivative(first(x)))),
    ],
    jvp: ([t]: readonly (Value | undefined)[], _y: readonly Value[], x: readonly Value[]) => [
      lift(t, (d) => mul(d, derivative(first(x)))),
    ],
  };
  return (x) => first(call(composite, [x]));
}
