/** Convolutions of one, two and three spatial axes. */
import { convolution, transposedConvolution } from '../../autodiff/convolution/convolution.ts';
import { linear } from '../../autodiff/functions.ts';
import { sparseRows } from '../../autodiff/sparse-rows.ts';
import { expectAt } from '../../expect.ts';
import { add, constant, gather, reshape, slice } from '../../onnx/ops.ts';
import { product, staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { type Moves, movesOf, padAxis, padImage, reach, spatial } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** The convolution of x [batch, …, in] with a kernel [out, in/groups, …], without its bias. */
export function convolved(x: Value, kernel: Value, moves: Moves, groups: number): Value {
  const [batch = 0] = x.shape;
  const count = moves.kernel.length;
  if (count === 1) {
    const image = reshape(x, [batch, 1, ...x.shape.slice(1)]);
    const y = convolved(image, ofOneRow(kernel), withRow(moves), groups);
    return reshape(y, [batch, ...y.shape.slice(2)]);
  }
  if (count === 2) {
    const isEven = moves.before.every((pad, at) => pad === moves.after[at]);
    const image = isEven ? x : padImage(x, moves.before, moves.after);
    return convolution(image, kernel, {
      stride: pairOf(moves.stride),
      dilation: pairOf(moves.dilation),
      padding: isEven ? pairOf(moves.before) : 0,
      groups,
      kernelLayout: 'oihw',
    });
  }
  return overSlices(x, kernel, moves, groups);
}

/** One axis more than two: the sum, over the kernel's slices, of convolutions of the image's slices. */
function overSlices(x: Value, kernel: Value, moves: Moves, groups: number): Value {
  const [batch = 0] = x.shape;
  const first = (name: 'stride' | 'dilation' | 'kernel' | 'from' | 'before' | 'after'): number =>
    expectAt(moves[name], 0);
  const image = padAxis(x, 1, [first('before'), first('after')]);
  const length = staticDim(image.shape[1], 'Conv', image.shape);
  const results = Math.floor((length - reach(moves, 0)) / first('stride')) + 1;
  const rest = behindFirst(moves);
  let sum: Value | undefined;
  for (let at = 0; at < first('kernel'); at++) {
    const places = Int32Array.from(
      { length: results },
      (_, i) => i * first('stride') + at * first('dilation'),
    );
    const slices = gather(image, constant(places, [results]), 1);
    const rows = reshape(slices, [product([batch, results]), ...slices.shape.slice(2)]);
    const part = convolved(rows, sliceOf(kernel, at), rest, groups);
    sum = sum ? add(sum, part) : part;
  }
  const made = sum ?? image;
  return reshape(made, [batch, results, ...made.shape.slice(1)]);
}

const pairOf = (list: readonly number[]): readonly [number, number] => [expectAt(list, 0), expectAt(list, 1)];

/** The slice of a kernel at a place of its first spatial axis. */
const sliceOf = (kernel: Value, at: number): Value =>
  reshape(slice(kernel, 2, at, at + 1), [...kernel.shape.slice(0, 2), ...kernel.shape.slice(3)]);

/** A kernel of one spatial axis as one of images of one row. */
const ofOneRow = (kernel: Value): Value =>
  reshape(kernel, [...kernel.shape.slice(0, 2), 1, ...kernel.shape.slice(2)]);

/** The same moves, over images of one row. */
const withRow = (moves: Moves): Moves => ({
  from: [1, ...moves.from],
  kernel: [1, ...moves.kernel],
  stride: [1, ...moves.stride],
  dilation: [1, ...moves.dilation],
  before: [0, ...moves.before],
  after: [0, ...moves.after],
});

const behindFirst = (moves: Moves): Moves => ({
  from: moves.from.slice(1),
  kernel: moves.kernel.slice(1),
  stride: moves.stride.slice(1),
  dilation: moves.dilation.slice(1),
  before: moves.before.slice(1),
  after: moves.after.slice(1),
});

/** Conv as a value with its channels last, with its bias. */
export function conv(call: Call): Value {
  const x = call.channelsLast(0);
  const weight = call.value(1);
  const moves = movesOf(call, staticShape(weight.shape.slice(2), call.op), spatial(call, x));
  const groups = call.attributes.int('group', 1);
  const y = isOfPixels(moves, groups)
    ? linear(x, reshape(weight, weight.shape.slice(0, 2)), undefined, { transB: true })
    : convolved(x, weight, moves, groups);
  const bias = call.optional(2);
  return bias ? add(y, bias) : y;
}

/** Whether each pixel of the result is of one pixel, in the same order: a product of the channels. */
function isOfPixels({ kernel, stride, before, after }: Moves, groups: number): boolean {
  return (
    groups === 1 &&
    [...kernel, ...stride].every((x) => x === 1) &&
    [...before, ...after].every((x) => x === 0)
  );
}

/** How a transposed convolution of n spatial axes moves. */
interface Spread {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** The whole result, before its borders are cut off: y [batch, …, out], kernel [out, in/groups, …]. */
function spread(y: Value, kernel: Value, { stride, dilation, groups }: Spread): Value {
  const [batch = 0, first] = y.shape;
  const count = stride.length;
  if (count === 2) {
    return transposedConvolution(y, kernel, {
      stride: pairOf(stride),
      dilation: pairOf(dilation),
      groups,
      kernelLayout: 'oihw',
    });
  }
  if (count === 1) {
    const image = reshape(y, [batch, 1, ...y.shape.slice(1)]);
    const moves = { stride: [1, ...stride], dilation: [1, ...dilation], groups };
    const x = spread(image, ofOneRow(kernel), moves);
    return reshape(x, [batch, ...x.shape.slice(2)]);
  }
  const length = staticDim(first, 'ConvTranspose', y.shape);
  const size = staticDim(kernel.shape[2], 'ConvTranspose', kernel.shape);
  const rows = reshape(y, [product([batch, length]), ...y.shape.slice(2)]);
  const [step, gap] = [expectAt(stride, 0), expectAt(dilation, 0)];
  const rest = { stride: stride.slice(1), dilation: dilation.slice(1), groups };
  let sum: Value | undefined;
  for (let at = 0; at < size; at++) {
    const made = spread(rows, sliceOf(kernel, at), rest);
    const slices = reshape(made, [batch, length, ...made.shape.slice(1)]);
    const places = Array.from({ length: (length - 1) * step + gap * (size - 1) + 1 }, (_, place) => {
      const from = place - at * gap;
      const isTaken = from >= 0 && from % step === 0 && from / step < length;
      return isTaken ? [[from / step, 1] as const] : [];
    });
    const part = sparseRows(slices, 1, { from: length, rows: places });
    sum = sum ? add(sum, part) : part;
  }
  return sum ?? y;
}

/** How many pixels of the whole result are cut off at each border; fewer than none are put there. */
function borders(call: Call, whole: readonly number[], moves: Moves, more: readonly number[]) {
  const wanted = call.attributes.ints('output_shape');
  const auto = call.attributes.text('auto_pad', 'NOTSET');
  if (!wanted && (auto === 'NOTSET' || auto === 'VALID')) {
    return moves.from.map((_, at) => ({
      before: expectAt(moves.before, at),
      after: expectAt(moves.after, at) - expectAt(more, at),
    }));
  }
  return moves.from.map((length, at) => {
    const output = wanted?.at(at - moves.from.length) ?? length * expectAt(moves.stride, at);
    const total = expectAt(whole, at) + expectAt(more, at) - output;
    const few = Math.floor(total / 2);
    const before = auto === 'SAME_UPPER' ? few : total - few;
    return { before, after: total - before - expectAt(more, at) };
  });
}

const convTranspose: Lowering = (call) => {
  const y = call.channelsLast(0);
  const weight = call.value(1);
  const from = spatial(call, y);
  const moves = movesOf(call, staticShape(weight.shape.slice(2), call.op), from);
  const more = call.attributes.ints('output_padding') ?? from.map(() => 0);
  const groups = call.attributes.int('group', 1);
  // As ONNX has it, the weight is [out, in/groups, …] of the convolution whose adjoint this is.
  const whole = spread(y, weight, { stride: moves.stride, dilation: moves.dilation, groups });
  const cut = borders(call, spatial(call, whole), moves, more);
  const x = padImage(
    whole,
    cut.map(({ before }) => -before),
    cut.map(({ after }) => -after),
  );
  const bias = call.optional(2);
  return [{ channelsLast: bias ? add(x, bias) : x }];
};

export const CONVOLUTION: Lowerings = {
  Conv: (call) => [{ channelsLast: conv(call) }],
  ConvTranspose: convTranspose,
};
