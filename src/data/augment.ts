/** Turns uint8 pixels into network inputs: shifts, mirrors and normalises. Pure: also for browsers. */
import type { Draws } from './augmentation/policies.ts';

/** Size of one image, channels first. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Mean and standard deviation of each channel, for pixels on the scale 0 … 1. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** ImageNet's mean and standard deviation of each channel; for grey images, their means over the channels. */
export const IMAGENET_STATISTICS = {
  1: { mean: [0.449], std: [0.226] },
  3: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const;

/** One draw: output pixel (y, x) shows input pixel (y + top, x + left), mirrored after the crop if `flip`. */
export interface Placement {
  /** Integers in [−pad, pad]. */
  readonly top: number;
  readonly left: number;
  readonly flip: boolean;
}

export const IN_PLACE: Placement = { top: 0, left: 0, flip: false };

/** How far an image is shifted at most, and whether it may be mirrored, with chance 1/2. */
export interface Shift {
  readonly pad: number;
  readonly flip: boolean;
}

export function drawPlacement({ pad, flip }: Shift, draws: Draws): Placement {
  const top = pad === 0 ? 0 : draws.integer(2 * pad + 1) - pad;
  const left = pad === 0 ? 0 : draws.integer(2 * pad + 1) - pad;
  return { top, left, flip: flip && draws.integer(2) === 1 };
}

/** float32 [channels, 256]: the normalised value (v / 255 − mean) / std of every byte v. */
export function normalizationTable({ mean, std }: Normalization): Float32Array {
  const table = new Float32Array(mean.length * 256);
  mean.forEach((channelMean, c) => {
    for (let v = 0; v < 256; v++) table[c * 256 + v] = (v / 255 - channelMean) / (std[c] ?? 1);
  });
  return table;
}

/**
 * Writes one image, float32 [channels, height, width], to `out` from `outOffset` on. `pixels` holds it as uint8
 * from `offset` on. Pixels outside of the image are black *before* normalisation, as in torchvision's RandomCrop.
 */
export function writeNormalized(
  pixels: Uint8Array,
  offset: number,
  { channels, height, width }: ImageShape,
  table: Float32Array,
  { top, left, flip }: Placement,
  out: Float32Array,
  outOffset: number,
): void {
  // Columns [from, to) of the crop lie within the image.
  const from = Math.min(width, Math.max(0, -left));
  const to = Math.max(from, Math.min(width, width - left));
  const step = flip ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const black = table[c * 256] ?? 0;
    for (let y = 0; y < height; y++) {
      const target = outOffset + (c * height + y) * width;
      const row = y + top;
      const inside = row >= 0 && row < height;
      if (!inside || to - from < width) out.fill(black, target, target + width);
      if (!inside) continue;
      const source = offset + (c * height + row) * width + left;
      let at = flip ? target + width - 1 - from : target + from;
      for (let x = from; x < to; x++, at += step) {
        out[at] = table[c * 256 + (pixels[source + x] ?? 0)] ?? 0;
      }
    }
  }
}
