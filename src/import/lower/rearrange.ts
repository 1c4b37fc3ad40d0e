/** What moves, repeats or leaves out elements: pads, tiles, blocks of pixels, triangles. */
import { sparseRows } from '../../autodiff/sparse-rows.ts';
import { expectAt } from '../../expect.ts';
import { constant, reshape, scalar, transpose, where } from '../../onnx/ops.ts';
import { normalizeAxis, staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { asItLies, padAxis, repeat } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** By mode: which place of an axis of `length` stands at a place outside. */
const OUTSIDE: Readonly<Record<string, (at: number, length: number) => number>> = {
  edge: (at, length) => Math.min(Math.max(at, 0), length - 1),
  wrap: (at, length) => ((at % length) + length) % length,
  reflect: (at, length) => {
    const period = Math.max(2 * (length - 1), 1);
    const within = ((at % period) + period) % period;
    return Math.min(within, period - within);
  },
};

/** Puts elements of the axis itself around it; a negative count cuts some off. */
function padFrom(call: Call, x: Value, at: number, [before, after]: readonly [number, number]): Value {
  const mode = call.attributes.text('mode', 'constant');
  const outside = OUTSIDE[mode];
  if (!outside) throw call.error(`expected mode constant, edge, reflect or wrap, got ${mode}`);
  const length = staticDim(x.shape[at], call.op, x.shape);
  const rows = Array.from({ length: length + before + after }, (_, i) => [
    [outside(i - before, length), 1] as const,
  ]);
  return sparseRows(x, at, { from: length, rows });
}

const pads: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const counts = call.numbers(1, 'pads') ?? [];
  const rank = x.shape.length;
  const axes = call.numbers(3, 'axes') ?? x.shape.map((_, i) => i);
  if (counts.length !== 2 * axes.length) {
    throw call.error(`expected ${2 * axes.length} pads, got ${counts.length}`);
  }
  const isConstant = call.attributes.text('mode', 'constant') === 'constant';
  const given = isConstant && call.has(2) ? call.value(2) : undefined;
  const isZero = !given || call.known(2)?.data[0] === 0;
  const padded = axes.reduce((image, each, i) => {
    const at = axis(normalizeAxis(call.op, each, rank));
    const pair = [expectAt(counts, i), expectAt(counts, i + axes.length)] as const;
    if (pair[0] === 0 && pair[1] === 0) return image;
    if (!isConstant) return padFrom(call, image, at, pair);
    return padAxis(image, at, pair, isZero || !given ? 0 : reshape(given, []));
  }, x);
  return [result(padded)];
};

const tile: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const repeats = call.numbers(1, 'repeats') ?? [];
  if (repeats.length !== x.shape.length || repeats.some((times) => times < 1)) {
    throw call.error(`expected ${x.shape.length} repeats of 1 or more, got ${repeats.join(', ')}`);
  }
  return [result(repeats.reduce((tiled, times, i) => repeat(tiled, axis(i), times), x))];
};

/** Both count a pixel's channels in blocks: [by, bx, c] with DCR, [c, by, bx] with CRD. */
const depthToSpace: Lowering = (call) => {
  const x = call.channelsLast(0);
  const size = call.attributes.int('blocksize', 1);
  const [batch = 0, height = 0, width = 0] = x.shape;
  const each = staticDim(x.shape[3], call.op, x.shape) / size ** 2;
  if (!Number.isInteger(each)) throw call.error(`expected channels that ${size}² divides, got ${x.shape[3]}`);
  const isDepthFirst = call.attributes.text('mode', 'DCR') === 'DCR';
  const blocks = reshape(
    x,
    isDepthFirst ? [batch, height, width, size, size, each] : [batch, height, width, each, size, size],
  );
  const placed = transpose(blocks, isDepthFirst ? [0, 1, 3, 2, 4, 5] : [0, 1, 4, 2, 5, 3]);
  const [rows, columns] = [height, width].map((dim) => staticDim(dim, call.op, x.shape) * size);
  return [{ channelsLast: reshape(placed, [batch, rows ?? 0, columns ?? 0, each]) }];
};

const spaceToDepth: Lowering = (call) => {
  const x = call.channelsLast(0);
  const size = call.attributes.int('blocksize', 1);
  const [batch = 0] = x.shape;
  const channels = staticDim(x.shape[3], call.op, x.shape);
  const [rows = 0, columns = 0] = x.shape.slice(1, 3).map((dim) => staticDim(dim, call.op, x.shape) / size);
  if (!Number.isInteger(rows) || !Number.isInteger(columns)) {
    throw call.error(`expected pixels that ${size} divides, got ${x.shape[1]} × ${x.shape[2]}`);
  }
  const blocks = reshape(x, [batch, rows, size, columns, size, channels]);
  const placed = transpose(blocks, [0, 1, 3, 2, 4, 5]);
  return [{ channelsLast: reshape(placed, [batch, rows, columns, size * size * channels]) }];
};

/** The upper or the lower triangle of the last two axes, from the k-th diagonal on. */
const trilu: Lowering = (call) => {
  const x = call.value(0);
  const [rows, columns] = x.shape.slice(-2).map((dim) => staticDim(dim, call.op, x.shape));
  if (rows === undefined || columns === undefined) throw call.error('expected rank 2 or more');
  const [k = 0] = call.numbers(1, 'k') ?? [];
  const isUpper = call.attributes.int('upper', 1) !== 0;
  const keeps = Uint8Array.from({ length: rows * columns }, (_, i) => {
    const diagonal = (i % columns) - Math.floor(i / columns);
    return Number(isUpper ? diagonal >= k : diagonal <= k);
  });
  const mask = constant(keeps, [rows, columns], 'bool');
  return [where(mask, x, x.dtype === 'bool' ? scalar(0, 'bool') : 0)];
};

export const REARRANGE: Lowerings = {
  Pad: pads,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: trilu,
};
