import { div, exp, greater, log, mul, neg, pow, scalar, sign, sub, where } from '../../onnx/ops.ts';
import type { Value } from '../../onnx/value.ts';
import { lift, sum, sumTo, toShape } from '../linear.ts';
import { flat, type Rules, symmetric } from './rule.ts';

const comparison = { vjp: () => [undefined, undefined] as const, jvp: () => [undefined] as const };

/** d(a^b) = b·a^(b−1)·da + a^b·log(a)·db */
const powByBase = (d: Value, a: Value, b: Value) => mul(d, mul(b, pow(a, sub(b, 1))));
const powByExponent = (d: Value, a: Value, y: Value) => mul(d, mul(y, log(a)));

export const elementwise: Rules<
  | 'Identity'
  | 'Neg'
  | 'Abs'
  | 'Sign'
  | 'Exp'
  | 'Log'
  | 'Sqrt'
  | 'Reciprocal'
  | 'Erf'
  | 'Tanh'
  | 'Sigmoid'
  | 'Relu'
  | 'Cast'
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'Div'
  | 'Pow'
  | 'Equal'
  | 'Greater'
  | 'Less'
  | 'Where'
> = {
  Identity: symmetric((d) => d),
  Neg: symmetric((d) => neg(d)),
  Abs: symmetric((d, _y, x) => mul(d, sign(x))),
  Sign: flat,
  Exp: symmetric((d, y) => mul(d, y)),
  Log: symmetric((d, _y, x) => div(d, x)),
  Sqrt: symmetric((d, y) => div(mul(d, 0.5), y)),
  Reciprocal: symmetric((d, y) => neg(mul(d, mul(y, y)))),
  Erf: symmetric((d, _y, x) => mul(d, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))),
  Tanh: symmetric((d, y) => mul(d, sub(1, mul(y, y)))),
  Sigmoid: symmetric((d, y) => mul(d, mul(y, sub(1, y)))),
  Relu: symmetric((d, _y, x) => where(greater(x, 0), d, 0)),
  Cast: flat, // only float32 has derivatives, and a cast from it leaves it
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
  Equal: comparison,
  Greater: comparison,
  Less: comparison,
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
