/**
 * Windows that slide over images with channels last: what convolutions and pools have in common. One Gather of whole
 * rows of channels lays the windows of an image side by side (im2col), and its adjoint adds them up again.
 */
import { show as quote, UserError } from '../errors.ts';
import { expectAt, expectNumber } from '../expect.ts';
import { call, constant, gather, pad, reshape } from '../onnx/ops.ts';
import { product, show, staticDim } from '../onnx/shapes.ts';
import type { Dim, Value } from '../onnx/value.ts';
import { sumDown } from './columns.ts';
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
  /** What a window has for a pixel outside the image: zeros; with 'nearest', the nearest of its pixels inside. */
  readonly outside?: 'nearest';
}

/** The pixels of a window, and the windows of an image. */
export const pixelsOf = ({ size }: Pick<Windows, 'size'>): number => size[0] * size[1];
export const windowsIn = ({ to }: Pick<Windows, 'to'>): number => to[0] * to[1];

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

/** What is laid out first: windows, each with its pixels, or pixels, each as a plane of all windows. */
type Order = 'windows' | 'pixels';
type Tables = WeakMap<Windows, Value>;

/** What is made of windows once, so that a graph has each table once. */
const TURNED = new WeakMap<Windows, Windows>();
const PLACES: Readonly<Record<Order, Tables>> = { windows: new WeakMap(), pixels: new WeakMap() };
const USES: Readonly<Record<Order, Tables>> = { windows: new WeakMap(), pixels: new WeakMap() };
const LINES: Tables = new WeakMap();
const ROWS: Tables = new WeakMap();

function once(tables: Tables, windows: Windows, make: () => Value): Value {
  const table = tables.get(windows) ?? make();
  tables.set(windows, table);
  return table;
}

/** Where the i-th pixel of a window lies along rows or columns; undefined where zeros stand for it. */
function placeIn(windows: Windows, along: 0 | 1, window: number, i: number): number | undefined {
  const { size, stride, dilation, padding, from, outside } = windows;
  const placeOf = (k: number): number => window * stride[along] + k * dilation[along] - padding[along];
  const isInside = (place: number): boolean => place >= 0 && place < from[along];
  const place = placeOf(i);
  if (isInside(place)) return place;
  if (outside === undefined) return undefined;
  const others = Array.from({ length: size[along] }, (_, k) => placeOf(k)).filter(isInside);
  const [nearest] = others.toSorted((a, b) => Math.abs(a - place) - Math.abs(b - place));
  if (nearest !== undefined) return nearest;
  throw new UserError(
    `pool: expected every window to have a pixel of the image of ${from.join(' × ')}, got one with none; take less padding or dilation`,
  );
}

/**
 * For each row of the image and each column of windows, the places of the pixels that the windows' rows have there. For a
 * pixel outside: the number of pixels. One line more, for rows outside: [height·columns of windows + 1, columns of a window].
 */
function linesOf(windows: Windows): Int32Array {
  const { size, from, to } = windows;
  const [height, width] = from;
  const lines = new Int32Array((height * to[1] + 1) * size[1]).fill(height * width);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let column = 0; column < to[1]; column++) {
      for (let j = 0; j < size[1]; j++, at++) {
        const x = placeIn(windows, 1, column, j);
        if (x !== undefined) lines[at] = y * width + x;
      }
    }
  }
  return lines;
}

/** For each window, which of these lines its rows are: [windows, rows of a window]. */
function rowsOf(windows: Windows): Int32Array {
  const { size, from, to } = windows;
  const rows = new Int32Array(windowsIn(windows) * size[0]);
  let at = 0;
  for (let row = 0; row < to[0]; row++) {
    for (let column = 0; column < to[1]; column++) {
      for (let i = 0; i < size[0]; i++, at++) {
        const y = placeIn(windows, 0, row, i);
        rows[at] = y === undefined ? from[0] * to[1] : y * to[1] + column;
      }
    }
  }
  return rows;
}

/** For each window, its pixels' places in the image, row by row. For a pixel outside: the number of pixels. */
function placesOf(windows: Windows): Int32Array {
  const [lines, rows] = [linesOf(windows), rowsOf(windows)];
  const [, across] = windows.size;
  const places = new Int32Array(rows.length * across);
  rows.forEach((line, at) => {
    places.set(lines.subarray(line * across, (line + 1) * across), at * across);
  });
  return places;
}

/** Where the windows' pixels lie that come one window after the other, in the order in which they are laid out. */
function laidAt(windows: Windows, order: Order): (at: number) => number {
  if (order === 'windows') return (at) => at;
  const [count, pixels] = [windowsIn(windows), pixelsOf(windows)];
  return (at) => (at % pixels) * count + Math.floor(at / pixels);
}

/** How many windows and pixels are laid out, in their order. */
function countsOf(windows: Windows, order: Order): Pair {
  const [count, pixels] = [windowsIn(windows), pixelsOf(windows)];
  return order === 'windows' ? [count, pixels] : [pixels, count];
}

/** The places of the windows' pixels as a table, in the order in which they are laid out. */
function placesIn(windows: Windows, order: Order): Value {
  const places = placesOf(windows);
  const laid = new Int32Array(places.length);
  const to = laidAt(windows, order);
  places.forEach((place, at) => {
    laid[to(at)] = place;
  });
  return constant(laid, countsOf(windows, order));
}

