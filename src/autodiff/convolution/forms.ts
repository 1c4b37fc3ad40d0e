/** Which form of a convolution is the fastest in ONNX Runtime, by its sizes: as measured (BENCHMARKS.md, Convolutions). */
import { depthwise } from './depthwise.ts';
import type { Geometry, Products } from './geometry.ts';
import { im2col } from './im2col.ts';
import { canTile, type Tile, tileCount, winograd } from './winograd.ts';

/** The fewest channels, in and out, for which a kernel's values at points pay. */
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
  if (g.groups > 1 && g.groups === g.inputs && g.groups === g.outputs) return depthwise(g);
  const tile = tileFor(g);
  return tile ? winograd(g, tile) : im2col(g);
}

function tileFor({ windows, groups, inputs, outputs, batch }: Geometry): Tile | undefined {
  if (groups > 1 || typeof batch !== 'number' || !canTile(windows)) return undefined;
  if (Math.min(inputs, outputs) < LEAST_CHANNELS) return undefined;
  return batch * tileCount(windows, 4) >= LEAST_TILES ? 4 : 2;
}
