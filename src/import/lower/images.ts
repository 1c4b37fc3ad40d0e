/** What lowerings over images share: the layout of their input, and how windows move over its spatial axes. */
import { expectAt } from '../../expect.ts';
import { concat, constant, pad, slice, where } from '../../onnx/ops.ts';
import { staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Lowered } from '../tensor.ts';
import type { Call } from './lowering.ts';

/** The first input as it lies in memory. */
export interface Lying {
  readonly x: Value;
  /** Where an axis that ONNX counts (from 0) is in x. */
  readonly axis: (axis: number) => number;
  /** A result whose axes are those of x. */
  readonly result: (y: Value) => Lowered;
}

/** The first input in the layout that it has, so that what works on any axis transposes nothing. */
export function asItLies(call: Call): Lying {
  if (!call.isChannelsLast(0)) return { x: call.value(0), axis: (axis) => axis, result: (y) => y };
  const x = call.channelsLast(0);
  const last = x.shape.length - 1;
  return {
    x,
    axis: (axis) => (axis === 0 ? 0 : axis === 1 ? last : axis - 1),
    result: (y) => ({ channelsLast: y }),
  };
}

/** How windows move over the spatial axes; each list has a number for each of them. */
export interface Moves {
  /** The length of an axis before. */
  readonly from: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Pixels around the image that windows may reach into. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The lengths of the spatial axes of x [batch, …, channels]. */
export function spatial(call: Call, x: Value): readonly number[] {
  return x.shape.slice(1, -1).map((dim) => staticDim(dim, call.op, x.shape));
}

/** The pixels from the first of a window to behind its last. */
export const reach = ({ kernel, dilation }: Pick<Moves, 'kernel' | 'dilation'>, at: number): number =>
  expectAt(dilation, at) * (expectAt(kernel, at) - 1) + 1;

/** What the attributes say of strides, dilations and pads. Throws UserError where a list has another length. */
export function movesOf(call: Call, kernel: readonly number[], from: readonly number[]): Moves {
  const count = kernel.length;
  if (from.length !== count) {
    throw call.error(`expected a kernel for ${from.length} spatial axes, got one for ${count}`);
  }
  const list = (name: string, length: number, otherwise: number): readonly number[] => {
    const given = call.attributes.ints(name) ?? Array.from({ length }, () => otherwise);
    if (given.length === length) return given;
    throw call.error(`expected ${length} numbers in ${name}, got ${given.length}`);
  };
  const stride = list('strides', count, 1);
  const dilation = list('dilations', count, 1);
  const auto = call.attributes.text('auto_pad', 'NOTSET');
  if (auto === 'NOTSET' || auto === 'VALID') {
    const pads = auto === 'VALID' ? kernel.flatMap(() => [0, 0]) : list('pads', 2 * count, 0);
    return { from, kernel, stride, dilation, before: pads.slice(0, count), after: pads.slice(count) };
  }
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') {
    throw call.error(`expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, got ${auto}`);
  }
  const totals = from.map((length, at) => {
    const step = expectAt(stride, at);
    const last = (Math.ceil(length / step) - 1) * step;
    return Math.max(last + reach({ kernel, dilation }, at) - length, 0);
  });
  const few = totals.map((total) => Math.floor(total / 2));
  const many = totals.map((total) => Math.ceil(total / 2));
  const isUpper = auto === 'SAME_UPPER';
  return { from, kernel, stride, dilation, before: isUpper ? few : many, after: isUpper ? many : few };
}

/** Behind a pad on one axis: where the operand's own elements are. */
function inside(rank: number, at: number, before: number, length: number, after: number): Value {
  const isInside = Uint8Array.from({ length: before + length + after }, (_, i) =>
    Number(i >= before && i < before + length),
  );
  return constant(isInside, [isInside.length, ...Array.from({ length: rank - at - 1 }, () => 1)], 'bool');
}

/**
 * x with elements of `value` put around it along an axis. A negative count cuts elements off. Any dtype. Throws UserError
 * where nothing is left.
 */
export function padAxis(
  x: Value,
  at: number,
  [before, after]: readonly [number, number],
  value: number | Value = 0,
): Value {
  if (before === 0 && after === 0) return x;
  const length = staticDim(x.shape[at], 'Pad', x.shape);
  const kept = slice(x, at, Math.max(-before, 0), length - Math.max(-after, 0));
  const [above, below] = [Math.max(before, 0), Math.max(after, 0)];
  if (above === 0 && below === 0) return kept;
  const padded = pad(kept, at, above, below);
  if (value === 0) return padded;
  const rest = staticDim(kept.shape[at], 'Pad', kept.shape);
  return where(inside(x.shape.length, at, above, rest, below), padded, value);
}

/** The image [batch, …, channels] with `value` around it. */
export function padImage(x: Value, before: readonly number[], after: readonly number[], value = 0): Value {
  return before.reduce((image, count, at) => padAxis(image, at + 1, [count, expectAt(after, at)], value), x);
}

/** x, `times` times one after the other along an axis. */
export function repeat(x: Value, at: number, times: number): Value {
  return times === 1
    ? x
    : concat(
        Array.from({ length: times }, () => x),
        at,
      );
}
