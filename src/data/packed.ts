import type { ImageSplit } from './dataset.ts';

/** Where the images lie in one array of bytes: image i starts at `start + i · stride` and has `bytes` bytes. */
export interface PackedLayout {
  readonly start: number;
  readonly stride: number;
  readonly bytes: number;
}

/** Joins several splits, in this order. Images are not copied. */
export function joinedSplit(parts: readonly ImageSplit[]): ImageSplit {
  const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
  return {
    length: labels.length,
    labels,
    read(index, out, offset) {
      let rest = index;
      for (const part of parts) {
        if (rest < part.length) return part.read(rest, out, offset);
        rest -= part.length;
      }
      throw new Error(`internal: image ${index} of ${labels.length}`);
    },
  };
}

/** A split whose images lie in one array at a constant distance, uint8 and channels first. */
export function packedSplit(data: Uint8Array, labels: Int32Array, layout: PackedLayout): ImageSplit {
  const { start, stride, bytes } = layout;
  return {
    length: labels.length,
    labels,
    read(index, out, offset) {
      const from = start + index * stride;
      out.set(data.subarray(from, from + bytes), offset);
    },
  };
}
