/**
 * The ops: functions that check their operands, infer the result's type and return it. A number stands for a
 * scalar constant of the other operand's dtype. What changes nothing (a reshape to the same shape, a product
 * with 1) returns its operand, so that derivative rules need no special cases.
 */
import { toFloat16 } from './float16.ts';
import {
  broadcast,
  normalizeAxis,
  product,
  sameShape,
  show,
  sizeOf,
  staticDim,
  staticShape,
  withDim,
} from './shapes.ts';
import {
  type Composite,
  type ConstantData,
  type Dim,
  type DType,
  isOp,
  Node,
  type Shape,
  type TensorType,
  type Value,
} from './value.ts';

export type Operand = Value | number;

// ---- leaves -------------------------------------------------------------------------------------------------

/** A graph input: fed at every run, or a trainable parameter when named by a path such as `head/kernel`. */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Value {
  return new Node('Input', [], { name }, (output) => [output({ dtype, shape })]).outputs[0];
}

/** A constant tensor; `data` is row-major and is not copied. */
export function constant(data: ConstantData, shape: readonly number[], dtype: DType = dtypeOf(data)): Value {
  if (data.length !== sizeOf(shape)) {
    throw new Error(
      `constant: expected ${sizeOf(shape)} elements for shape ${show(shape)}, got ${data.length}`,
    );
  }
  return new Node('Constant', [], { data }, (output) => [output({ dtype, shape })]).outputs[0];
}

/** A constant of rank 0. */
export function scalar(value: number, dtype: DType = 'float32'): Value {
  if (dtype !== 'float32' && dtype !== 'float16' && !Number.isInteger(value))
    throw new Error(`scalar: expected an integer for ${dtype}, got ${value}`);
  const data = {
    float32: () => Float32Array.of(value),
    float16: () => toFloat16(Float32Array.of(value)),
    int32: () => Int32Array.of(value),
    int64: () => BigInt64Array.of(BigInt(value)),
    bool: () => Uint8Array.of(value),
    uint8: () => Uint8Array.of(value),
  }[dtype]();
  return constant(data, [], dtype);
}

/** A constant with every element the same. */
export function full(shape: readonly number[], value: number): Value {
  return constant(new Float32Array(sizeOf(shape)).fill(value), shape);
}

/** Zeros of a value's static shape, stored as one element however many there are. */
export function zeros(shape: readonly number[]): Value {
  return expand(scalar(0), shape);
}

function dtypeOf(data: ConstantData): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Uint16Array) return 'float16';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof BigInt64Array ? 'int64' : 'uint8';
}

/** The number that every element of a constant is known to be, or undefined. */
export function uniformNumber(x: Value): number | undefined {
  if (isOp(x.node, 'Expand')) return uniformNumber(x.node.inputs[0]);
  if (!isOp(x.node, 'Constant') || x.dtype === 'float16') return undefined; // bits are no number
  const { data } = x.node.attributes;
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return undefined;
  return Number(data[0]);
}

// ---- elementwise --------------------------------------------------------------------------------------------

type UnaryOp =
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
  | 'Relu';

function unary(op: UnaryOp, x: Value): Value {
  expectFloat(op, x);
  return new Node(op, [x], {}, (output) => [output(x)]).outputs[0];
}

export const abs = (x: Value) => unary('Abs', x);
export const sign = (x: Value) => unary('Sign', x);
export const exp = (x: Value) => unary('Exp', x);
export const log = (x: Value) => unary('Log', x);
export const sqrt = (x: Value) => unary('Sqrt', x);
export const reciprocal = (x: Value) => unary('Reciprocal', x);
export const erf = (x: Value) => unary('Erf', x);
export const tanh = (x: Value) => unary('Tanh', x);
export const sigmoid = (x: Value) => unary('Sigmoid', x);
export const relu = (x: Value) => unary('Relu', x);

