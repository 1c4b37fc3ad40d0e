/**
 * The operations on RGB bytes that AutoAugment and RandAugment draw from, to the byte those of Pillow (ImageOps,
 * ImageEnhance, Image.transform), with the arguments that torchvision gives them. Pure: also for browsers.
 */
import type { ImageShape } from '../augment.ts';

/** Reads `from` and writes `to`, both uint8 [3, height, width]. */
export type Operation = (from: Uint8Array, to: Uint8Array, shape: ImageShape, magnitude: number) => void;

export type OperationName =
  | 'Identity'
  | 'ShearX'
  | 'ShearY'
  | 'TranslateX'
  | 'TranslateY'
  | 'Rotate'
  | 'Brightness'
  | 'Color'
  | 'Contrast'
  | 'Sharpness'
  | 'Posterize'
  | 'Solarize'
  | 'Invert'
  | 'AutoContrast'
  | 'Equalize';

/** By the names of torchvision. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  Identity: (from, to) => to.set(from),
  ShearX: (from, to, shape, by) => affine(from, to, shape, [1, by, 0, 0, 1, 0]),
  ShearY: (from, to, shape, by) => affine(from, to, shape, [1, 0, 0, by, 1, 0]),
  TranslateX: (from, to, shape, by) => affine(from, to, shape, [1, 0, -Math.trunc(by), 0, 1, 0]),
  TranslateY: (from, to, shape, by) => affine(from, to, shape, [1, 0, 0, 0, 1, -Math.trunc(by)]),
  Rotate: (from, to, shape, degrees) => affine(from, to, shape, rotation(shape, degrees)),
  Brightness: (from, to, _, by) => blend(to.fill(0), from, to, 1 + by),
  Color: (from, to, shape, by) => blend(grey(from, to, shape), from, to, 1 + by),
  Contrast(from, to, shape, by) {
    const plane = shape.height * shape.width;
    grey(from, to, shape);
    let total = 0;
    for (let i = 0; i < plane; i++) total += to[i] ?? 0;
    blend(to.fill(Math.floor(total / plane + 0.5)), from, to, 1 + by);
  },
  Sharpness: (from, to, shape, by) => blend(smooth(from, to, shape), from, to, 1 + by),
  Posterize: (from, to, _, bits) =>
    look(
      from,
      to,
      tableOf((value) => value & (0xff << (8 - bits))),
    ),
  Solarize: (from, to, _, from_) =>
    look(
      from,
      to,
      tableOf((v) => (v < from_ ? v : 255 - v)),
    ),
  Invert: (from, to) =>
    look(
      from,
      to,
      tableOf((value) => 255 - value),
    ),
  AutoContrast: (from, to, shape) => byChannel(from, to, shape, autoContrastTable),
  Equalize: (from, to, shape) => byChannel(from, to, shape, equalizeTable),
};

/** Output pixel (x, y) shows input pixel (a·x + b·y + c, d·x + e·y + f). */
type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** Pillow's `rotate` around the centre, anticlockwise: its matrix, rounded to 15 digits as there. */
function rotation({ height, width }: ImageShape, degrees: number): Matrix {
  const angle = -((((degrees % 360) + 360) % 360) * Math.PI) / 180;
  const round = (value: number): number => Number(value.toFixed(15));
  const [a, b, d, e] = [
    round(Math.cos(angle)),
    round(Math.sin(angle)),
    round(-Math.sin(angle)),
    round(Math.cos(angle)),
  ];
  const [x, y] = [width / 2, height / 2];
  return [a, b, a * -x + b * -y + x, d, e, d * -x + e * -y + y];
}

const ONE = 65536;

