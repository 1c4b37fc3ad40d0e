/** ONNX's elementwise operators that are ours too, or a line of ours. */
import { clip } from '../../autodiff/functions.ts';
import {
  abs,
  add,
  and,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  floor,
  greater,
  greaterOrEqual,
  isNan,
  less,
  lessOrEqual,
  log,
  max,
  min,
  mul,
  neg,
  not,
  notEqual,
  or,
  pow,
  reciprocal,
  relu,
  reshape,
  scalar,
  sigmoid,
  sign,
  sin,
  sqrt,
  sub,
  tanh,
  where,
} from '../../onnx/ops.ts';
import type { Value } from '../../onnx/value.ts';
import { ELEMENT_TYPES, typeName } from '../element-types.ts';
import { elementwise } from './activation.ts';
import { asItLies } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';
import { alike } from './operands.ts';

const binary =
  (f: (a: Value, b: Value, call: Call) => Value): Lowering =>
  (call) => {
    if (call.attributes.has('broadcast')) return [f(...olderPair(call), call)];
    const { values, result } = alike(call);
    const [a, b] = values;
    if (!a || !b) throw call.error(`expected 2 inputs, got ${call.inputs}`);
    return [result(f(a, b, call))];
  };

/** The operands as they broadcast before opset 7: the second's axes stand at `axis` of the first, or at its end. */
function olderPair(call: Call): [Value, Value] {
  const [a, b] = [call.value(0), call.value(1)];
  const rank = a.shape.length;
  const axis = call.attributes.int('axis', rank - b.shape.length);
  const behind = rank - (axis < 0 ? axis + rank : axis) - b.shape.length;
  return [a, behind > 0 ? reshape(b, [...b.shape, ...new Array<number>(behind).fill(1)]) : b];
}

/** An operator of any number of operands. */
const many =
  (f: (a: Value, b: Value) => Value, finish: (sum: Value, count: number) => Value = (sum) => sum): Lowering =>
  (call) => {
    const { values, result } = alike(call);
    const [first, ...rest] = values;
    if (!first) throw call.error('expected 1 input or more, got none');
    return [
      result(
        finish(
          rest.reduce((sum, x) => f(sum, x), first),
          values.length,
        ),
      ),
    ];
  };

/** A number halfway between two goes to the even one, as IEEE 754 rounds. */
function roundEven(x: Value): Value {
  const up = floor(add(x, 0.5));
  const isHalf = equal(add(x, 0.5), up);
  const half = mul(up, 0.5);
  return where(and(isHalf, notEqual(half, floor(half))), sub(up, 1), up);
}

/** a modulo b, with the sign of b; with `fmod`, of a. */
function modulo(a: Value, b: Value, call: Call): Value {
  if (a.dtype !== 'float32') {
    const rest = sub(a, mul(div(a, b), b));
    const isOther = and(notEqual(rest, 0), notEqual(less(rest, 0), less(b, 0)));
    return call.attributes.int('fmod', 0) === 1 ? rest : where(isOther, add(rest, b), rest);
  }
  const ratio = div(a, b);
  const whole = call.attributes.int('fmod', 0) === 1 ? mul(sign(ratio), floor(abs(ratio))) : floor(ratio);
  return sub(a, mul(b, whole));
}

/** Small whole powers as products, which ONNX Runtime computes many times faster than Pow. */
function power(x: Value, exponent: Value, known: number | undefined): Value {
  switch (known) {
    case 0.5:
      return sqrt(x);
    case -0.5:
      return reciprocal(sqrt(x));
    case -1:
      return reciprocal(x);
    case -2:
      return reciprocal(mul(x, x));
    case 3:
      return mul(mul(x, x), x);
    case 4: {
      const square = mul(x, x);
      return mul(square, square);
    }
    default:
      return pow(x, cast(exponent, x.dtype));
  }
}

const powers: Lowering = (call) => {
  const known = call.known(1);
  const single = known?.data.length === 1 ? known.data[0] : undefined;
  const { values, result } = alike(call);
  const [x, exponent] = values;
  if (!x || !exponent) throw call.error(`expected 2 inputs, got ${call.inputs}`);
  return [
    result(power(x, exponent, typeof single === 'number' && x.dtype === 'float32' ? single : undefined)),
  ];
};

