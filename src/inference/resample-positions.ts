/**
 * Positions of a grid of patches, for another grid: bicubic interpolation, as timm's `resample_abs_pos_embed` does it
 * (PyTorch's `interpolate` with `mode='bicubic', antialias=True`, which is Pillow's). Its kernel is that of Keys,
 * *Cubic Convolution Interpolation for Digital Image Processing*, 1981, with a = −1/2. Where the grid shrinks, the
 * kernel is stretched by the same factor. At the border the weights of what is there are scaled to add up to 1.
 */
export type Grid = readonly [rows: number, columns: number];

/**
 * `table` [prefix + rows·columns, width] of the grid `from` as a table of the grid `to`. The first `prefix` rows (the
 * class token's) stay.
 */
export function resamplePositions(
  table: Float32Array,
  { prefix, width, from, to }: { prefix: number; width: number; from: Grid; to: Grid },
): Float32Array {
  const out = new Float32Array((prefix + to[0] * to[1]) * width);
  out.set(table.subarray(0, prefix * width));
  const patches = table.subarray(prefix * width);
  const [rows, columns] = [weightsOf(from[0], to[0]), weightsOf(from[1], to[1])];
  rows.forEach(({ first: top, weights: down }, y) => {
    columns.forEach(({ first: left, weights: across }, x) => {
      const at = (prefix + y * to[1] + x) * width;
      for (let k = 0; k < width; k++) {
        let sum = 0;
        down.forEach((vertical, i) => {
          const row = ((top + i) * from[1] + left) * width + k;
          across.forEach((horizontal, j) => {
            sum += vertical * horizontal * (patches[row + j * width] ?? 0);
          });
        });
        out[at + k] = sum;
      }
    });
  });
  return out;
}

/** For each of `to` places, which of `from` places it is made of, from the first on, and their weights. */
function weightsOf(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = scale * (i + 0.5);
    const first = Math.max(Math.trunc(center - 2 * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(center + 2 * stretch + 0.5), from);
    const raw = Array.from({ length: end - first }, (_, j) => cubic((first + j + 0.5 - center) / stretch));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

/** Keys 1981, equation 8, with a = −1/2. */
function cubic(at: number): number {
  const x = Math.abs(at);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
