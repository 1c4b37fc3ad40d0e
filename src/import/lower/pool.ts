/** Pools, over windows of one, two and three spatial axes. A pool over all axes is one after the other along each. */

import type { Pair, Windows } from '../../autodiff/windows.ts';
import { expectAt } from '../../expect.ts';
import { maximaOf, meansOf } from '../../layers/pool.ts';
import { abs, constant, mul, pow, reduceMax, reduceMean, reduceSum, reshape } from '../../onnx/ops.ts';
import { product, sizeOf } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Lowered } from '../tensor.ts';
import { asItLies, type Moves, movesOf, reach, spatial } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** How many windows an axis has. With `ceil_mode`, one that reaches too far is one too, unless it begins behind image and pad. */
function countOf(call: Call, moves: Moves, at: number): number {
  const [from, stride] = [expectAt(moves.from, at), expectAt(moves.stride, at)];
  const [before, given] = [expectAt(moves.before, at), expectAt(moves.after, at)];
  const room = from + before + given - reach(moves, at);
  if (room < 0) {
    throw call.error(`expected an image of at least ${reach(moves, at)} pixels with its pads, got ${from}`);
  }
  const isCeil = call.attributes.int('ceil_mode', 0) !== 0;
  const count = (isCeil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
  return isCeil && (count - 1) * stride >= from + before ? count - 1 : count;
}

/** How many pixels behind the image the last window of an axis reaches; fewer than none where it does not reach the end. */
function beyond(call: Call, moves: Moves, at: number): number {
  const reached = (countOf(call, moves, at) - 1) * expectAt(moves.stride, at) + reach(moves, at);
  return reached - expectAt(moves.from, at) - expectAt(moves.before, at);
}

/** Pools x [batch, …, channels] one spatial axis after the other, or two at once where there are two. */
function overAxes(call: Call, x: Value, moves: Moves, pool: typeof maximaOf): Value {
  const counts = moves.from.map((_, at) => countOf(call, moves, at));
  const windows = (pairOf: (list: readonly number[], rest: number) => Pair): Windows => ({
    size: pairOf(moves.kernel, 1),
    stride: pairOf(moves.stride, 1),
    padding: pairOf(moves.before, 0),
    dilation: pairOf(moves.dilation, 1),
    from: pairOf(moves.from, 1),
    to: pairOf(counts, 1),
  });
  if (counts.length === 2)
    return pool(
      x,
      windows((list) => [expectAt(list, 0), expectAt(list, 1)]),
    );
  return counts.reduce((image, count, at) => {
    // The axis is the rows; what lies behind it are the columns, which stay.
    const [lead, length = 0, rest] = [
      image.shape.slice(0, at + 1),
      image.shape[at + 1],
      image.shape.slice(at + 2),
    ];
    const rows = reshape(image, [product(lead), length, 1, product(rest)]);
    const pooled = pool(
      rows,
      windows((list, one) => [expectAt(list, at), one]),
    );
    return reshape(pooled, [...lead, count, ...rest]);
  }, x);
}

function movesOfPool(call: Call, x: Value): Moves {
  const kernel = call.attributes.ints('kernel_shape');
  if (!kernel) throw call.error('expected an attribute kernel_shape');
  return movesOf(call, kernel, spatial(call, x));
}

/**
 * For each window, one over how many of its pixels are counted: those of the image, and with `withPads` those of the pads
 * too. [windows of each axis…, 1].
 */
function shares(call: Call, moves: Moves, withPads: boolean): Value {
  const counts = moves.from.map((from, at) => {
    const [before, after] = [expectAt(moves.before, at), expectAt(moves.after, at)];
    const [least, end] = withPads ? [-before, from + after] : [0, from];
    return Array.from({ length: countOf(call, moves, at) }, (_, window) => {
      const start = window * expectAt(moves.stride, at) - before;
      const pixels = Array.from(
        { length: expectAt(moves.kernel, at) },
        (__, i) => start + i * expectAt(moves.dilation, at),
      );
      return pixels.filter((pixel) => pixel >= least && pixel < end).length;
    });
  });
  const all = counts.reduce<number[]>(
    (rows, next) => rows.flatMap((row) => next.map((each) => row * each)),
    [1],
  );
  const data = Float32Array.from(all, (count) => 1 / Math.max(count, 1));
  return constant(data, [...counts.map((each) => each.length), 1]);
}

const pixelsOf = (moves: Moves): number => sizeOf(moves.kernel);

const averages: Lowering = (call) => {
  const x = call.channelsLast(0);
  const moves = movesOfPool(call, x);
  const means = overAxes(call, x, moves, meansOf);
  const isWhole = moves.from.every(
    (_, at) =>
      moves.before[at] === 0 && beyond(call, moves, at) <= expectAt(moves.after, at) && moves.after[at] === 0,
  );
  if (isWhole) return [{ channelsLast: means }];
  const share = shares(call, moves, call.attributes.int('count_include_pad', 0) !== 0);
  return [{ channelsLast: mul(means, mul(share, pixelsOf(moves))) }];
};

const maxima: Lowering = (call) => {
  const x = call.channelsLast(0);
  if (call.outputs > 1) {
    throw call.error(
      'expected one output: the indices of the maxima are not among what training graphs compute',
    );
  }
  return [{ channelsLast: overAxes(call, x, movesOfPool(call, x), maximaOf) }];
};

/** (Σ |x|ᵖ)^(1/p) */
const norm = (x: Value, p: number, sum: (x: Value) => Value): Value => pow(sum(pow(abs(x), p)), 1 / p);

const norms: Lowering = (call) => {
  const x = call.channelsLast(0);
  const moves = movesOfPool(call, x);
  const sums = (powers: Value): Value => mul(overAxes(call, powers, moves, meansOf), pixelsOf(moves));
  return [{ channelsLast: norm(x, call.attributes.int('p', 2), sums) }];
};

/** A reduction of all spatial axes, each of which stays with length 1. */
const global =
  (reduce: (x: Value, axes: readonly number[], call: Call) => Value): Lowering =>
  (call): readonly Lowered[] => {
    const { x, axis, result } = asItLies(call);
    const axes = x.shape.slice(2).map((_, i) => axis(i + 2));
    return [result(reduce(x, axes, call))];
  };

export const POOL: Lowerings = {
  MaxPool: maxima,
  AveragePool: averages,
  LpPool: norms,
  GlobalAveragePool: global((x, axes) => reduceMean(x, { axes, keepdims: true })),
  GlobalMaxPool: global((x, axes) => reduceMax(x, { axes, keepdims: true })),
  GlobalLpPool: global((x, axes, call) =>
    norm(x, call.attributes.int('p', 2), (powers) => reduceSum(powers, { axes, keepdims: true })),
  ),
};