export function neg(x: Value): Value {
  const known = singleNumber(x);
  if (known !== undefined) return constant(Float32Array.of(-known), staticShape(x.shape));
  return isOp(x.node, 'Neg') ? x.node.inputs[0] : unary('Neg', x);
}

/** The value under another name: only needed where a graph's output is itself a graph's input. */
export function identity(x: Value): Value {
  return new Node('Identity', [x], {}, (output) => [output(x)]).outputs[0];
}

export function cast(x: Value, to: DType): Value {
  return x.dtype === to
    ? x
    : new Node('Cast', [x], { to }, (output) => [output({ dtype: to, shape: x.shape })]).outputs[0];
}

type BinaryOp = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Pow' | 'Equal' | 'Greater' | 'Less';

function binary(op: BinaryOp, left: Operand, right: Operand, to?: DType): Value {
  const pair = operandPair(op, left, right);
  const folded = fold(op, ...pair);
  if (folded) return folded;
  const [a, b] = unexpanded(...pair, broadcast(op, pair[0].shape, pair[1].shape));
  if (a.dtype !== b.dtype)
    throw new Error(`${op}: expected operands of one dtype, got ${a.dtype} and ${b.dtype}`);
  if (a.dtype === 'bool' && op !== 'Equal') throw new Error(`${op}: expected numbers, got bool`);
  const type = { dtype: to ?? a.dtype, shape: broadcast(op, a.shape, b.shape) };
  return new Node(op, [a, b], {}, (output) => [output(type)]).outputs[0];
}

/** The number that a float32 constant of one element holds. */
function singleNumber(x: Value): number | undefined {
  return x.dtype === 'float32' && x.shape.every((dim) => dim === 1) ? uniformNumber(x) : undefined;
}

const ARITHMETIC: Partial<Record<BinaryOp, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** Arithmetic of constants of one element is done here and now. */
function fold(op: BinaryOp, a: Value, b: Value): Value | undefined {
  const [x, y, compute] = [singleNumber(a), singleNumber(b), ARITHMETIC[op]];
  if (x === undefined || y === undefined || !compute) return undefined;
  return constant(Float32Array.of(compute(x, y)), staticShape(broadcast(op, a.shape, b.shape)));
}

function operandPair(op: string, a: Operand, b: Operand): [Value, Value] {
  if (typeof a !== 'number') return [a, typeof b === 'number' ? scalar(b, a.dtype) : b];
  if (typeof b === 'number')
    throw new Error(`${op}: expected a value and a value or number, got two numbers`);
  return [scalar(a, b.dtype), b];
}

/** An elementwise op broadcasts by itself: an operand expanded to no more than the result's shape need not be. */
function unexpanded(a: Value, b: Value, shape: Shape): [Value, Value] {
  if (isOp(a.node, 'Expand') && sameShape(b.shape, shape)) return [a.node.inputs[0], b];
  if (isOp(b.node, 'Expand') && sameShape(a.shape, shape)) return [a, b.node.inputs[0]];
  return [a, b];
}

/** `x` where an op with the other operand, which is `number` everywhere, changes nothing of it. */
function unchanged(x: Operand, other: Operand, number: number): Value | undefined {
  if (typeof x === 'number') return undefined;
  const isNeutral =
    typeof other === 'number'
      ? other === number
      : uniformNumber(other) === number && sameShape(broadcast('operand', other.shape, x.shape), x.shape);
  return isNeutral ? x : undefined;
}

/** What `x` is the negative of, where it is written so. */
function negated(x: Operand): Value | undefined {
  return typeof x !== 'number' && isOp(x.node, 'Neg') ? x.node.inputs[0] : undefined;
}

export function add(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 0) ?? unchanged(b, a, 0);
  if (same) return same;
  const [minusA, minusB] = [negated(a), negated(b)];
  if (minusB) return sub(a, minusB);
  return minusA ? sub(b, minusA) : binary('Add', a, b);
}

