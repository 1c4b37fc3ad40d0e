/** Known numbers moved, repeated and picked: the rest of what shape arithmetic uses. */
import { normalizeAxis, sizeOf } from '../onnx/shapes.ts';
import type { Dim } from '../onnx/value.ts';
import type { Fold } from './fold.ts';
import { MOST_KNOWN } from './known.ts';
import { broadcastOperands, gathered, indicesOf, stridesOf } from './known-layout.ts';
import type { Call } from './lower/lowering.ts';
import type { Known } from './tensor.ts';

const isNumber = (dim: Dim): dim is number => typeof dim === 'number';

/** A known list of plain numbers; undefined where it is not known, or depends on the batch. */
function plain(call: Call, input: number): readonly number[] | undefined {
  const data = call.known(input)?.data;
  return data?.every(isNumber) ? data : undefined;
}

const sized = (x: Known, shape: readonly number[]): readonly Known[] => [{ ...x, shape }];

const gather: Fold = (call) => {
  const [x, indices] = [call.known(0), call.known(1)];
  if (!x || !indices) return undefined;
  const axis = normalizeAxis('Gather', call.attributes.int('axis', 0), x.shape.length);
  const length = x.shape[axis] ?? 0;
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  if (sizeOf(shape) > MOST_KNOWN) return undefined;
  const picked = indices.data.map((i) => (isNumber(i) && i < 0 ? i + length : i));
  const outside = picked.find((i) => !isNumber(i) || i < 0 || i >= length);
  if (outside !== undefined) throw call.error(`expected indices within ${length}, got ${outside}`);
  const [strides, within] = [stridesOf(x.shape), stridesOf(indices.shape)];
  const rank = indices.shape.length;
  const result = gathered(x, shape, (at) => {
    let index = 0;
    for (let i = 0; i < rank; i++) index += (at[axis + i] ?? 0) * (within[i] ?? 0);
    let place = Number(picked[index] ?? 0) * (strides[axis] ?? 1);
    for (let i = 0; i < x.shape.length; i++) {
      if (i !== axis) place += (at[i < axis ? i : i + rank - 1] ?? 0) * (strides[i] ?? 0);
    }
    return place;
  });
  return [result];
};

const concat: Fold = (call) => {
  const parts: Known[] = [];
  for (let i = 0; i < call.inputs; i++) {
    const part = call.known(i);
    if (!part) return undefined;
    parts.push(part);
  }
  const [first] = parts;
  if (!first) return undefined;
  const axis = normalizeAxis('Concat', call.attributes.int('axis', 0), first.shape.length);
  const length = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0);
  const outer = sizeOf(first.shape.slice(0, axis));
  const data: Dim[] = [];
  for (let i = 0; i < outer; i++) {
    for (const part of parts) {
      const each = part.data.length / outer;
      for (let j = 0; j < each; j++) data.push(part.data[i * each + j] ?? 0);
    }
  }
  return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? length : dim)), data }];
};

const unsqueeze: Fold = (call) => {
  const [x, axes] = [call.known(0), plain(call, 1)];
  if (!x || !axes) return undefined;
  const rank = x.shape.length + axes.length;
  const at = new Set(axes.map((axis) => normalizeAxis('Unsqueeze', axis, rank)));
  const rest = [...x.shape];
  return sized(
    x,
    Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : (rest.shift() ?? 1))),
  );
};

const squeeze: Fold = (call) => {
  const x = call.known(0);
  if (!x) return undefined;
  const axes = call.has(1) ? plain(call, 1) : x.shape.flatMap((dim, i) => (dim === 1 ? [i] : []));
  const at = axes && new Set(axes.map((axis) => normalizeAxis('Squeeze', axis, x.shape.length)));
  return (
    at &&
    sized(
      x,
      x.shape.filter((_, i) => !at.has(i)),
    )
  );
};

const reshape: Fold = (call) => {
  const [x, target] = [call.known(0), plain(call, 1)];
  if (!x || !target) return undefined;
  const copies = call.attributes.int('allowzero', 0) === 0;
  const shape = target.map((dim, i) => (dim === 0 && copies ? (x.shape[i] ?? 0) : dim));
  const others = shape.reduce((size, dim) => (dim === -1 ? size : size * dim), 1);
  const whole = shape.map((dim) => (dim === -1 ? x.data.length / others : dim));
  if (sizeOf(whole) !== x.data.length)
    throw call.error(`expected as many elements as [${x.shape.join(', ')}], got [${target.join(', ')}]`);
  return sized(x, whole);
};

