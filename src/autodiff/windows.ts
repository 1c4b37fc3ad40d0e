/**
 * Windows that slide over images with channels last: what convolutions and pools have in common. One Gather of whole
 * rows of channels lays the windows of an image side by side (im2col), and its adjoint adds them up again.
 */
import { show as quote, UserError } from '../errors.ts';
import { expectAt, expectNumber } from '../expect.ts';
import { call, constant, gather, pad, reduceSum, reshape } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { linearPair } from './linear.ts';

/** Of rows and of columns. */
export type Pair = readonly [rows: number, columns: number];

/** How windows move. A number is for rows and columns alike. */
export interface WindowOptions {
  /** Pixels from a window to the next; 1 by default. */
  readonly stride?: number | Pair;
  /** Pixels around the image that windows may reach into, on each side; 0 by default. */
  readonly padding?: number | Pair;
  /** Pixels of the image from a pixel of a window to the next; 1 by default. */
  readonly dilation?: number | Pair;
}

/** Windows of `size` pixels over an image: there are `to` of them. */
export interface Windows {
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly from: Pair;
  readonly to: Pair;
}

const both = (f: (at: 0 | 1) => number): Pair => [f(0), f(1)];

/** The pixels from the first of a window to its last. */
const reach = ({ size, dilation }: Pick<Windows, 'size' | 'dilation'>, at: 0 | 1): number =>
  dilation[at] * (size[at] - 1);

/**
 * The windows over x [batch, height, width, channels]. `op` is the name for errors. Throws UserError where x has another
 * rank or an option is no number in its range, and where no window fits into the image.
 */
export function windowsOf(op: string, x: Value, size: number | Pair, options: WindowOptions): Windows {
  if (x.shape.length !== 4) {
    throw new UserError(`${op}: expected x [batch, height, width, channels], got ${show(x.shape)}`);
  }
  const [, height, width] = x.shape;
  const from: Pair = [staticDim(height, `${op}: x`, x.shape), staticDim(width, `${op}: x`, x.shape)];
  const given = {
    size: pairOf(`${op}: size`, size, 1),
    stride: pairOf(`${op}: stride`, options.stride ?? 1, 1),
    padding: pairOf(`${op}: padding`, options.padding ?? 0, 0),
    dilation: pairOf(`${op}: dilation`, options.dilation ?? 1, 1),
  };
  const to = both((at) => {
    const room = from[at] + 2 * given.padding[at] - reach(given, at);
    if (room >= 1) return Math.ceil(room / given.stride[at]);
    const [needs, got, padding] = [both((i) => reach(given, i) + 1), from, given.padding].map((pair) =>
      pair.join(' × '),
    );
    throw new UserError(
      `${op}: expected an image of at least ${needs} pixels with its padding, got ${got} with padding ${padding}`,
    );
  });
  return { ...given, from, to };
}

/** A pair of integers ≥ `min`. `what` names it in the UserError that is thrown where it is none. */
export function pairOf(what: string, given: number | Pair, min: number): Pair {
  const pair: readonly unknown[] = Array.isArray(given) ? given : [given, given];
  const [rows, columns] = pair;
  if (pair.length !== 2) {
    throw new UserError(
      `${what}: expected a number, or one for rows and one for columns, got ${quote(given)}`,
    );
  }
  expectNumber(what, rows, { min, isInteger: true });
  expectNumber(what, columns, { min, isInteger: true });
  return [rows, columns];
}

/** Whether each window is one pixel, and all pixels have theirs. */
export function isEveryPixel({ size, stride, padding }: Windows): boolean {
  return [...size, ...stride].every((each) => each === 1) && padding.every((each) => each === 0);
}

/**
 * The windows that belong to the adjoint: over the result, one for each pixel of the image, whose kernel is turned by
 * half a turn. Undefined where windows leave out pixels, or reach further than they are large.
 */
export function turnedWindows(windows: Windows): Windows | undefined {
  const known = TURNED.get(windows) ?? turned(windows);
  if (known) TURNED.set(windows, known);
  return known;
}

function turned(windows: Windows): Windows | undefined {
  const { size, dilation, from, to } = windows;
  const padding = both((at) => reach(windows, at) - windows.padding[at]);
  if (windows.stride.some((each) => each !== 1) || padding.some((each) => each < 0)) return undefined;
  return { size, stride: [1, 1], padding, dilation, from: to, to: from };
}