export function sub(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 0);
  if (same) return same;
  const opposite = unchanged(b, a, 0);
  if (opposite) return neg(opposite);
  const minusB = negated(b);
  return minusB ? add(a, minusB) : binary('Sub', a, b);
}

export function mul(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 1) ?? unchanged(b, a, 1);
  if (same) return same;
  const opposite = unchanged(a, b, -1) ?? unchanged(b, a, -1);
  return opposite ? neg(opposite) : binary('Mul', a, b);
}

export function div(a: Operand, b: Operand): Value {
  return unchanged(a, b, 1) ?? binary('Div', a, b);
}

/** Squares and first powers are products, which ONNX Runtime computes many times faster than Pow. */
export function pow(a: Operand, b: Operand): Value {
  const same = unchanged(a, b, 1);
  if (same) return same;
  const square = unchanged(a, b, 2);
  return square ? mul(square, square) : binary('Pow', a, b);
}

export const equal = (a: Operand, b: Operand) => binary('Equal', a, b, 'bool');
export const greater = (a: Operand, b: Operand) => binary('Greater', a, b, 'bool');
export const less = (a: Operand, b: Operand) => binary('Less', a, b, 'bool');

/** `a` where the condition holds, else `b`. */
export function where(condition: Value, left: Operand, right: Operand): Value {
  if (condition.dtype !== 'bool') throw new Error(`Where: expected a bool condition, got ${condition.dtype}`);
  const [a, b] = operandPair('Where', left, right);
  if (a.dtype !== b.dtype)
    throw new Error(`Where: expected operands of one dtype, got ${a.dtype} and ${b.dtype}`);
  const shape = broadcast('Where', condition.shape, a.shape, b.shape);
  return new Node('Where', [condition, a, b], {}, (output) => [output({ dtype: a.dtype, shape })]).outputs[0];
}

// ---- reductions ---------------------------------------------------------------------------------------------

export interface ReduceOptions {
  /** Which axes to reduce; all by default. */
  readonly axes?: readonly number[];
  readonly keepdims?: boolean;
}

function reduce(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax', x: Value, options: ReduceOptions): Value {
  expectFloat(op, x);
  const axes = normalizeAxes(op, options.axes ?? x.shape.map((_, i) => i), x.shape.length);
  if (axes.length === 0) return x;
  const keepdims = options.keepdims ?? false;
  const shape = x.shape.flatMap((dim, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [dim]));
  return new Node(op, [x], { axes, keepdims }, (output) => [output({ dtype: x.dtype, shape })]).outputs[0];
}

export const reduceSum = (x: Value, options: ReduceOptions = {}) => reduce('ReduceSum', x, options);
export const reduceMean = (x: Value, options: ReduceOptions = {}) => reduce('ReduceMean', x, options);
export const reduceMax = (x: Value, options: ReduceOptions = {}) => reduce('ReduceMax', x, options);

function normalizeAxes(op: string, axes: readonly number[], rank: number): readonly number[] {
  const normalized = axes.map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(normalized).size < axes.length)
    throw new Error(`${op}: expected distinct axes, got ${show(axes)}`);
  return normalized;
}

// ---- products -----------------------------------------------------------------------------------------------

export interface MatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

/** Rows, columns of a matrix stack after its optional transposition. */
function matrixDims(op: string, x: Value, transposed: boolean): [Dim, Dim] {
  const [rows, columns] = x.shape.slice(-2);
  if (rows === undefined || columns === undefined)
    throw new Error(`${op}: expected rank 2 or more, got ${show(x.shape)}`);
  return transposed ? [columns, rows] : [rows, columns];
}

function productDims(op: string, a: Value, b: Value, transA: boolean, transB: boolean): [Dim, Dim] {
  expectFloat(op, a);
  expectFloat(op, b);
  const [rows, inner] = matrixDims(op, a, transA);
  const [innerB, columns] = matrixDims(op, b, transB);
  if (inner !== innerB) {
    const flags = `transA ${transA}, transB ${transB}`;
    throw new Error(
      `${op}: expected inner dimensions to agree, got ${show(a.shape)} and ${show(b.shape)} (${flags})`,
    );
  }
  return [rows, columns];
}