const transpose: Fold = (call) => {
  const x = call.known(0);
  if (!x) return undefined;
  const perm = call.attributes.ints('perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  const strides = stridesOf(x.shape);
  const steps = perm.map((axis) => strides[axis] ?? 0);
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  return [gathered(x, shape, (at) => at.reduce((place, index, i) => place + index * (steps[i] ?? 0), 0))];
};

/** The elements of an axis that a slice takes: from `start`, `count` of them, `step` apart. */
export interface Taken {
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

/** What numpy's slice `start:end:step` takes of an axis. */
export function taken(length: number, start: number, end: number, step: number): Taken {
  const clamp = (x: number, low: number, high: number): number =>
    Math.min(Math.max(x < 0 ? x + length : x, low), high);
  const from = step > 0 ? clamp(start, 0, length) : clamp(start, -1, length - 1);
  const to = step > 0 ? clamp(end, 0, length) : clamp(end, -1, length - 1);
  return { start: from, count: Math.max(0, Math.ceil((to - from) / step)), step };
}

const slice: Fold = (call) => {
  const [x, starts, ends] = [call.known(0), plain(call, 1), plain(call, 2)];
  const axes = call.has(3) ? plain(call, 3) : starts?.map((_, i) => i);
  const steps = call.has(4) ? plain(call, 4) : starts?.map(() => 1);
  if (!x || !starts || !ends || !axes || !steps) return undefined;
  const all = x.shape.map((length): Taken => ({ start: 0, count: length, step: 1 }));
  axes.forEach((axis, i) => {
    const at = normalizeAxis('Slice', axis, x.shape.length);
    all[at] = taken(x.shape[at] ?? 0, starts[i] ?? 0, ends[i] ?? 0, steps[i] || 1);
  });
  const strides = stridesOf(x.shape);
  const place = (at: readonly number[]): number =>
    at.reduce((sum, index, i) => {
      const { start = 0, step = 1 } = all[i] ?? {};
      return sum + (start + index * step) * (strides[i] ?? 0);
    }, 0);
  return [
    gathered(
      x,
      all.map(({ count }) => count),
      place,
    ),
  ];
};

/** The value of a ConstantOfShape. */
function fillOf(call: Call): Known {
  return call.known(1) ?? { dtype: 'float32', shape: [1], data: [0] };
}

const constantOfShape: Fold = (call) => {
  const shape = plain(call, 0);
  const { dtype, data } = fillOf(call);
  if (!shape || !(sizeOf(shape) <= MOST_KNOWN)) return undefined;
  return [{ dtype, shape, data: new Array<Dim>(sizeOf(shape)).fill(data[0] ?? 0) }];
};

const expand: Fold = (call) => {
  const [x, shape] = [call.known(0), plain(call, 1)];
  if (!x || !shape || !(sizeOf(shape) <= MOST_KNOWN)) return undefined;
  const all = broadcastOperands([x, { dtype: 'bool', shape, data: [] }]);
  return all && [{ dtype: x.dtype, shape: all.shape, data: Array.from(all.pairs, ([value = 0]) => value) }];
};

const tile: Fold = (call) => {
  const [x, repeats] = [call.known(0), plain(call, 1)];
  if (!x || !repeats) return undefined;
  const shape = x.shape.map((dim, i) => dim * (repeats[i] ?? 1));
  if (!(sizeOf(shape) <= MOST_KNOWN)) return undefined;
  const strides = stridesOf(x.shape);
  const place = (at: readonly number[]): number =>
    at.reduce((sum, index, i) => sum + (index % (x.shape[i] ?? 1)) * (strides[i] ?? 0), 0);
  return [gathered(x, shape, place)];
};

const split: Fold = (call) => {
  const x = call.known(0);
  if (!x || (call.has(1) && !plain(call, 1))) return undefined;
  const axis = normalizeAxis('Split', call.attributes.int('axis', 0), x.shape.length);
  const sizes = plain(call, 1) ?? evenSizes(x.shape[axis] ?? 0, call);
  const strides = stridesOf(x.shape);
  let from = 0;
  return sizes.map((size) => {
    const offset = from * (strides[axis] ?? 1);
    from += size;
    return gathered(
      x,
      x.shape.map((dim, i) => (i === axis ? size : dim)),
      (at) => at.reduce((sum, index, i) => sum + index * (strides[i] ?? 0), offset),
    );
  });
};

/** The sizes of a Split that names none: equal ones, the last smaller. */
export function evenSizes(length: number, call: Call): number[] {
  const count = call.attributes.int('num_outputs', call.outputs);
  const each = Math.ceil(length / count);
  return Array.from({ length: count }, (_, i) => Math.min(each, length - each * i));
}

/** The indices of what is not 0, one column for each: [rank, count]. */
const nonZero: Fold = (call) => {
  const x = call.known(0);
  if (!x) return undefined;
  const found: (readonly number[])[] = [];
  let i = 0;
  for (const at of indicesOf(x.shape)) if (x.data[i++] !== 0) found.push([...at]);
  const data = x.shape.flatMap((_, axis) => found.map((at) => at[axis] ?? 0));
  return [{ dtype: 'int64', shape: [x.shape.length, found.length], data }];
};

const scatterND: Fold = (call) => {
  const [x, indices, updates] = [call.known(0), call.known(1), call.known(2)];
  if (!x || !indices || !updates || call.attributes.text('reduction', 'none') !== 'none') return undefined;
  const depth = indices.shape.at(-1) ?? 0;
  const strides = stridesOf(x.shape);
  const each = sizeOf(x.shape.slice(depth));
  const data = [...x.data];
  for (let i = 0; i * depth < indices.data.length; i++) {
    let place = 0;
    for (let axis = 0; axis < depth; axis++) {
      const index = Number(indices.data[i * depth + axis]);
      place += (index < 0 ? index + (x.shape[axis] ?? 0) : index) * (strides[axis] ?? 0);
    }
    for (let j = 0; j < each; j++) data[place + j] = updates.data[i * each + j] ?? 0;
  }
  return [{ ...x, data: data.slice(0, x.data.length) }];
};

/** The upper or lower part of matrices, the rest 0. */
const trilu: Fold = (call) => {
  const [x, k = [0]] = [call.known(0), call.has(1) ? plain(call, 1) : [0]];
  if (!x || (call.has(1) && !plain(call, 1))) return undefined;
  const isUpper = call.attributes.int('upper', 1) === 1;
  const [diagonal = 0] = k;
  const data: Dim[] = [];
  let i = 0;
  for (const at of indicesOf(x.shape)) {
    const distance = (at.at(-1) ?? 0) - (at.at(-2) ?? 0);
    const stays = isUpper ? distance >= diagonal : distance <= diagonal;
    data.push(stays ? (x.data[i] ?? 0) : 0);
    i++;
  }
  return [{ ...x, data }];
};

const cumSum: Fold = (call) => {
  const [x, axes] = [call.known(0), plain(call, 1)];
  const isPlain = call.attributes.int('exclusive', 0) === 0 && call.attributes.int('reverse', 0) === 0;
  if (!x || !axes || !isPlain || !x.data.every(isNumber)) return undefined;
  const axis = normalizeAxis('CumSum', axes[0] ?? 0, x.shape.length);
  const stride = stridesOf(x.shape)[axis] ?? 1;
  const data = [...x.data];
  for (let i = 0; i < data.length; i++) {
    const isFirst = Math.floor(i / stride) % (x.shape[axis] ?? 1) === 0;
    if (!isFirst) data[i] = Number(data[i]) + Number(data[i - stride]);
  }
  return [{ ...x, data }];
};

const flatten: Fold = (call) => {
  const x = call.known(0);
  if (!x) return undefined;
  const axis = call.attributes.int('axis', 1);
  const at = axis < 0 ? axis + x.shape.length : axis;
  return sized(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
};

export const LAYOUT_FOLDS: Readonly<Record<string, Fold>> = {
  Gather: gather,
  Concat: concat,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Slice: slice,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Tile: tile,
  Split: split,
  NonZero: nonZero,
  ScatterND: scatterND,
  Trilu: trilu,
  CumSum: cumSum,
};
