/**
 * Elementwise ops. Operands broadcast by numpy's rule. Each function throws a UserError that names the op where shapes
 * do not broadcast, where operands are of different dtypes, or where the op does not take the dtype.
 */
import { UserError } from '../../errors.ts';
import { apply } from '../apply.ts';
import { broadcast, staticShape } from '../shapes.ts';
import { type DType, isOp, type Value } from '../value.ts';
import {
  constant,
  folded,
  type Operand,
  operandPair,
  singleNumber,
  unchanged,
  unexpanded,
} from './operands.ts';

// ---- of one operand -----------------------------------------------------------------------------------------

/** |x|. float32 of any shape, and so is the result. Its derivative at 0 is 0. */
export const abs = (x: Value): Value => apply('Abs', [x], {})[0];

/** −1, 0 or 1. float32 of any shape, and so is the result. Its derivative is 0. */
export const sign = (x: Value): Value => apply('Sign', [x], {})[0];

/** The largest integer that is not greater than x. float32 of any shape, and so is the result. Its derivative is 0. */
export const floor = (x: Value): Value => apply('Floor', [x], {})[0];

/** eˣ. float32 of any shape, and so is the result. */
export const exp = (x: Value): Value => apply('Exp', [x], {})[0];

/** The natural logarithm. float32 of any shape, and so is the result. */
export const log = (x: Value): Value => apply('Log', [x], {})[0];

/** The square root. float32 of any shape, and so is the result. Its derivative at 0 is infinite. */
export const sqrt = (x: Value): Value => apply('Sqrt', [x], {})[0];

/** 1/x. float32 of any shape, and so is the result. */
export const reciprocal = (x: Value): Value => apply('Reciprocal', [x], {})[0];

/** The sine of an angle in radians. float32 of any shape, and so is the result. */
export const sin = (x: Value): Value => apply('Sin', [x], {})[0];

/** The cosine of an angle in radians. float32 of any shape, and so is the result. */
export const cos = (x: Value): Value => apply('Cos', [x], {})[0];

/** The error function. float32 of any shape, and so is the result. */
export const erf = (x: Value): Value => apply('Erf', [x], {})[0];

/** The hyperbolic tangent. float32 of any shape, and so is the result. */
export const tanh = (x: Value): Value => apply('Tanh', [x], {})[0];

/** 1/(1 + e⁻ˣ). float32 of any shape, and so is the result. */
export const sigmoid = (x: Value): Value => apply('Sigmoid', [x], {})[0];

/** max(x, 0). float32 of any shape, and so is the result. Its derivative at 0 is 0. */
export const relu = (x: Value): Value => apply('Relu', [x], {})[0];

/** −x. float32, int32 or int64 of any shape, and so is the result. */
export function neg(x: Value): Value {
  const known = singleNumber(x);
  if (known !== undefined) return constant(Float32Array.of(-known), staticShape(x.shape));
  return isOp(x.node, 'Neg') ? x.node.inputs[0] : apply('Neg', [x], {})[0];
}

/** Where x is not a number. float32 of any shape; the result is bool. */
export const isNan = (x: Value): Value => apply('IsNaN', [x], {})[0];

/** Where the operand is false. bool of any shape, and so is the result. */
export const not = (x: Value): Value => apply('Not', [x], {})[0];

/** A copy of the value. Only a graph whose output is also its input needs one. Any shape and dtype. */
export const identity = (x: Value): Value => apply('Identity', [x], {})[0];

/**
 * The value in another dtype, of the same shape. A cast from float to an integer rounds towards 0; a cast to bool gives
 * true where the value is not 0. A derivative passes through casts between float32 and float16. Through others it is 0.
 */
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : apply('Cast', [x], { to })[0]);

// ---- of two operands ----------------------------------------------------------------------------------------

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Pow' | 'Min' | 'Max';
type BinaryOp = Arithmetic | 'Equal' | 'Greater' | 'GreaterOrEqual' | 'Less' | 'LessOrEqual';

function binary(op: BinaryOp, left: Operand, right: Operand): Value {
  const [a, b] = operandPair(op, left, right);
  return apply(op, unexpanded(a, b, broadcast(op, a.shape, b.shape)), {})[0];
}

const COMPUTE: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Min: Math.min,
  Max: Math.max,
};

/** An arithmetic op. Where both operands are constants of one element, the result is computed here, as a constant. */
function arithmetic(op: Arithmetic, left: Operand, right: Operand): Value {
  const [a, b] = operandPair(op, left, right);
  const [x, y] = [singleNumber(a), singleNumber(b)];
  if (x === undefined || y === undefined) return binary(op, a, b);
  return folded(op, COMPUTE[op](x, y), a, b);
}