/** alpha·A·B over the last two axes; leading axes broadcast. */
export function matmul(a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  const dims = productDims('MatMul', a, b, transA, transB);
  if (a.shape.length > 2 && b.shape.length === 2 && !transA) {
    // A stack of matrices times one matrix is one product of all the rows: one larger Gemm, here and in the
    // gradient, where it saves a sum over the stack.
    const rows = reshape(a, [product(a.shape.slice(0, -1)), dimAt(a.shape, a.shape.length - 1)]);
    return reshape(matmul(rows, b, options), [...a.shape.slice(0, -1), dims[1]]);
  }
  const shape = [...broadcast('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2)), ...dims];
  const attributes = { transA, transB, alpha };
  return new Node('MatMul', [a, b], attributes, (output) => [output({ dtype: a.dtype, shape })]).outputs[0];
}

/** alpha·A·B + beta·C on matrices. */
export function gemm(
  a: Value,
  b: Value,
  c?: Value,
  options: MatMulOptions & { readonly beta?: number } = {},
): Value {
  const { transA = false, transB = false, alpha = 1, beta = 1 } = options;
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw new Error(`Gemm: expected two matrices, got ${show(a.shape)} and ${show(b.shape)}`);
  }
  const shape = productDims('Gemm', a, b, transA, transB);
  if (c && !sameShape(broadcast('Gemm', shape, c.shape), shape)) {
    throw new Error(`Gemm: expected a C that broadcasts to ${show(shape)}, got ${show(c.shape)}`);
  }
  if (c) expectFloat('Gemm', c);
  const attributes = { transA, transB, alpha, beta };
  return new Node('Gemm', c ? [a, b, c] : [a, b], attributes, (output) => [output({ dtype: a.dtype, shape })])
    .outputs[0];
}

// ---- layout -------------------------------------------------------------------------------------------------

export function reshape(x: Value, shape: Shape): Value {
  if (product(shape) !== product(x.shape)) {
    throw new Error(`Reshape: expected as many elements as ${show(x.shape)}, got ${show(shape)}`);
  }
  if (sameShape(shape, x.shape)) return x;
  if (isOp(x.node, 'Reshape')) return reshape(x.node.inputs[0], shape);
  if (isOp(x.node, 'Constant')) return constant(x.node.attributes.data, staticShape(shape), x.dtype);
  return new Node('Reshape', [x], { shape }, (output) => [output({ dtype: x.dtype, shape })]).outputs[0];
}

/** Output axis i is input axis perm[i]; by default the axes are reversed. */
export function transpose(
  x: Value,
  perm: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i),
): Value {
  const rank = x.shape.length;
  if (
    perm.length !== rank ||
    normalizeAxes('Transpose', perm, rank).length !== rank ||
    perm.some((axis) => axis < 0)
  ) {
    throw new Error(`Transpose: expected a permutation of the ${rank} axes, got ${show(perm)}`);
  }
  if (perm.every((axis, i) => axis === i)) return x;
  if (isOp(x.node, 'Transpose')) {
    const inner = x.node;
    return transpose(
      inner.inputs[0],
      perm.map((axis) => inner.attributes.perm[axis] ?? axis),
    );
  }
  const shape = perm.map((axis) => dimAt(x.shape, axis));
  return new Node('Transpose', [x], { perm }, (output) => [output({ dtype: x.dtype, shape })]).outputs[0];
}

/** Broadcasts to a static shape. */
export function expand(x: Value, shape: readonly number[]): Value {
  if (!sameShape(broadcast('Expand', x.shape, shape), shape)) {
    throw new Error(`Expand: expected a shape that ${show(x.shape)} broadcasts to, got ${show(shape)}`);
  }
  if (sameShape(x.shape, shape)) return x;
  return new Node('Expand', [x], { shape }, (output) => [output({ dtype: x.dtype, shape })]).outputs[0];
}

