/** Crops and mirrors of bytes [channels, height, width]. Pure: also for browsers. */
import type { ImageShape, Placement } from '../augment.ts';
import type { Draws } from './policies.ts';
import { halfToEven } from './policies.ts';

/** A part of an image, in its pixels. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A range of numbers, and of aspect ratios. */
export interface RegionOptions {
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** How often a part is drawn before the middle of the image is taken, or nothing erased. */
const TRIES = 10;

/**
 * The draw of torchvision's RandomResizedCrop: a share of the area, and an aspect ratio that is uniform in its logarithm.
 * Where none of ten tries fits into the image, its middle, as large as the aspect ratios let it be.
 */
export function drawRegion(
  { width, height }: Pick<ImageShape, 'width' | 'height'>,
  { scale, ratio }: RegionOptions,
  draws: Draws,
): Region {
  for (let i = 0; i < TRIES; i++) {
    const size = drawSize(width * height, { scale, ratio }, draws);
    if (size.width < 1 || size.height < 1 || size.width > width || size.height > height) continue;
    const top = draws.integer(height - size.height + 1);
    return { ...size, top, left: draws.integer(width - size.width + 1) };
  }
  const aspect = width / height;
  const middle = {
    width: aspect > ratio[1] ? halfToEven(height * ratio[1]) : width,
    height: aspect < ratio[0] ? halfToEven(width / ratio[0]) : height,
  };
  return {
    ...middle,
    top: Math.floor((height - middle.height) / 2),
    left: Math.floor((width - middle.width) / 2),
  };
}

/** The draw of torchvision's RandomErasing: a rectangle, or nothing where none of ten tries is smaller than the image. */
export function drawRectangle(
  { width, height }: Pick<ImageShape, 'width' | 'height'>,
  options: RegionOptions,
  draws: Draws,
): Region | undefined {
  for (let i = 0; i < TRIES; i++) {
    const { width: w, height: h } = drawSize(width * height, options, draws, true);
    if (w >= width || h >= height) continue;
    const top = draws.integer(height - h + 1);
    return { width: w, height: h, top, left: draws.integer(width - w + 1) };
  }
  return undefined;
}

/** `isTall`: the aspect ratio is the height over the width. */
function drawSize(
  area: number,
  { scale, ratio }: RegionOptions,
  draws: Draws,
  isTall = false,
): { width: number; height: number } {
  const target = area * (scale[0] + (scale[1] - scale[0]) * draws.uniform());
  const [low, high] = [Math.log(ratio[0]), Math.log(ratio[1])];
  const aspect = Math.exp(low + (high - low) * draws.uniform());
  const [long, short] = [halfToEven(Math.sqrt(target * aspect)), halfToEven(Math.sqrt(target / aspect))];
  return isTall ? { width: short, height: long } : { width: long, height: short };
}

/** Output pixel (y, x) shows input pixel (y + top, x + left); outside of the image its mirror image, or black. */
export function placed(
  from: Uint8Array,
  to: Uint8Array,
  { channels, height, width }: ImageShape,
  { top, left, flip }: Placement,
  mode: 'constant' | 'reflect',
): void {
  const rows = sources(height, top, mode, false);
  const columns = sources(width, left, mode, flip);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (const row of rows) {
      const start = (c * height + row) * width;
      for (let x = 0; x < width; x++) {
        const column = columns[x] ?? -1;
        to[at++] = row < 0 || column < 0 ? 0 : (from[start + column] ?? 0);
      }
    }
  }
}

/** The place that each place of a row or a column shows; −1 for black. */
function sources(size: number, shift: number, mode: 'constant' | 'reflect', flip: boolean): Int32Array {
  const last = size - 1;
  return Int32Array.from({ length: size }, (_, i) => {
    const at = (flip ? last - i : i) + shift;
    if (at >= 0 && at <= last) return at;
    if (mode === 'constant') return -1;
    return at < 0 ? -at : 2 * last - at;
  });
}
