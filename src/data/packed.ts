import type { ImageSplit } from './images.ts';

/** Where the images lie in one array of bytes: image i starts at `start + i · stride`. */
export interface PackedLayout {
  readonly start: number;
  readonly stride: number;
}

/** Joins several splits, in this order. Images are not copied. */
export function joinedSplit(parts: readonly ImageSplit[]): ImageSplit {
  const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
  return {
    length: labels.length,
    labels,
    pixels(index) {
      let rest = index;
      for (const part of parts) {
        if (rest < part.length) return part.pixels(rest);
        rest -= part.length;
      }
      throw new Error(`internal: image ${index} of ${labels.length}`);
    },
  };
}

/** A split whose images lie in one array at a constant distance, uint8 and channels first. */
export function packedSplit(
  data: Uint8Array,
  labels: Int32Array,
  { start, stride }: PackedLayout,
): ImageSplit {
  return { length: labels.length, labels, pixels: (index) => ({ data, offset: start + index * stride }) };
}