/** The elements `start` up to but not including `end` along one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalizeAxis('Slice', axis, x.shape.length);
  const length = staticDim(x.shape[at], 'Slice', x.shape);
  if (!(0 <= start && start < end && end <= length)) {
    throw new Error(`Slice: expected 0 ≤ start < end ≤ ${length}, got ${start} and ${end}`);
  }
  if (start === 0 && end === length) return x;
  const type = { dtype: x.dtype, shape: withDim(x.shape, at, end - start) };
  return new Node('Slice', [x], { starts: [start], ends: [end], axes: [at] }, (output) => [output(type)])
    .outputs[0];
}

/** Zero padding along one axis. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  const at = normalizeAxis('Pad', axis, x.shape.length);
  if (before < 0 || after < 0)
    throw new Error(`Pad: expected counts of 0 or more, got ${before} and ${after}`);
  if (before === 0 && after === 0) return x;
  const rank = x.shape.length;
  const pads = Array.from({ length: 2 * rank }, (_, i) => (i === at ? before : i === at + rank ? after : 0));
  const length = staticDim(x.shape[at], 'Pad', x.shape) + before + after;
  const type = { dtype: x.dtype, shape: withDim(x.shape, at, length) };
  return new Node('Pad', [x], { pads }, (output) => [output(type)]).outputs[0];
}

export function concat(values: readonly Value[], axis: number): Value {
  const [first] = values;
  if (!first) throw new Error('Concat: expected at least one value, got none');
  const at = normalizeAxis('Concat', axis, first.shape.length);
  let length = 0;
  for (const value of values) {
    const dim = staticDim(value.shape[at], 'Concat', value.shape);
    if (value.dtype !== first.dtype || !sameShape(withDim(value.shape, at, 0), withDim(first.shape, at, 0))) {
      const got = values.map((v) => `${v.dtype} ${show(v.shape)}`).join(' and ');
      throw new Error(`Concat: expected one dtype and shapes that differ on axis ${at} only, got ${got}`);
    }
    length += dim;
  }
  if (values.length === 1) return first;
  const type = { dtype: first.dtype, shape: withDim(first.shape, at, length) };
  return new Node('Concat', values, { axis: at }, (output) => [output(type)]).outputs[0];
}

/** Consecutive pieces along an axis. */
export function split(x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  const at = normalizeAxis('Split', axis, x.shape.length);
  const length = staticDim(x.shape[at], 'Split', x.shape);
  if (sizes.some((size) => size < 1) || sizes.reduce((sum, size) => sum + size, 0) !== length) {
    throw new Error(`Split: expected positive sizes that add up to ${length}, got ${show(sizes)}`);
  }
  if (sizes.length === 1) return [x];
  return new Node('Split', [x], { axis: at, sizes }, (output) =>
    sizes.map((size) => output({ dtype: x.dtype, shape: withDim(x.shape, at, size) })),
  ).outputs;
}

// ---- indexing -----------------------------------------------------------------------------------------------

function expectIndices(op: string, indices: Value): void {
  if (indices.dtype !== 'int32' && indices.dtype !== 'int64') {
    throw new Error(`${op}: expected int32 or int64 indices, got ${indices.dtype}`);
  }
}

/** The slices of `data` along `axis` that `indices` (any shape) name. */
export function gather(data: Value, indices: Value, axis = 0): Value {
  expectIndices('Gather', indices);
  const at = normalizeAxis('Gather', axis, data.shape.length);
  const shape = [...data.shape.slice(0, at), ...indices.shape, ...data.shape.slice(at + 1)];
  return new Node('Gather', [data, indices], { axis: at }, (output) => [output({ dtype: data.dtype, shape })])
    .outputs[0];
}

