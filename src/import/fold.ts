/**
 * What can be computed while a graph is lowered: shapes, what is computed of shapes, and of small constants. PyTorch's
 * exporters write such arithmetic around every reshape. A size that is a multiple of the batch stays symbolic.
 */
import { normalizeAxis, product } from '../onnx/shapes.ts';
import type { Dim, DType } from '../onnx/value.ts';
import { ELEMENT_TYPES } from './element-types.ts';
import { LAYOUT_FOLDS } from './fold-layout.ts';
import { batchMultiple, knownList, knownScalar, MOST_KNOWN, multiply, plus, timesBatch } from './known.ts';
import { broadcastOperands, stridesOf } from './known-layout.ts';
import type { Call } from './lower/lowering.ts';
import type { Known } from './tensor.ts';

/** The results of a node, undefined where they are not known. */
export type Fold = (call: Call) => readonly Known[] | undefined;

/** The results of a node whose numbers are known; undefined where they must be computed by the graph. */
export function fold(call: Call): readonly Known[] | undefined {
  if (call.domain !== '') return undefined;
  const found = Object.hasOwn(FOLDS, call.op) ? FOLDS[call.op] : undefined;
  const results = found?.(call);
  return results?.every(({ data }) => data.length <= MOST_KNOWN) ? results : undefined;
}

type Numeric = (a: Dim, b: Dim, isInteger: boolean) => Dim | undefined;
const numeric =
  (f: (a: number, b: number) => number): Numeric =>
  (a, b) =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : undefined;

function divide(a: Dim, b: Dim, isInteger: boolean): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return isInteger ? Math.trunc(a / b) : a / b;
  const [x, y] = [batchMultiple(a), batchMultiple(b)];
  if (x !== undefined && y !== undefined) return x % y === 0 ? x / y : undefined;
  if (x === undefined || typeof b !== 'number' || x % b !== 0 || b <= 0) return undefined;
  return timesBatch(x / b);
}

/** Any batch is 1 at least, so that it is no 0 and no −1, and is more than both. It is taken to be another than 1. */
function compare(f: (a: number, b: number) => boolean): Numeric {
  return (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return Number(f(a, b));
    const [x, y] = [batchMultiple(a), batchMultiple(b)];
    if (x !== undefined && y !== undefined) return Number(f(x, y));
    if (x !== undefined && typeof b === 'number' && b <= 1) return Number(f(2, b));
    return y !== undefined && typeof a === 'number' && a <= 1 ? Number(f(a, 2)) : undefined;
  };
}

function binary(f: Numeric, to?: DType): Fold {
  return (call) => {
    const [a, b] = [call.known(0), call.known(1)];
    if (!a || !b) return undefined;
    const all = broadcastOperands([a, b]);
    const isInteger = a.dtype !== 'float32';
    return all && wholly(to ?? a.dtype, all.shape, all.pairs, ([x = 0, y = 0]) => f(x, y, isInteger));
  };
}

/** Each result from its operands; undefined where one has none. */
function wholly<T>(
  dtype: DType,
  shape: readonly number[],
  items: Iterable<T>,
  f: (item: T) => Dim | undefined,
): readonly Known[] | undefined {
  const data: Dim[] = [];
  for (const item of items) {
    const found = f(item);
    if (found === undefined) return undefined;
    data.push(dtype === 'float32' && typeof found === 'number' ? Math.fround(found) : found);
  }
  return [{ dtype, shape, data }];
}

function unary(f: (x: Dim) => Dim | undefined, to?: DType): Fold {
  return (call) => {
    const x = call.known(0);
    return x && wholly(to ?? x.dtype, x.shape, x.data, f);
  };
}

const ofNumber =
  (f: (x: number) => number) =>
  (x: Dim): Dim | undefined =>
    typeof x === 'number' ? f(x) : undefined;

/** What an op of two makes of a list. */
const folding =
  (f: Numeric) =>
  ([head, ...rest]: readonly Dim[]): Dim | undefined =>
    rest.reduce<Dim | undefined>((sum, x) => (sum === undefined ? sum : f(sum, x, false)), head);

/** An op of any number of operands. */
function many(f: Numeric): Fold {
  return (call) => {
    const operands: Known[] = [];
    for (let i = 0; i < call.inputs; i++) {
      const x = call.known(i);
      if (!x) return undefined;
      operands.push(x);
    }
    const [first] = operands;
    if (!first) return undefined;
    const all = broadcastOperands(operands);
    return all && wholly(first.dtype, all.shape, all.pairs, folding(f));
  };
}

/** Halves go to the even neighbour. */
function roundEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

const cast: Fold = (call) => {
  const x = call.known(0);
  const to = ELEMENT_TYPES[call.attributes.int('to', 1)];
  if (!x || !to) return undefined;
  const { dtype } = to;
  return wholly(dtype, x.shape, x.data, (value) => {
    if (dtype === 'bool') return typeof value === 'number' ? Number(value !== 0) : 1;
    return typeof value === 'number' && dtype !== 'float32' ? Math.trunc(value) : value;
  });
};

const where: Fold = (call) => {
  const [condition, a, b] = [call.known(0), call.known(1), call.known(2)];
  if (!condition || !a || !b) return undefined;
  const all = broadcastOperands([condition, a, b]);
  return all && wholly(a.dtype, all.shape, all.pairs, ([is, x, y]) => (is === 0 ? y : x));
};