/** What is made of windows once, so that a graph has each table once. */
const TURNED = new WeakMap<Windows, Windows>();
const PLACES = new WeakMap<Windows, Value>();
const USES = new WeakMap<Windows, Value>();

function once(tables: WeakMap<Windows, Value>, windows: Windows, make: () => Value): Value {
  const table = tables.get(windows) ?? make();
  tables.set(windows, table);
  return table;
}

/** For each window, its pixels' places in the image, row by row. For a pixel outside: the number of pixels. */
function placesOf({ size, stride, padding, dilation, from, to }: Windows): Int32Array {
  const [height, width] = from;
  const places = new Int32Array(to[0] * to[1] * size[0] * size[1]);
  let at = 0;
  for (let row = 0; row < to[0]; row++) {
    for (let column = 0; column < to[1]; column++) {
      for (let i = 0; i < size[0]; i++) {
        for (let j = 0; j < size[1]; j++) {
          const y = row * stride[0] + i * dilation[0] - padding[0];
          const x = column * stride[1] + j * dilation[1] - padding[1];
          const isInside = y >= 0 && y < height && x >= 0 && x < width;
          places[at++] = isInside ? y * width + x : height * width;
        }
      }
    }
  }
  return places;
}

/**
 * For each pixel of the image, which of the windows' pixels it is: [pixels, most]. What has fewer than the most is filled
 * up with an index behind the last, which stands for none.
 */
function usesOf(windows: Windows): Value {
  const places = placesOf(windows);
  const found: number[][] = Array.from({ length: windows.from[0] * windows.from[1] }, () => []);
  places.forEach((place, use) => {
    found[place]?.push(use);
  });
  const most = found.reduce((length, each) => Math.max(length, each.length), 1);
  const uses = new Int32Array(found.length * most).fill(places.length);
  found.forEach((each, pixel) => {
    uses.set(each, pixel * most);
  });
  return constant(uses, [found.length, most]);
}

/**
 * The pixels of each window: float32 [..., height, width, channels] → [..., windows, pixels of a window, channels]. Any
 * leading axes, a symbolic batch too. Beyond the image there are zeros.
 */
export function patches(x: Value, windows: Windows): Value {
  const [rows, columns] = windows.to;
  const lead = x.shape.slice(0, -3);
  const count = windows.size[0] * windows.size[1];
  const [, , channels = 0] = x.shape.slice(-3);
  const shape = [...lead, rows * columns, count, channels];
  if (isEveryPixel(windows)) return reshape(x, shape);
  const body = (image: Value): Value => {
    const pixels = reshape(image, [...lead, windows.from[0] * windows.from[1], channels]);
    const isInside = windows.padding.every((each) => each === 0);
    const places = once(PLACES, windows, () => constant(placesOf(windows), [rows * columns, count]));
    // One row more, of zeros, for what lies outside.
    return gather(isInside ? pixels : pad(pixels, -2, 0, 1), places, -2);
  };
  const composite = linearPair('patches', body, (d) => addPatches(d, windows));
  return expectAt(call(composite, [x]), 0);
}

/** The adjoint of `patches`: adds the windows' pixels up where they lie in the image (col2im). */
export function addPatches(d: Value, windows: Windows): Value {
  const lead = d.shape.slice(0, -3);
  const [, , channels = 0] = d.shape.slice(-3);
  const shape = [...lead, ...windows.from, channels];
  if (isEveryPixel(windows)) return reshape(d, shape);
  const body = (given: Value): Value => {
    const uses = once(USES, windows, () => usesOf(windows));
    const count = windows.to[0] * windows.to[1] * windows.size[0] * windows.size[1];
    // One row more, of zeros, for pixels that fewer windows have than others.
    const rows = pad(reshape(given, [...lead, count, channels]), -2, 0, 1);
    const gathered = gather(rows, uses, -2);
    return reshape(uses.shape[1] === 1 ? gathered : reduceSum(gathered, { axes: [-2] }), shape);
  };
  const composite = linearPair('add-patches', body, (ct) => patches(ct, windows));
  return expectAt(call(composite, [d]), 0);
}