/** One element of `data` per index: indices has the rank of data, and its shape is the result's. */
export function gatherElements(data: Value, indices: Value, axis: number): Value {
  const at = elementAxis('GatherElements', data, indices, axis);
  const type = { dtype: data.dtype, shape: indices.shape };
  return new Node('GatherElements', [data, indices], { axis: at }, (output) => [output(type)]).outputs[0];
}

/** `data` with every update added to the element that its index names along `axis`. */
export function scatterElements(data: Value, indices: Value, updates: Value, axis: number): Value {
  const at = elementAxis('ScatterElements', data, indices, axis);
  if (!sameShape(indices.shape, updates.shape) || updates.dtype !== data.dtype) {
    const got = `${updates.dtype} ${show(updates.shape)}`;
    throw new Error(
      `ScatterElements: expected ${data.dtype} updates of shape ${show(indices.shape)}, got ${got}`,
    );
  }
  return new Node('ScatterElements', [data, indices, updates], { axis: at }, (output) => [output(data)])
    .outputs[0];
}

function elementAxis(op: string, data: Value, indices: Value, axis: number): number {
  expectIndices(op, indices);
  if (indices.shape.length !== data.shape.length) {
    throw new Error(`${op}: expected indices of rank ${data.shape.length}, got ${show(indices.shape)}`);
  }
  const at = normalizeAxis(op, axis, data.shape.length);
  const fits = (dim: Dim, i: number) => {
    const limit = data.shape[i];
    return i === at || dim === limit || (typeof dim === 'number' && typeof limit === 'number' && dim < limit);
  };
  if (!indices.shape.every(fits)) {
    const got = `${show(indices.shape)} for ${show(data.shape)}`;
    throw new Error(`${op}: expected indices no longer than the data but on axis ${at}, got ${got}`);
  }
  return at;
}

// ---- normalisation ------------------------------------------------------------------------------------------

function overAxis(op: 'Softmax' | 'LogSoftmax', x: Value, axis: number): Value {
  expectFloat(op, x);
  return new Node(op, [x], { axis: normalizeAxis(op, axis, x.shape.length) }, (output) => [output(x)])
    .outputs[0];
}

export const softmaxOp = (x: Value, axis = -1) => overAxis('Softmax', x, axis);
export const logSoftmax = (x: Value, axis = -1) => overAxis('LogSoftmax', x, axis);

/** (x − mean)/σ·scale over the last axis, with the mean and 1/σ; σ² = mean of squares + epsilon. */
export function layerNormalization(x: Value, scale: Value, epsilon: number): readonly [Value, Value, Value] {
  expectFloat('LayerNormalization', x);
  expectFloat('LayerNormalization', scale);
  const last = x.shape.at(-1);
  if (last === undefined || !sameShape(scale.shape, [last])) {
    throw new Error(`LayerNormalization: expected a scale of shape [${last}], got ${show(scale.shape)}`);
  }
  const statistic: TensorType = { dtype: 'float32', shape: withDim(x.shape, x.shape.length - 1, 1) };
  return new Node('LayerNormalization', [x, scale], { epsilon }, (output) => [
    output(x),
    output(statistic),
    output(statistic),
  ]).outputs;
}

// ---- composites ---------------------------------------------------------------------------------------------

/** Calls a composite: its body is what runs, its own rules are what differentiates it. */
export function call(composite: Composite, inputs: readonly Value[]): readonly Value[] {
  const body = composite.body(inputs);
  return new Node('Call', inputs, { composite, body }, (output) => body.map((value) => output(value)))
    .outputs;
}

function expectFloat(op: string, x: Value): void {
  if (x.dtype !== 'float32') throw new Error(`${op}: expected float32, got ${x.dtype} ${show(x.shape)}`);
}

function dimAt(shape: Shape, axis: number): Dim {
  const dim = shape[axis];
  if (dim === undefined) throw new Error(`internal: axis ${axis} of ${show(shape)}`);
  return dim;
}
