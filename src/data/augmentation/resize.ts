/**
 * A part of an image in another size: Pillow's `crop(box).resize(size, BILINEAR)`, to the byte. Where it shrinks, the
 * triangle of the filter is as wide as the pixels of the result. Pure: also for browsers.
 */
import type { ImageShape } from '../augment.ts';
import type { Region } from './crop.ts';

/** Pillow's weights of 8-bit pixels have 22 bits behind the point. */
const ONE = 2 ** 22;

/** Of each output pixel: the first input pixel, and the weights from there on, `most` for each. */
interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly most: number;
}

/** Reads uint8 [channels, height, width] of `shape`, and writes uint8 [channels, to.height, to.width]. */
export function resizedPart(
  from: Uint8Array,
  shape: ImageShape,
  { left, top, width, height }: Region,
  to: Uint8Array,
  size: Pick<ImageShape, 'width' | 'height'>,
): void {
  const across = weightsOf(left, width, size.width);
  const down = weightsOf(top, height, size.height);
  const [firstRow, lastRow] = rowsOf(down);
  const rows = new Uint8Array((lastRow - firstRow) * size.width);
  for (let c = 0; c < shape.channels; c++) {
    for (let y = firstRow; y < lastRow; y++) {
      const start = (c * shape.height + y) * shape.width;
      filtered(from, start, 1, across, rows, (y - firstRow) * size.width, 1);
    }
    for (let x = 0; x < size.width; x++) {
      const start = x - firstRow * size.width;
      filtered(rows, start, size.width, down, to, c * size.height * size.width + x, size.width);
    }
  }
}

/** The input rows that the result depends on. */
function rowsOf({ first, count }: Weights): [from: number, to: number] {
  const last = first.length - 1;
  return [first[0] ?? 0, (first[last] ?? 0) + (count[last] ?? 0)];
}

function weightsOf(start: number, length: number, out: number): Weights {
  const scale = length / out;
  const width = Math.max(1, scale);
  const most = Math.ceil(width) * 2 + 1;
  const first = new Int32Array(out);
  const count = new Int32Array(out);
  const weights = new Int32Array(out * most);
  for (let i = 0; i < out; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - width + 0.5));
    const to = Math.min(length, Math.trunc(centre + width + 0.5));
    const parts = Array.from({ length: to - from }, (_, k) =>
      Math.max(0, 1 - Math.abs((k + from - centre + 0.5) * (1 / width))),
    );
    const sum = parts.reduce((a, b) => a + b, 0);
    first[i] = start + from;
    count[i] = to - from;
    parts.forEach((part, k) => {
      weights[i * most + k] = Math.trunc(0.5 + (part / sum) * ONE);
    });
  }
  return { first, count, weights, most };
}

/** One row or column: pixels `fromStep` apart from `start` on, to pixels `toStep` apart from `target` on. */
function filtered(
  from: Uint8Array,
  start: number,
  fromStep: number,
  { first, count, weights, most }: Weights,
  to: Uint8Array,
  target: number,
  toStep: number,
): void {
  for (let i = 0; i < first.length; i++) {
    let sum = ONE / 2;
    const place = start + (first[i] ?? 0) * fromStep;
    const many = count[i] ?? 0;
    for (let k = 0; k < many; k++) sum += (from[place + k * fromStep] ?? 0) * (weights[i * most + k] ?? 0);
    to[target + i * toStep] = Math.min(255, sum >> 22);
  }
}
