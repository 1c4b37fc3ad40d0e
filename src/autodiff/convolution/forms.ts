/**
 * Which form of a convolution is the fastest in ONNX Runtime, by its sizes. Milliseconds of y and its two cotangents
 * together, batch 32 (BENCHMARKS.md, Convolutions, has all):
 *
 * | 3×3 kernel             | windows | tiles of 2×2 | tiles of 4×4 | so            |
 * |------------------------|--------:|-------------:|-------------:|---------------|
 * | 16→16 over 32×32       |      15 |           19 |           15 | windows       |
 * | 32→32 over 16×16       |       7 |            8 |            5 | tiles of 4×4  |
 * | 64→64 over 32×32       |      93 |           73 |           57 | tiles of 4×4  |
 * | 256→256 over 8×8       |      66 |           40 |           31 | tiles of 4×4  |
 * | 512→512 over 4×4       |      75 |           43 |           46 | tiles of 2×2  |
 * | 96 depthwise, 32×32    |      88 |           80 |           65 | tiles of 4×4  |
 *
 * Of 5×5 kernels only depthwise ones go through tiles, of 4×4 (672 over 14×14, batch 8: windows 115, tiles 92 and 71).
 * Where channels are joined that gains less (32→64 over 28×28: 26 and 22), and rounding adds up.
 */
import { depthwise } from './depthwise.ts';
import { type Geometry, inputsFirst, outputsFirst, type Products } from './geometry.ts';
import { im2col } from './im2col.ts';
import { canTile, type Tile, tileCount, winograd } from './winograd.ts';

/** The fewest channels, in and out, for which tiles pay where all are joined. Depthwise, they always do. */
const LEAST_CHANNELS = 32;
/** The fewest tiles of 4×4 results in a batch: with less, the products have too few rows. */
const LEAST_TILES = 64;

/** Convolutions of the same sizes share theirs, with its tables of indices. */
const KNOWN = new Map<string, Products>();

/** The products of a convolution in the form that suits its sizes. */
export function formOf(g: Geometry): Products {
  const key = JSON.stringify(g);
  const known = KNOWN.get(key) ?? chosen(g);
  KNOWN.set(key, known);
  return known;
}

function chosen(g: Geometry): Products {
  const tile = tileFor(g);
  if (tile) return winograd(g, tile);
  if (g.groups === 1) return im2col(g);
  const inFirst: Geometry = { ...g, layout: 'hwio' };
  const form = isDepthwise(g) ? depthwise(inFirst) : im2col(inFirst);
  return g.layout === 'oihw' ? fromOutputsFirst(form) : form;
}

/** The products of a form that takes kernels of layout 'hwio', for those of 'oihw'. */
const fromOutputsFirst = ({ result, image, kernel }: Products): Products => ({
  result: (x, given) => result(x, inputsFirst(given)),
  image: (given, ct) => image(inputsFirst(given), ct),
  kernel: (ct, x) => outputsFirst(kernel(ct, x)),
});

const isDepthwise = ({ groups, inputs, outputs }: Geometry): boolean =>
  groups > 1 && groups === inputs && groups === outputs;

/** The tiles that a convolution goes through; none where its windows are multiplied as they are. */
function tileFor(g: Geometry): Tile | undefined {
  const { windows, groups, inputs, outputs, batch } = g;
  if (typeof batch !== 'number' || !canTile(windows)) return undefined;
  if (isDepthwise(g)) return 4;
  const isLarge = windows.size[0] > 3;
  if (groups > 1 || isLarge || Math.min(inputs, outputs) < LEAST_CHANNELS) return undefined;
  return batch * tileCount(windows, 4) >= LEAST_TILES ? 4 : 2;
}