/** The dimensions, or those between `start` and `end`. */
const shapeFold: Fold = (call) => {
  const shape = call.shape(0);
  const rank = shape.length;
  const bound = (x: number): number => Math.min(Math.max(x < 0 ? x + rank : x, 0), rank);
  const [start, end] = [call.attributes.int('start', 0), call.attributes.int('end', rank)];
  return [knownList(shape.slice(bound(start), bound(end)))];
};

function range(call: Call): readonly Known[] | undefined {
  const [start, limit, delta] = [call.known(0), call.known(1), call.known(2)];
  const [first, last, by] = [start?.data[0], limit?.data[0], delta?.data[0]];
  if (!start || typeof first !== 'number' || typeof last !== 'number' || typeof by !== 'number')
    return undefined;
  const count = Math.max(0, Math.ceil((last - first) / by));
  if (!(count <= MOST_KNOWN)) return undefined;
  const data = Array.from({ length: count }, (_, i) => first + i * by);
  return [{ dtype: start.dtype, shape: [count], data }];
}

/** A sum, a product, or the largest or smallest number along axes. */
function reduced(f: Numeric, count: 'mean' | 'all' = 'all'): Fold {
  return (call) => {
    const [x, axes] = [call.known(0), call.has(1) ? call.known(1) : undefined];
    if (!x || (call.has(1) && !axes)) return undefined;
    const rank = x.shape.length;
    const none = axes === undefined || axes.data.length === 0;
    if (none && call.attributes.int('noop_with_empty_axes', 0) === 1) return [x];
    const at = new Set(
      none ? x.shape.map((_, i) => i) : axes.data.map((axis) => normalizeAxis(call.op, Number(axis), rank)),
    );
    const groups = new Map<string, Dim[]>();
    const strides = stridesOf(x.shape);
    x.data.forEach((value, i) => {
      const key = x.shape
        .flatMap((dim, axis) => (at.has(axis) ? [] : [Math.floor(i / (strides[axis] ?? 1)) % dim]))
        .join();
      const group = groups.get(key);
      if (group) group.push(value);
      else groups.set(key, [value]);
    });
    const keep = call.attributes.int('keepdims', 1) === 1;
    const shape = x.shape.flatMap((dim, axis) => (at.has(axis) ? (keep ? [1] : []) : [dim]));
    return wholly(x.dtype, shape, groups.values(), (group) => {
      const sum = folding(f)(group);
      return count === 'mean' && sum !== undefined ? divide(sum, group.length, x.dtype !== 'float32') : sum;
    });
  };
}

const COMPUTED: Readonly<Record<string, Fold>> = {
  Shape: shapeFold,
  Size: (call) => [knownScalar('int64', product(call.shape(0)))],
  Add: binary((a, b) => plus(a, b)),
  Sub: binary((a, b) => plus(a, b, -1)),
  Mul: binary((a, b) => multiply(a, b)),
  Div: binary(divide),
  Mod: (call) =>
    binary(numeric((a, b) => (call.attributes.int('fmod', 0) === 1 ? a % b : a - b * Math.floor(a / b))))(
      call,
    ),
  Pow: binary(numeric((a, b) => a ** b)),
  Min: many((a, b) => (a === b ? a : numeric(Math.min)(a, b, false))),
  Max: many((a, b) => (a === b ? a : numeric(Math.max)(a, b, false))),
  Equal: binary(
    compare((a, b) => a === b),
    'bool',
  ),
  Greater: binary(
    compare((a, b) => a > b),
    'bool',
  ),
  GreaterOrEqual: binary(
    compare((a, b) => a >= b),
    'bool',
  ),
  Less: binary(
    compare((a, b) => a < b),
    'bool',
  ),
  LessOrEqual: binary(
    compare((a, b) => a <= b),
    'bool',
  ),
  And: binary(numeric((a, b) => a & b)),
  Or: binary(numeric((a, b) => a | b)),
  Xor: binary(numeric((a, b) => a ^ b)),
  Not: unary(ofNumber((x) => 1 - x)),
  Neg: unary(ofNumber((x) => -x)),
  Abs: unary((x) => (typeof x === 'number' ? Math.abs(x) : x)),
  Sign: unary(ofNumber(Math.sign)),
  Floor: unary((x) => (typeof x === 'number' ? Math.floor(x) : x)),
  Ceil: unary((x) => (typeof x === 'number' ? Math.ceil(x) : x)),
  Round: unary((x) => (typeof x === 'number' ? roundEven(x) : x)),
  Sqrt: unary(ofNumber(Math.sqrt)),
  Exp: unary(ofNumber(Math.exp)),
  Log: unary(ofNumber(Math.log)),
  Sin: unary(ofNumber(Math.sin)),
  Cos: unary(ofNumber(Math.cos)),
  Reciprocal: unary(ofNumber((x) => 1 / x)),
  Cast: cast,
  CastLike: (call) => {
    const x = call.known(0);
    const dtype = call.dtype(1);
    return (
      x &&
      wholly(dtype, x.shape, x.data, (v) =>
        typeof v === 'number' && dtype !== 'float32' ? Math.trunc(v) : v,
      )
    );
  },
  Where: where,
  Range: range,
  ReduceSum: reduced((a, b) => plus(a, b)),
  ReduceProd: reduced((a, b) => multiply(a, b)),
  ReduceMean: reduced((a, b) => plus(a, b), 'mean'),
  ReduceMax: reduced(numeric(Math.max)),
  ReduceMin: reduced(numeric(Math.min)),
};

const FOLDS: Readonly<Record<string, Fold>> = { ...COMPUTED, ...LAYOUT_FOLDS };