/** The nearest pixel, black outside of the image; places in fixed point with 16 bits, as in Pillow's Geometry.c. */
function affine(from: Uint8Array, to: Uint8Array, { channels, height, width }: ImageShape, m: Matrix): void {
  const fixed = (value: number): number => Math.floor(value * ONE + 0.5);
  const [a, b, d, e] = [fixed(m[0]), fixed(m[1]), fixed(m[3]), fixed(m[4])];
  // Of a pixel's middle.
  const c = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  const f = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  const plane = height * width;
  for (let y = 0; y < height; y++) {
    let [column, row] = [c + b * y, f + e * y];
    for (let x = 0; x < width; x++, column += a, row += d) {
      const [left, top] = [column >> 16, row >> 16];
      const inside = left >= 0 && left < width && top >= 0 && top < height;
      const source = top * width + left;
      for (let k = 0, at = y * width + x; k < channels; k++, at += plane) {
        to[at] = inside ? (from[k * plane + source] ?? 0) : 0;
      }
    }
  }
}

/** Pillow's `blend`: a + factor·(b − a) in float32, cut off to whole numbers in 0 … 255. */
function blend(a: Uint8Array, b: Uint8Array, to: Uint8Array, factor: number): void {
  const by = Math.fround(factor);
  for (let i = 0; i < to.length; i++) {
    const start = a[i] ?? 0;
    const value = Math.fround(start + Math.fround(by * ((b[i] ?? 0) - start)));
    to[i] = value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
  }
}

/** Luma in every channel: ITU-R 601-2 with 16 bits, as Pillow's conversion to `L`. */
function grey(from: Uint8Array, to: Uint8Array, { height, width }: ImageShape): Uint8Array {
  const plane = height * width;
  for (let i = 0; i < plane; i++) {
    const [r, g, b] = [from[i] ?? 0, from[plane + i] ?? 0, from[2 * plane + i] ?? 0];
    const luma = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    to[i] = luma;
    to[plane + i] = luma;
    to[2 * plane + i] = luma;
  }
  return to;
}

/** The mean of a pixel, five times, and its eight neighbours; the border stays: Pillow's filter SMOOTH. */
function smooth(from: Uint8Array, to: Uint8Array, { channels, height, width }: ImageShape): Uint8Array {
  to.set(from);
  for (let c = 0; c < channels; c++) {
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        const at = (c * height + y) * width + x;
        let sum = 4 * (from[at] ?? 0);
        for (let row = at - width; row <= at + width; row += width) {
          sum += (from[row - 1] ?? 0) + (from[row] ?? 0) + (from[row + 1] ?? 0);
        }
        to[at] = Math.floor(sum / 13 + 0.5);
      }
    }
  }
  return to;
}

function tableOf(of: (value: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => of(value));
}

function look(from: Uint8Array, to: Uint8Array, table: Uint8Array): void {
  for (let i = 0; i < from.length; i++) to[i] = table[from[i] ?? 0] ?? 0;
}

/** A table for each channel, from how often it has each value. */
function byChannel(
  from: Uint8Array,
  to: Uint8Array,
  { channels, height, width }: ImageShape,
  tableFor: (counts: Int32Array) => Uint8Array,
): void {
  const plane = height * width;
  for (let c = 0; c < channels; c++) {
    const channel = from.subarray(c * plane, (c + 1) * plane);
    const counts = new Int32Array(256);
    for (const value of channel) counts[value] = (counts[value] ?? 0) + 1;
    look(channel, to.subarray(c * plane, (c + 1) * plane), tableFor(counts));
  }
}

const IDENTITY = tableOf((value) => value);

/** The darkest value becomes 0 and the lightest 255: Pillow's `autocontrast`. */
function autoContrastTable(counts: Int32Array): Uint8Array {
  const low = counts.findIndex((count) => count > 0);
  const high = counts.findLastIndex((count) => count > 0);
  if (high <= low) return IDENTITY;
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return tableOf((value) => Math.min(255, Math.max(0, Math.trunc(value * scale + offset))));
}

/** All values equally often: Pillow's `equalize`. */
function equalizeTable(counts: Int32Array): Uint8Array {
  const present = counts.filter((count) => count > 0);
  const step = Math.floor((present.reduce((a, b) => a + b, 0) - (present.at(-1) ?? 0)) / 255);
  if (present.length <= 1 || step === 0) return IDENTITY;
  let sum = Math.floor(step / 2);
  return tableOf((value) => {
    const now = Math.floor(sum / step);
    sum += counts[value] ?? 0;
    return Math.min(255, now);
  });
}
