/** What reads, writes or compares at indices: gathers, scatters, one-hot, the largest, cumulative sums. */
import {
  add,
  argMax,
  cast,
  concat,
  constant,
  cumSum,
  equal,
  gather,
  gatherElements,
  less,
  mul,
  neg,
  notEqual,
  oneHot,
  range,
  reshape,
  scalar,
  scatterElements,
  slice,
  sub,
  transpose,
  where,
} from '../../onnx/ops.ts';
import { normalizeAxis, product, sizeOf, staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** Indices that may count from the back, counted from the front. */
function fromFront(indices: Value, length: number): Value {
  return where(less(indices, 0), add(indices, length), indices);
}

/** `number` in every place of x, in its dtype, whatever its batch. */
function filled(x: Value, number: number): Value {
  const never = constant(Uint8Array.of(0), [], 'bool');
  return where(never, x, number);
}

// ---- gathers and scatters -------------------------------------------------------------------------------------

const gatherElementsOf: Lowering = (call) => [
  gatherElements(call.value(0), call.value(1), call.attributes.int('axis', 0)),
];

/** The number of the slice that each tuple of indices [..., axes] names, where the axes have the lengths `over`: [...]. */
function flatIndices(call: Call, indices: Value, over: readonly number[]): Value {
  const pieces = over.map((length, i) => {
    const one = reshape(slice(indices, -1, i, i + 1), indices.shape.slice(0, -1));
    const stride = sizeOf(over.slice(i + 1));
    return mul(fromFront(one, length), stride);
  });
  const [first, ...rest] = pieces;
  if (!first) throw call.error('expected indices of one axis or more');
  return rest.reduce((sum, each) => add(sum, each), first);
}

const gatherND: Lowering = (call) => {
  const [data, indices] = [call.value(0), call.value(1)];
  const batches = call.attributes.int('batch_dims', 0);
  const count = staticDim(indices.shape.at(-1), call.op, indices.shape);
  const over = staticShape(data.shape.slice(batches, batches + count), call.op);
  const rest = data.shape.slice(batches + count);
  const size = sizeOf(over);
  const flat = flatIndices(call, indices, over);
  if (batches === 0) return [gather(reshape(data, [size, ...rest]), flat)];
  // Each batch takes its own slices: by element, with the slices' elements as the last axis.
  const groups = product(data.shape.slice(0, batches));
  const width = staticDim(product(rest), call.op, data.shape);
  const each = product(indices.shape.slice(batches, -1));
  const elements = cast(constant(new Int32Array(width), [width]), indices.dtype);
  const at = add(reshape(flat, [groups, each, 1]), elements);
  const made = gatherElements(reshape(data, [groups, size, width]), at, 1);
  return [reshape(made, [...indices.shape.slice(0, -1), ...rest])];
};

interface Updates {
  readonly indices: Value;
  readonly updates: Value;
  readonly axis: number;
}

/**
 * `data` with updates at indices along an axis, in place of what is there or added to it. Where one place is named twice
 * ONNX does not say which update stays; here they add up.
 */
function scattered(call: Call, data: Value, { indices, updates, axis }: Updates): Value {
  const reduction = call.attributes.text('reduction', 'none');
  if (reduction === 'add') return scatterElements(data, indices, updates, axis);
  if (reduction !== 'none') throw call.error(`expected reduction none or add, got ${reduction}`);
  const named = scatterElements(filled(data, 0), indices, filled(updates, 1), axis);
  return scatterElements(where(notEqual(named, 0), 0, data), indices, updates, axis);
}

const scatterElementsOf: Lowering = (call) => {
  const [data, indices, updates] = [call.value(0), call.value(1), call.value(2)];
  return [scattered(call, data, { indices, updates, axis: call.attributes.int('axis', 0) })];
};

const scatterND: Lowering = (call) => {
  const [data, indices, updates] = [call.value(0), call.value(1), call.value(2)];
  const count = staticDim(indices.shape.at(-1), call.op, indices.shape);
  const over = staticShape(data.shape.slice(0, count), call.op);
  const width = staticDim(product(data.shape.slice(count)), call.op, data.shape);
  const places = product(indices.shape.slice(0, -1));
  const rows = reshape(flatIndices(call, indices, over), [places, 1]);
  const columns = constant(new BigInt64Array(width), [1, width]);
  const at = add(cast(rows, 'int64'), columns);
  const flat = reshape(data, [sizeOf(over), width]);
  const made = scattered(call, flat, { indices: at, updates: reshape(updates, [places, width]), axis: 0 });
  return [reshape(made, data.shape)];
};

// ---- comparisons ----------------------------------------------------------------------------------------------

const oneHotOf: Lowering = (call) => {
  const indices = call.value(0);
  const [depth] = call.numbers(1, 'depth') ?? [];
  if (depth === undefined) throw call.error('expected a depth');
  const whole = indices.dtype === 'int64' ? indices : cast(indices, 'int32');
  const isOn = equal(oneHot(fromFront(whole, depth), depth), 1);
  const [off, on] = [0, 1].map((i) => reshape(slice(call.value(2), 0, i, i + 1), []));
  if (!off || !on) throw call.error('expected values for off and on');
  const made = where(isOn, on, off);
  const rank = made.shape.length;
  const axis = normalizeAxis(call.op, call.attributes.int('axis', -1), rank);
  const axes = Array.from({ length: rank - 1 }, (_, i) => i);
  return [transpose(made, [...axes.slice(0, axis), rank - 1, ...axes.slice(axis)])];
};

/** The place of the largest along an axis, or of the smallest; of several, the first or the last. */
const argOf =
  (isLargest: boolean): Lowering =>
  (call) => {
    const given = call.value(0);
    const x = isLargest ? given : neg(given);
    const axis = normalizeAxis(call.op, call.attributes.int('axis', 0), x.shape.length);
    const keepdims = call.attributes.int('keepdims', 1) !== 0;
    if (call.attributes.int('select_last_index', 0) === 0) {
      return [cast(argMax(x, axis, { keepdims }), 'int64')];
    }
    const length = staticDim(x.shape[axis], call.op, x.shape);
    const backwards = constant(
      Int32Array.from({ length }, (_, i) => length - 1 - i),
      [length],
    );
    const last = argMax(gather(x, backwards, axis), axis, { keepdims });
    return [cast(sub(scalar(length - 1, 'int32'), last), 'int64')];
  };

/** The most of the largest that are looked for: each takes a pass over the axis. */
const MOST_OF_TOP = 64;

/** The k largest along an axis, in order: each is found among what the ones before it leave. */
const topK: Lowering = (call) => {
  const x = call.value(0);
  const [k] = call.numbers(1, 'k') ?? [];
  if (k === undefined || k < 1 || k > MOST_OF_TOP) {
    throw call.error(`expected k from 1 to ${MOST_OF_TOP}, got ${k}`);
  }
  if (x.dtype !== 'float32') throw call.error(`expected float32, got ${x.dtype}`);
  const axis = normalizeAxis(call.op, call.attributes.int('axis', -1), x.shape.length);
  const places = range(staticDim(x.shape[axis], call.op, x.shape));
  const behind = x.shape.slice(axis + 1).map(() => 1);
  const column = reshape(places, [...places.shape, ...behind]);
  let left = call.attributes.int('largest', 1) !== 0 ? x : neg(x);
  const found: Value[] = [];
  for (let i = 0; i < k; i++) {
    const first = argMax(left, axis, { keepdims: true });
    found.push(first);
    left = where(equal(column, first), Number.NEGATIVE_INFINITY, left);
  }
  const indices = concat(found, axis);
  return [gatherElements(x, indices, axis), cast(indices, 'int64')].slice(0, call.outputs);
};

const cumSumOf: Lowering = (call) => {
  const x = call.value(0);
  const [axis] = call.numbers(1, 'axis') ?? [];
  if (axis === undefined) throw call.error('expected an axis');
  const options = {
    exclusive: call.attributes.int('exclusive', 0) !== 0,
    reverse: call.attributes.int('reverse', 0) !== 0,
  };
  return [cast(cumSum(cast(x, 'float32'), axis, options), x.dtype)];
};

export const INDEXING: Lowerings = {
  GatherElements: gatherElementsOf,
  GatherND: gatherND,
  ScatterElements: scatterElementsOf,
  Scatter: scatterElementsOf,
  ScatterND: scatterND,
  OneHot: oneHotOf,
  ArgMax: argOf(true),
  ArgMin: argOf(false),
  TopK: topK,
  CumSum: cumSumOf,
};