/**
 * For each pixel of the image, which of the windows' pixels it is, in the order in which these are laid out: [most,
 * pixels]. What has fewer than the most is filled up with an index behind the last, which stands for none.
 */
function usesOf(windows: Windows, order: Order): Value {
  const places = placesOf(windows);
  const to = laidAt(windows, order);
  const found: number[][] = Array.from({ length: windows.from[0] * windows.from[1] }, () => []);
  places.forEach((place, at) => {
    found[place]?.push(to(at));
  });
  const most = found.reduce((length, each) => Math.max(length, each.length), 1);
  const uses = new Int32Array(found.length * most).fill(places.length);
  found.forEach((each, pixel) => {
    each.forEach((use, k) => {
      uses[k * found.length + pixel] = use;
    });
  });
  return constant(uses, [most, found.length]);
}

/**
 * The pixels of each window: float32 [..., height, width, channels] → [..., windows, pixels of a window, channels]. Any
 * leading axes, a symbolic batch too. Beyond the image there are zeros.
 */
export const patches = (x: Value, windows: Windows): Value => laidOut(x, windows, 'windows');

/** Each pixel of all windows: float32 [..., height, width, channels] → [..., pixels of a window, windows, channels]. */
export const planes = (x: Value, windows: Windows): Value => laidOut(x, windows, 'pixels');

/** The adjoint of `patches`: adds the windows' pixels up where they lie in the image (col2im). */
export const addPatches = (d: Value, windows: Windows): Value => addedUp(d, windows, 'windows');

/** The adjoint of `planes`. */
export const addPlanes = (d: Value, windows: Windows): Value => addedUp(d, windows, 'pixels');

function laidOut(x: Value, windows: Windows, order: Order): Value {
  const lead = x.shape.slice(0, -3);
  const [, , channels = 0] = x.shape.slice(-3);
  const shape = [...lead, ...countsOf(windows, order), channels];
  if (isEveryPixel(windows)) return reshape(x, shape);
  const body = (image: Value): Value => {
    const flat = reshape(image, [...lead, windows.from[0] * windows.from[1], channels]);
    // One row more, of zeros, for what lies outside.
    if (order === 'windows' && isNarrow(windows, channels))
      return reshape(inTwoSteps(pad(flat, -2, 0, 1), windows), shape);
    const places = once(PLACES[order], windows, () => placesIn(windows, order));
    return gather(areAllInside(windows) ? flat : pad(flat, -2, 0, 1), places, -2);
  };
  const composite = linearPair(`lay-out-${order}`, body, (d) => addedUp(d, windows, order));
  return expectAt(call(composite, [x]), 0);
}

/** Whether no window has zeros for a pixel. */
function areAllInside(windows: Windows): boolean {
  const { stride, padding, from, to, outside } = windows;
  const isWithin = ([0, 1] as const).map(
    (at) => padding[at] === 0 && (to[at] - 1) * stride[at] + reach(windows, at) < from[at],
  );
  return outside === 'nearest' || isWithin.every((each) => each);
}

/** The most channels of a pixel that is too short to be copied by itself: a cache line. */
const FEW_CHANNELS = 16;

/** Whether windows are laid out in two steps: first rows of windows, then windows of these, which are longer copies. */
const isNarrow = ({ size }: Windows, channels: Dim): boolean =>
  size.every((each) => each > 1) && Number(channels) <= FEW_CHANNELS;

/** [..., pixels and a row of zeros, channels] → [..., windows, rows of a window, columns of a window·channels] */
function inTwoSteps(pixels: Value, windows: Windows): Value {
  const { size, from, to } = windows;
  const channels = Number(pixels.shape.at(-1));
  const count = from[0] * to[1] + 1;
  const lines = once(LINES, windows, () => constant(linesOf(windows), [count, size[1]]));
  const rows = once(ROWS, windows, () => constant(rowsOf(windows), [windowsIn(windows), size[0]]));
  const inLines = reshape(gather(pixels, lines, -2), [
    ...pixels.shape.slice(0, -2),
    count,
    size[1] * channels,
  ]);
  return gather(inLines, rows, -2);
}

function addedUp(d: Value, windows: Windows, order: Order): Value {
  const lead = d.shape.slice(0, -3);
  const [, , channels = 0] = d.shape.slice(-3);
  const shape = [...lead, ...windows.from, channels];
  if (isEveryPixel(windows)) return reshape(d, shape);
  const body = (given: Value): Value => {
    const uses = once(USES[order], windows, () => usesOf(windows, order));
    const [most = 1, pixels = 1] = uses.shape;
    // One row more, of zeros, for pixels that fewer windows have than others.
    const rows = pad(reshape(given, [...lead, windowsIn(windows) * pixelsOf(windows), channels]), -2, 0, 1);
    const gathered = reshape(gather(rows, uses, -2), [...lead, most, product([pixels, channels])]);
    return reshape(most === 1 ? gathered : sumDown(gathered), shape);
  };
  const composite = linearPair(`add-up-${order}`, body, (ct) => laidOut(ct, windows, order));
  return expectAt(call(composite, [d]), 0);
}
