import {
  cast,
  cos,
  div,
  equal,
  exp,
  greater,
  less,
  log,
  mul,
  neg,
  pow,
  scalar,
  sign,
  sin,
  sub,
  where,
} from '../../onnx/ops.ts';
import type { elementwise as described } from '../../onnx/opset/elementwise.ts';
import type { Value } from '../../onnx/value.ts';
import { lift, sum, sumTo, toShape } from '../linear.ts';
import { type Rule, type Rules, symmetric, zeroDerivative, zeroDerivatives } from './rule.ts';

const isFloat = ({ dtype }: Value): boolean => dtype === 'float32' || dtype === 'float16';

/** d(a^b) = b·a^(b−1)·da + a^b·log(a)·db */
const powByBase = (d: Value, a: Value, b: Value) => mul(d, mul(b, pow(a, sub(b, 1))));
const powByExponent = (d: Value, a: Value, y: Value) => mul(d, mul(y, log(a)));

/** Min or Max: the derivative goes to the operand that is chosen, and half to each where both are equal. */
function choice(isChosen: (a: Value, b: Value) => Value): Rule<'Min' | 'Max'> {
  const share = (a: Value, b: Value) => where(equal(a, b), 0.5, cast(isChosen(a, b), 'float32'));
  return {
    vjp: ([ct], _y, [a, b]) => [sumTo(mul(ct, share(a, b)), a.shape), sumTo(mul(ct, share(b, a)), b.shape)],
    jvp: ([ta, tb], [y], [a, b]) => [
      toShape(
        sum(
          lift(ta, (t) => mul(t, share(a, b))),
          lift(tb, (t) => mul(t, share(b, a))),
        ),
        y.shape,
      ),
    ],
  };
}

export const elementwise: Rules<keyof typeof described> = {
  Neg: symmetric((d) => neg(d)),
  Abs: symmetric((d, _y, x) => mul(d, sign(x))),
  Sign: zeroDerivative,
  Floor: zeroDerivative,
  IsNaN: zeroDerivative,
  Not: zeroDerivative,
  Sin: symmetric((d, _y, x) => mul(d, cos(x))),
  Cos: symmetric((d, _y, x) => neg(mul(d, sin(x)))),
  Exp: symmetric((d, y) => mul(d, y)),
  Log: symmetric((d, _y, x) => div(d, x)),
  Sqrt: symmetric((d, y) => div(mul(d, 0.5), y)),
  Reciprocal: symmetric((d, y) => neg(mul(d, mul(y, y)))),
  Erf: symmetric((d, _y, x) => mul(d, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Tanh: symmetric((d, y) => mul(d, sub(1, mul(y, y)))),
  Sigmoid: symmetric((d, y) => mul(d, mul(y, sub(1, y)))),
  // A product with 0 and 1 takes two thirds of the time of a Where, as ONNX Runtime computes it.
  Relu: symmetric((d, _y, x) => mul(d, cast(greater(x, 0), d.dtype))),
  // A cast to or from integers has no derivative. One between floats casts the derivative too, as PyTorch does.
  Cast: {
    vjp: ([ct], [y], [x]) => [isFloat(x) && isFloat(y) ? cast(ct, x.dtype) : undefined],
    jvp: ([t], [y], [x]) => [isFloat(x) && isFloat(y) ? lift(t, (d) => cast(d, y.dtype)) : undefined],
  },
  Add: {
    vjp: ([ct], _y, [a, b]) => [sumTo(ct, a.shape), sumTo(ct, b.shape)],
    jvp: ([ta, tb], [y]) => [toShape(sum(ta, tb), y.shape)],
  },
  Sub: {
    vjp: ([ct], _y, [a, b]) => [sumTo(ct, a.shape), sumTo(neg(ct), b.shape)],
    jvp: ([ta, tb], [y]) => [toShape(ta && tb ? sub(ta, tb) : (ta ?? lift(tb, neg)), y.shape)],
  },
  Mul: {
    vjp: ([ct], _y, [a, b]) => [sumTo(mul(ct, b), a.shape), sumTo(mul(ct, a), b.shape)],
    jvp: ([ta, tb], [y], [a, b]) => [
      toShape(
        sum(
          lift(ta, (t) => mul(t, b)),
          lift(tb, (t) => mul(a, t)),
        ),
        y.shape,
      ),
    ],
  },
  Div: {
    vjp: ([ct], [y], [a, b]) => {
      const da = div(ct, b);
      return [sumTo(da, a.shape), sumTo(neg(mul(da, y)), b.shape)];
    },
    // (ta − y·tb)/b
    jvp: ([ta, tb], [y], [, b]) => [
      toShape(
        sum(
          lift(ta, (t) => div(t, b)),
          lift(tb, (t) => neg(div(mul(y, t), b))),
        ),
        y.shape,
      ),
    ],
  },
  Pow: {
    vjp: ([ct], [y], [a, b]) => [
      sumTo(powByBase(ct, a, b), a.shape),
      sumTo(powByExponent(ct, a, y), b.shape),
    ],
    jvp: ([ta, tb], [y], [a, b]) => [
      toShape(
        sum(
          lift(ta, (t) => powByBase(t, a, b)),
          lift(tb, (t) => powByExponent(t, a, y)),
        ),
        y.shape,
      ),
    ],
  },
  Min: choice(less),
  Max: choice(greater),
  Equal: zeroDerivatives,
  Greater: zeroDerivatives,
  GreaterOrEqual: zeroDerivatives,
  Less: zeroDerivatives,
  LessOrEqual: zeroDerivatives,
  And: zeroDerivatives,
  Or: zeroDerivatives,
  Where: {
    vjp: ([ct], _y, [condition, a, b]) => [
      undefined,
      sumTo(where(condition, ct, 0), a.shape),
      sumTo(where(condition, 0, ct), b.shape),
    ],
    jvp: ([, ta, tb], [y], [condition]) => [
      ta || tb ? toShape(where(condition, ta ?? scalar(0), tb ?? scalar(0)), y.shape) : undefined,
    ],
  },
};
