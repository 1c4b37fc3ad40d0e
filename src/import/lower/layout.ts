/** What moves elements: reshapes, transpositions, pieces and joins. */
import {
  add,
  cast,
  concat,
  constant,
  cumSum,
  expand,
  gather,
  or,
  reshape,
  scalar,
  slice,
  split,
  transpose,
} from '../../onnx/ops.ts';
import { broadcast, normalizeAxis, product, staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Dim, Shape, Value } from '../../onnx/value.ts';
import { evenSizes, taken } from '../fold-layout.ts';
import { batchMultiple, constantOf, timesBatch } from '../known.ts';
import { asItLies } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** `all` divided by `by`, for the −1 of a reshape; undefined where that leaves a rest. */
function quotient(all: Dim, by: Dim): Dim | undefined {
  const [n, d] = [batchMultiple(all) ?? Number(all), batchMultiple(by) ?? Number(by)];
  if (d === 0 || n % d !== 0) return undefined;
  if (batchMultiple(by) !== undefined) return batchMultiple(all) === undefined ? undefined : n / d;
  return batchMultiple(all) === undefined ? n / d : timesBatch(n / d);
}

/** The shape that a reshape asks for: 0 copies a dimension, and −1 is what is left. */
function shapeOf(call: Call, from: Shape, target: readonly Dim[]): Shape {
  const copies = call.attributes.int('allowzero', 0) === 0;
  const shape = target.map((dim, i) => (dim === 0 && copies ? (from[i] ?? 0) : dim));
  const at = shape.indexOf(-1);
  if (at < 0) return shape;
  const others = shape.filter((_, i) => i !== at);
  const left = quotient(product(from), product(others));
  if (left === undefined)
    throw call.error(`expected as many elements as [${from.join(', ')}], got [${target.join(', ')}]`);
  return shape.map((dim, i) => (i === at ? left : dim));
}

const reshaped: Lowering = (call) => {
  const x = call.value(0);
  return [reshape(x, shapeOf(call, x.shape, call.list(1, 'shape') ?? []))];
};

const flattened: Lowering = (call) => {
  const x = call.value(0);
  const axis = call.attributes.int('axis', 1);
  const at = axis < 0 ? axis + x.shape.length : axis;
  return [reshape(x, [product(x.shape.slice(0, at)), product(x.shape.slice(at))])];
};

const unsqueezed: Lowering = (call) => {
  const x = call.value(0);
  const axes = call.numbers(1, 'axes') ?? [];
  const rank = x.shape.length + axes.length;
  const ones = new Set(axes.map((axis) => normalizeAxis(call.op, axis, rank)));
  const rest = [...x.shape];
  return [
    reshape(
      x,
      Array.from({ length: rank }, (_, i) => (ones.has(i) ? 1 : (rest.shift() ?? 1))),
    ),
  ];
};

const squeezed: Lowering = (call) => {
  const x = call.value(0);
  const rank = x.shape.length;
  const axes = call.numbers(1, 'axes')?.map((axis) => normalizeAxis(call.op, axis, rank));
  const goes = new Set(axes ?? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : [])));
  return [
    reshape(
      x,
      x.shape.filter((_, i) => !goes.has(i)),
    ),
  ];
};

