/**
 * Ops along axes. Negative axes count from the last. Each function throws a UserError that names the op where an axis is
 * out of range or named twice, or where the op does not take the dtype.
 */
import { UserError } from '../../errors.ts';
import { apply } from '../apply.ts';
import { normalizeAxis, show } from '../shapes.ts';
import type { Value } from '../value.ts';
import { cast } from './elementwise.ts';

/** The axes of a reduction, and the shape of its result. */
/** The axes of a reduction, and the shape of its result. */
export interface ReduceOptions {
  /** Which axes to reduce; all by default. */
  readonly axes?: readonly number[];
  /** Whether the reduced axes stay, with length 1; by default they go. */
  readonly keepdims?: boolean;
}

function reduce(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax', x: Value, options: ReduceOptions): Value {
  const axes = normalizeAxes(op, options.axes ?? x.shape.map((_, i) => i), x.shape.length);
  const [reduced] = apply(op, [x], { axes, keepdims: options.keepdims ?? false });
  return axes.length === 0 ? x : reduced;
}

/** The sum over axes. float32, int32 or int64. */
export const reduceSum = (x: Value, options: ReduceOptions = {}): Value => reduce('ReduceSum', x, options);

/** The mean over axes. float32. */
export const reduceMean = (x: Value, options: ReduceOptions = {}): Value => reduce('ReduceMean', x, options);

/**
 * The maximum over axes. float32, int32 or int64. Elements that share a maximum share its derivative equally, as in
 * PyTorch's amax and in JAX.
 */
export const reduceMax = (x: Value, options: ReduceOptions = {}): Value => reduce('ReduceMax', x, options);

/**
 * The index of the maximum along an axis; where several elements share it, the first. The result is int32: ONNX's int64
 * is cast, so that it can be compared with labels. x: float32, int32 or int64. It has no derivative.
 */
export function argMax(
  x: Value,
  axis = -1,
  { keepdims = false }: { readonly keepdims?: boolean } = {},
): Value {
  const at = normalizeAxis('ArgMax', axis, x.shape.length);
  return cast(apply('ArgMax', [x], { axis: at, keepdims })[0], 'int32');
}

/** Which elements a cumulative sum adds up at each place. */
/** Which elements a cumulative sum adds up at each place. */
export interface CumSumOptions {
  /** Whether the sum at a place leaves out the element there; by default it is in. */
  readonly exclusive?: boolean;
  /** Whether to add up from the end; by default from the start. */
  readonly reverse?: boolean;
}

/** The sum of the elements up to each place along an axis. float32 of any shape, and so is the result. */
export function cumSum(x: Value, axis: number, options: CumSumOptions = {}): Value {
  const { exclusive = false, reverse = false } = options;
  return apply('CumSum', [x], { axis: normalizeAxis('CumSum', axis, x.shape.length), exclusive, reverse })[0];
}

function normalizeAxes(op: string, axes: readonly number[], rank: number): readonly number[] {
  const normalized = axes.map((axis) => normalizeAxis(op, axis, rank)).sort((a, b) => a - b);
  if (new Set(normalized).size < axes.length)
    throw new UserError(`${op}: expected distinct axes, got ${show(axes)}`);
  return normalized;
}

function overAxis(op: 'Softmax' | 'LogSoftmax', x: Value, axis: number): Value {
  return apply(op, [x], { axis: normalizeAxis(op, axis, x.shape.length) })[0];
}

/** eˣ over the sum of eˣ along an axis, the last by default. float32 of any shape, and so is the result. */
export const softmax = (x: Value, axis = -1): Value => overAxis('Softmax', x, axis);

/** The logarithm of softmax. It is right even where softmax rounds to 0. float32 of any shape, and so is the result. */
export const logSoftmax = (x: Value, axis = -1): Value => overAxis('LogSoftmax', x, axis);

/**
 * Three values: (x − mean)/σ·scale over the last axis, the mean, and 1/σ. The last axis of the mean and of 1/σ is 1. σ²
 * is the variance plus epsilon. x: float32 [..., n]; scale: float32 [n]. Throws where scale has another shape.
 */
export const layerNormalization = (
  x: Value,
  scale: Value,
  epsilon: number,
): readonly [y: Value, mean: Value, inverseDeviation: Value] =>
  apply('LayerNormalization', [x, scale], { epsilon });
