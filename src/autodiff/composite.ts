/**
 * Composites: named functions of ops whose derivatives are written in closed form. Such a derivative can reuse values
 * that the general rules would compute again. A body and its derivatives each write all that they need: common
 * subexpressions are merged when the graph is finished.
 */
import { expectAt } from '../expect.ts';
import { call, mul } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { lift } from './linear.ts';

/** An elementwise function of one value with a closed form for its derivative (itself perhaps a composite). */
export function elementwiseComposite(
  name: string,
  body: (x: Value) => Value,
  derivative: (x: Value) => Value,
): (x: Value) => Value {
  const composite = {
    name,
    elementwise: true,
    body: (x: readonly Value[]) => [body(expectAt(x, 0))],
    vjp: ([ct]: readonly (Value | undefined)[], _y: readonly Value[], x: readonly Value[]) => [
      lift(ct, (d) => mul(d, derivative(expectAt(x, 0)))),
    ],
    jvp: ([t]: readonly (Value | undefined)[], _y: readonly Value[], x: readonly Value[]) => [
      lift(t, (d) => mul(d, derivative(expectAt(x, 0)))),
    ],
  };
  return (x) => expectAt(call(composite, [x]), 0);
}