const transposed: Lowering = (call) => {
  const x = call.value(0);
  return [transpose(x, call.attributes.ints('perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i))];
};

const joined: Lowering = (call) => {
  const all = Array.from({ length: call.inputs }, (_, i) => i).filter((i) => !call.shape(i).includes(0));
  const [first = 0] = all;
  const axis = normalizeAxis(call.op, call.attributes.int('axis', 0), call.shape(first).length);
  const stays = all.some((i) => call.isChannelsLast(i));
  const leading = all.map((i) => call.shape(i)[0] ?? 1).find((dim) => dim !== 1) ?? 1;
  if (stays) {
    const last = call.shape(first).length - 1;
    const at = axis === 0 ? 0 : axis === 1 ? last : axis - 1;
    return [
      {
        channelsLast: concat(
          all.map((i) => call.channelsLast(i)),
          at,
        ),
      },
    ];
  }
  // A file for one example joins what it has once with what it has for each example.
  const values = all.map((i) => {
    const x = call.value(i);
    return axis > 0 && x.shape[0] === 1 && leading !== 1
      ? stretched(call, x, [leading, ...x.shape.slice(1)])
      : x;
  });
  return [concat(values, axis)];
};

const pieces: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const given = normalizeAxis(call.op, call.attributes.int('axis', 0), x.shape.length);
  const at = axis(given);
  const sizes = call.numbers(1, 'sizes') ?? evenSizes(staticDim(x.shape[at], call.op, x.shape), call);
  return split(x, at, sizes).map(result);
};

const sliced: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const starts = call.list(1, 'starts') ?? [];
  const ends = call.list(2, 'ends') ?? [];
  const axes = call.numbers(3, 'axes') ?? starts.map((_, i) => i);
  const steps = call.numbers(4, 'steps') ?? starts.map(() => 1);
  const y = axes.reduce((value, given, i) => {
    const at = axis(normalizeAxis(call.op, given, x.shape.length));
    return sliceAlong(call, value, at, [starts[i] ?? 0, ends[i] ?? 0, steps[i] || 1]);
  }, x);
  return [result(y)];
};

/** Beyond any size: "up to the end", as some write 2⁶³ − 1, some 2³¹ − 1, and TensorFlow's converter 10⁹. */
const FAR = 1e9;

function sliceAlong(
  call: Call,
  x: Value,
  at: number,
  [start, end, step]: readonly [Dim, Dim, number],
): Value {
  const length = x.shape[at] ?? 1;
  const isWhole = start === 0 && step === 1 && (end === length || (typeof end === 'number' && end >= FAR));
  if (isWhole) return x;
  if (typeof length !== 'number' || typeof start !== 'number' || typeof end !== 'number') {
    throw call.error(
      `expected a slice within each example, got one along the batch, from ${start} to ${end}`,
    );
  }
  const { start: from, count } = taken(length, start, end, step);
  if (count === 0)
    throw call.error(`expected a slice that takes something of ${length}, got ${start} to ${end}`);
  if (step === 1) return slice(x, at, from, from + count);
  return gather(
    x,
    constant(
      Int32Array.from({ length: count }, (_, i) => from + i * step),
      [count],
    ),
    at,
  );
}

const picked: Lowering = (call) => {
  const data = call.value(0);
  const axis = normalizeAxis(call.op, call.attributes.int('axis', 0), data.shape.length);
  const known = call.known(1);
  const length = data.shape[axis];
  if (!known || typeof length !== 'number') return [gather(data, call.value(1), axis)];
  const fromFront = known.data.map((i) => (typeof i === 'number' && i < 0 ? i + length : i));
  const [index] = fromFront;
  if (known.shape.length === 0 && typeof index === 'number' && index >= 0 && index < length) {
    // One index is a slice, whose derivative is a pad and no scatter.
    return [
      reshape(
        slice(data, axis, index, index + 1),
        data.shape.filter((_, i) => i !== axis),
      ),
    ];
  }
  return [gather(data, constantOf({ ...known, data: fromFront }, call.op), axis)];
};

/** x in a shape that it broadcasts to, which may have the batch where x has 1. */
export function stretched(call: Call, x: Value, shape: Shape): Value {
  const rank = shape.length;
  const own = (i: number): Dim => x.shape[i - rank + x.shape.length] ?? 1;
  const at = shape.findIndex((dim, i) => typeof dim !== 'number' && own(i) !== dim);
  if (at < 0 && x.shape.every((dim) => typeof dim === 'number'))
    return expand(x, staticShape(shape, call.op));
  // What else is stretched, as zeros of a static shape; the batch, as zeros for each example.
  const still = shape.map((dim, i) => (typeof dim === 'number' && own(i) !== dim ? dim : 1));
  const others = plus(x, expand(scalar(0), still));
  if (at < 0) return others;
  const [before, behind] = [others.shape.slice(0, at), others.shape.slice(at + 1)];
  const column = reshape(call.examples(), ['batch', ...behind.map(() => 1)]);
  const count = batchMultiple(shape[at] ?? 1) ?? 1;
  if (count === 1) return plus(others, column);
  const blocks = expand(scalar(0), [count, ...behind.map(() => 1)]);
  const split = reshape(others, [...before, 1, 1, ...behind]);
  return reshape(plus(plus(split, reshape(column, ['batch', 1, ...behind.map(() => 1)])), blocks), shape);
}

/** x + zeros, which only broadcast: also of bool, and in the dtype of x. */
function plus(x: Value, zeros: Value): Value {
  return x.dtype === 'bool' ? or(x, cast(zeros, 'bool')) : widened(x, cast(zeros, x.dtype));
}

function widened(x: Value, zeros: Value): Value {
  const shape = broadcast('Expand', x.shape, zeros.shape);
  // add() leaves zeros out that change no shape.
  return shape.length === x.shape.length && shape.every((dim, i) => dim === x.shape[i]) ? x : add(x, zeros);
}

const expanded: Lowering = (call) => {
  const x = call.value(0);
  return [stretched(call, x, broadcast(call.op, x.shape, call.list(1, 'shape') ?? []))];
};

const filled: Lowering = (call) => {
  const shape = call.list(0, 'shape') ?? [];
  const { dtype, data } = call.known(1) ?? { dtype: 'float32' as const, data: [0] };
  const value = constantOf({ dtype, shape: [], data: data.slice(0, 1) }, call.op);
  return [stretched(call, value, shape)];
};

/** More numbers than these are not written into a graph. */
const LONGEST_RANGE = 2 ** 24;

const ranged: Lowering = (call) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => call.list(i, 'bounds')?.[0] ?? 0);
  if (start === 0 && limit === 'batch' && delta === 1) {
    // The examples, counted from 0.
    const count = cumSum(add(call.examples(), 1), 0, { exclusive: true });
    return [cast(count, call.dtype(0))];
  }
  if (typeof start !== 'number' || typeof limit !== 'number' || typeof delta !== 'number') {
    throw call.error(`expected numbers, or the examples from 0, got ${start} to ${limit} by ${delta}`);
  }
  const count = Math.ceil((limit - start) / delta);
  if (!(count > 0 && count <= LONGEST_RANGE))
    throw call.error(`expected 1 to ${LONGEST_RANGE} numbers, got ${start} to ${limit} by ${delta}`);
  const data = Float32Array.from({ length: count }, (_, i) => start + i * delta);
  return [cast(constant(data, [count]), call.dtype(0))];
};

export const LAYOUT: Lowerings = {
  Reshape: reshaped,
  Flatten: flattened,
  Unsqueeze: unsqueezed,
  Squeeze: squeezed,
  Transpose: transposed,
  Concat: joined,
  Split: pieces,
  Slice: sliced,
  Gather: picked,
  Expand: expanded,
  ConstantOfShape: filled,
  Range: ranged,
};