/** Bounds that are left out do not bound. */
const clipped: Lowering = (call) => {
  const { x, result } = asItLies(call);
  const bound = (input: number): Value | number | undefined => {
    const known = call.known(input)?.data[0];
    return typeof known === 'number' && Number.isFinite(known) ? known : call.optional(input);
  };
  const [low, high] = [bound(1), bound(2)];
  if (low === 0 && high === undefined && x.dtype === 'float32') return [result(relu(x))];
  return [result(clip(x, low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY))];
};

const chosen: Lowering = (call) => {
  const { values, result } = alike(call);
  const [condition, a, b] = values;
  if (!condition || !a || !b) throw call.error(`expected 3 inputs, got ${call.inputs}`);
  return [result(where(condition, a, b))];
};

const casts: Lowering = (call) => {
  const to = call.attributes.int('to', 1);
  const type = ELEMENT_TYPES[to];
  if (!type) throw call.error(`expected a type of numbers, got ${typeName(to)}`);
  const { x, result } = asItLies(call);
  return [result(cast(x, type.dtype))];
};

const castLike: Lowering = (call) => {
  const { x, result } = asItLies(call);
  return [result(cast(x, call.dtype(1)))];
};

/** Where x is infinite, of the signs that are asked for. */
const isInfinite: Lowering = (call) => {
  const { x, result } = asItLies(call);
  const above = equal(x, scalar(Number.POSITIVE_INFINITY));
  const below = equal(x, scalar(Number.NEGATIVE_INFINITY));
  const wants = (name: string): boolean => call.attributes.int(name, 1) === 1;
  if (!wants('detect_negative')) return [result(above)];
  return [result(wants('detect_positive') ? or(above, below) : below)];
};

const half = (x: Value): Value => mul(x, 0.5);

export const ELEMENTWISE: Lowerings = {
  Abs: elementwise(abs),
  Ceil: elementwise((x) => neg(floor(neg(x)))),
  Cos: elementwise(cos),
  Cosh: elementwise((x) => half(add(exp(x), exp(neg(x))))),
  Erf: elementwise(erf),
  Exp: elementwise(exp),
  Floor: elementwise(floor),
  IsNaN: elementwise(isNan),
  IsInf: isInfinite,
  Log: elementwise(log),
  Neg: elementwise(neg),
  Not: elementwise(not),
  Reciprocal: elementwise(reciprocal),
  Relu: elementwise(relu),
  Round: elementwise(roundEven),
  Sigmoid: elementwise(sigmoid),
  Sign: elementwise(sign),
  Sin: elementwise(sin),
  Sinh: elementwise((x) => half(sub(exp(x), exp(neg(x))))),
  Sqrt: elementwise(sqrt),
  Tan: elementwise((x) => div(sin(x), cos(x))),
  Tanh: elementwise(tanh),
  Acosh: elementwise((x) => log(add(x, sqrt(sub(mul(x, x), 1))))),
  Asinh: elementwise((x) => mul(sign(x), log(add(abs(x), sqrt(add(mul(x, x), 1)))))),
  Atanh: elementwise((x) => half(log(div(add(x, 1), sub(1, x))))),

  Add: binary(add),
  Sub: binary(sub),
  Mul: binary(mul),
  Div: binary(div),
  Mod: binary(modulo),
  Pow: powers,
  Min: many(min),
  Max: many(max),
  Sum: many(add),
  Mean: many(add, (sum, count) => mul(sum, 1 / count)),
  And: binary(and),
  Or: binary(or),
  Xor: binary((a, b) => notEqual(a, b)),
  Equal: binary(equal),
  Greater: binary(greater),
  GreaterOrEqual: binary(greaterOrEqual),
  Less: binary(less),
  LessOrEqual: binary(lessOrEqual),

  Where: chosen,
  Clip: clipped,
  Cast: casts,
  CastLike: castLike,
};