/** The operand of `x` where that is a Neg, else undefined. */
function negated(x: Operand): Value | undefined {
  return typeof x !== 'number' && isOp(x.node, 'Neg') ? x.node.inputs[0] : undefined;
}

/** a + b. Both of one dtype, float32, int32 or int64; one may be a number. */
export function add(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 0) ?? unchanged(b, a, 0);
  if (same) return same;
  const [minusA, minusB] = [negated(a), negated(b)];
  if (minusB) return sub(a, minusB);
  return minusA ? sub(b, minusA) : arithmetic('Add', a, b);
}

/** a − b. Both of one dtype, float32, int32 or int64; one may be a number. */
export function sub(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 0);
  if (same) return same;
  const opposite = unchanged(b, a, 0);
  if (opposite) return neg(opposite);
  const minusB = negated(b);
  return minusB ? add(a, minusB) : arithmetic('Sub', a, b);
}

/** a·b, element by element. Both of one dtype, float32, int32 or int64; one may be a number. */
export function mul(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 1) ?? unchanged(b, a, 1);
  if (same) return same;
  const opposite = unchanged(a, b, -1) ?? unchanged(b, a, -1);
  return opposite ? neg(opposite) : arithmetic('Mul', a, b);
}

/** a/b. Both of one dtype, float32, int32 or int64; one may be a number. Integers round towards 0. */
export const div = (a: Operand, b: Operand): Value => unchanged(a, b, 1) ?? arithmetic('Div', a, b);

/**
 * aᵇ. Both of one dtype, float32, int32 or int64; one may be a number. A first power is written as a, a square as
 * a·a, which ONNX Runtime computes many times faster than Pow.
 */
export function pow(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 1);
  if (same) return same;
  const square = unchanged(a, b, 2);
  return square ? mul(square, square) : binary('Pow', a, b);
}

/**
 * The smaller of a and b. Both of one dtype, float32, int32 or int64; one may be a number. Where they are equal each
 * gets half of the derivative, as in PyTorch and JAX.
 */
export const min = (a: Operand, b: Operand): Value => arithmetic('Min', a, b);

/**
 * The larger of a and b. Both of one dtype, float32, int32 or int64; one may be a number. Where they are equal each gets
 * half of the derivative, as in PyTorch and JAX.
 */
export const max = (a: Operand, b: Operand): Value => arithmetic('Max', a, b);

/** Where a = b. Both of one dtype, any but float16; one may be a number. The result is bool. */
export const equal = (a: Operand, b: Operand): Value => binary('Equal', a, b);

/** Where a ≠ b; NaN differs from everything. Both of one dtype, any but float16; one may be a number. The result is bool. */
export const notEqual = (a: Operand, b: Operand): Value => not(equal(a, b));

/** Where a > b. Both of one dtype, float32, int32 or int64; one may be a number. The result is bool. */
export const greater = (a: Operand, b: Operand): Value => binary('Greater', a, b);

/** Where a ≥ b. Both of one dtype, float32, int32 or int64; one may be a number. The result is bool. */
export const greaterOrEqual = (a: Operand, b: Operand): Value => binary('GreaterOrEqual', a, b);

/** Where a < b. Both of one dtype, float32, int32 or int64; one may be a number. The result is bool. */
export const less = (a: Operand, b: Operand): Value => binary('Less', a, b);

/** Where a ≤ b. Both of one dtype, float32, int32 or int64; one may be a number. The result is bool. */
export const lessOrEqual = (a: Operand, b: Operand): Value => binary('LessOrEqual', a, b);

/** Where both hold. bool, and so is the result. */
export const and = (a: Value, b: Value): Value => apply('And', [a, b], {})[0];

/** Where one or both hold. bool, and so is the result. */
export const or = (a: Value, b: Value): Value => apply('Or', [a, b], {})[0];

/**
 * `left` where the condition (bool) holds, else `right`. Both are of one dtype, which may be any; one may be a number.
 * All three broadcast. An element that is not chosen gets the derivative 0. A factor behind it that is NaN or infinite
 * still makes NaN of that 0.
 */
export function where(condition: Value, left: Operand, right: Operand): Value {
  if (condition.dtype !== 'bool')
    throw new UserError(`Where: expected a bool condition, got ${condition.dtype}`);
  const [a, b] = operandPair('Where', left, right);
  if (a.dtype !== 'bool' || b.dtype !== 'bool') return apply('Where', [condition, a, b], {})[0];
  return or(and(condition, a), and(not(condition), b));
}
