/**
 * Convolutions with fewer multiplications (Winograd 1980; Lavin & Gray, *Fast Algorithms for Convolutional Neural
 * Networks*, CVPR 2016). Tiles of the image, the kernel and tiles of the result are taken as polynomials. Their values at
 * a few points are multiplied point by point: 36 products for a tile of 4×4 results of a 3×3 kernel, where a sum over
 * each window takes 144; 64 for one of a 5×5 kernel, where it takes 400. Over channels and tiles these are 36 or 64 matrix
 * products. Values at points come from matrix products with small constants, and so do the results.
 */
import {
  add,
  constant,
  gather,
  gemm,
  matmul,
  mul,
  pad,
  reduceSum,
  reshape,
  transpose,
} from '../../onnx/ops.ts';
import { sizeOf, staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { type Pair, pixelsOf, turnedWindows, type Windows } from '../windows.ts';
import { cut, cutBoth, type Geometry, type Products, partsFor, together } from './geometry.ts';

/**
 * The points beside infinity, by how many they are: those that lose the least to rounding of the sets that were tried. The
 * five lose half as much as 0, ±1 and ±2, the seven five times as much as the five.
 */
const POINTS: Readonly<Record<number, readonly number[]>> = {
  3: [0, 1, -1],
  5: [0, 0.75, -0.75, 1.5, -1.5],
  7: [0, 0.5, -0.5, 1, -1, 2, -2],
};
/** The results of a tile, each way. */
export type Tile = 2 | 4;
/** The rows, and columns, of kernels that can be tiled. */
const KERNELS: readonly number[] = [3, 5];

/** The fewest tiles of a part of the batch. */
const LEAST_TILES = 128;

/** How many tiles the results of an image are cut into, each way. */
const tilesOf = ({ to }: Windows, tile: Tile): Pair => [Math.ceil(to[0] / tile), Math.ceil(to[1] / tile)];

/** How many tiles the results of an image are cut into. */
export function tileCount(windows: Windows, tile: Tile): number {
  const [down, across] = tilesOf(windows, tile);
  return down * across;
}

/** Whether windows are a 3×3 or 5×5 kernel's that moves by one pixel, and do not begin farther outside than they reach. */
export function canTile(windows: Windows): boolean {
  const { size, dilation } = windows;
  const isKernel = KERNELS.includes(size[0]) && size[0] === size[1] && dilation.every((each) => each === 1);
  return isKernel && turnedWindows(windows) !== undefined;
}

/** The products for windows that can be tiled and a static batch, without groups or depthwise. */
export function winograd(
  { windows, layout, groups, batch, inputs, outputs }: Geometry,
  tile: Tile,
): Products {
  const { kernelTo, turnedKernelTo } = transformsOf(tile, windows.size[0]);
  const isOutFirst = layout === 'oihw';
  const at = groups > 1 ? EACH_CHANNEL : isOutFirst ? OUT_FIRST : IN_FIRST;
  const points = (tile + windows.size[0] - 1) ** 2;
  const rows = tileCount(windows, tile);
  const numbers = points * rows * Math.max(inputs, outputs);
  const parts = partsFor(batch, { numbers, rows, least: LEAST_TILES });
  const images = staticDim(batch, 'convolution', [batch]) / parts;
  const there = tiling(windows, tile, images);
  const back = tiling(turnedWindows(windows) ?? windows, tile, images);
  const each = inputs / groups;
  const [pixels, weights] = [pixelsOf(windows), each * outputs];
  const channels = groups > 1 ? [1, outputs] : isOutFirst ? [outputs, inputs] : [inputs, outputs];
  /** The kernel's values at points, [points, ...channels]. */
  const valuesOf = (matrix: Value, kernel: Value): Value => {
    if (!isOutFirst) return transformed(matrix, reshape(kernel, [pixels, ...channels]));
    const values = gemm(matrix, reshape(kernel, [weights, pixels]), undefined, { transB: true });
    return reshape(values, [points, ...channels]);
  };
  const kernelFrom = (values: Value): Value => {
    const kernel = transformed(kernelTo, values, { transA: true });
    if (!isOutFirst) return reshape(kernel, [...windows.size, each, outputs]);
    return reshape(transpose(reshape(kernel, [pixels, weights])), [outputs, each, ...windows.size]);
  };
  return {
    result: (x, kernel) => {
      const values = valuesOf(kernelTo, kernel);
      return together(cut(x, parts).map((part) => there.result(at.result(there.image(part), values))));
    },
    image: (kernel, ct) => {
      const values = valuesOf(turnedKernelTo, kernel);
      return together(cut(ct, parts).map((part) => back.result(at.image(values, back.image(part)))));
    },
    kernel: (ct, x) =>
      kernelFrom(
        cutBoth(ct, x, parts)
          .map(([d, image]) => at.kernel(there.cotangent(d), there.image(image)))
          .reduce((a, b) => add(a, b)),
      ),
  };
}

/** The products at each point: of image [points, tiles, in], kernel [points, in, out], result [points, tiles, out]. */
const IN_FIRST: Products = {
  result: (x, kernel) => matmul(x, kernel),
  image: (kernel, ct) => matmul(ct, kernel, { transB: true }),
  kernel: (ct, x) => matmul(x, ct, { transA: true }),
};
/** With a kernel [points, out, in]. */
const OUT_FIRST: Products = {
  result: (x, kernel) => matmul(x, kernel, { transB: true }),
  image: (kernel, ct) => matmul(ct, kernel),
  kernel: (ct, x) => matmul(ct, x, { transA: true }),
};
/** With a kernel [points, 1, channels]. */
const EACH_CHANNEL: Products = {
  result: (x, kernel) => mul(x, kernel),
  image: (kernel, ct) => mul(ct, kernel),
  kernel: (ct, x) => reduceSum(mul(x, ct), { axes: [1], keepdims: true }),
};

/** A matrix times the rows of a tile, and then times its columns: [n·n, ...] → [m·m, ...] with a matrix [m, n]. */
function bothWays(matrix: Value, x: Value): Value {
  const [m = 1, n = 1] = staticShape(matrix.shape);
  const [, ...others] = x.shape;
  const width = sizeOf(others);
  const across = matmul(matrix, reshape(x, [n, n, width]));
  return reshape(gemm(matrix, reshape(across, [n, m * width])), [m * m, ...others]);
}

/** A matrix times values whose first axis is its columns. */
function transformed(matrix: Value, x: Value, flags: { transA?: boolean } = {}): Value {
  const [length = 1, ...others] = x.shape;
  const width = sizeOf(others);
  const made = gemm(matrix, reshape(x, [length, width]), undefined, flags);
  return reshape(made, [made.shape[0] ?? 0, ...others]);
}

// ---- tiles ----------------------------------------------------------------------------------------------------

interface Tiling {
  /** Images [images, height, width, channels] to values at points [points, tiles, channels]. */
  readonly image: (x: Value) => Value;
  /** Values at points to results [images, height', width', channels]. */
  readonly result: (values: Value) => Value;
  /** The adjoint of `result`. */
  readonly cotangent: (ct: Value) => Value;
}

function tiling(windows: Windows, tile: Tile, images: number): Tiling {
  const { size, from, to, padding } = windows;
  const { imageTo, resultFrom, cotangentTo } = transformsOf(tile, size[0]);
  const counts = tilesOf(windows, tile);
  const common = { images, counts, step: tile };
  const pixels = tileTable({ ...common, side: tile + size[0] - 1, size: from, padding });
  const results = tileTable({ ...common, side: tile, size: to, padding: [0, 0] });
  const places = constant(inverse(results, images * to[0] * to[1]), [images, ...to]);
  const length = images * counts[0] * counts[1];
  const tiled = (x: Value, table: Int32Array): Value => {
    const [, height = 0, width = 0, channels = 0] = x.shape;
    const count = images * Number(height) * Number(width);
    const flat = reshape(x, [count, channels]);
    // A row of zeros behind the last, for what lies outside.
    const rows = table.includes(count) ? pad(flat, 0, 0, 1) : flat;
    return gather(rows, constant(table, [table.length / length, length]));
  };
  return {
    image: (x) => bothWays(imageTo, tiled(x, pixels)),
    result: (values) => {
      const made = bothWays(resultFrom, values);
      const [each = 0, , channels = 0] = made.shape;
      return gather(reshape(made, [Number(each) * length, channels]), places);
    },
    cotangent: (ct) => bothWays(cotangentTo, tiled(ct, results)),
  };
}

interface TileTable {
  readonly images: number;
  /** Pixels of an image, each way. */
  readonly size: Pair;
  readonly padding: Pair;
  /** Tiles of an image, each way. */
  readonly counts: Pair;
  /** Pixels of a tile, and from a tile to the next, each way. */
  readonly side: number;
  readonly step: number;
}

/** For each place in a tile, and each tile, which pixel of all images lies there. Where there is none, their number. */
function tileTable({ images, size, padding, counts, side, step }: TileTable): Int32Array {
  const [height, width] = size;
  const table = new Int32Array(side * side * images * counts[0] * counts[1]);
  let at = 0;
  for (let i = 0; i < side * side; i++) {
    for (let image = 0; image < images; image++) {
      for (let tile = 0; tile < counts[0] * counts[1]; tile++) {
        const y = Math.floor(tile / counts[1]) * step + Math.floor(i / side) - padding[0];
        const x = (tile % counts[1]) * step + (i % side) - padding[1];
        const isInside = y >= 0 && y < height && x >= 0 && x < width;
        table[at++] = isInside ? (image * height + y) * width + x : images * height * width;
      }
    }
  }
  return table;
}

/** Where a table has each of the numbers below `count`. */
function inverse(table: Int32Array, count: number): Int32Array {
  const places = new Int32Array(count);
  table.forEach((value, place) => {
    if (value < count) places[value] = place;
  });
  return places;
}

// ---- values at points -----------------------------------------------------------------------------------------

interface Transforms {
  /** Of rows and columns at once: kernels are small, and may lie with their pixels last. */
  readonly kernelTo: Value;
  /** That of the kernel turned by half a turn. */
  readonly turnedKernelTo: Value;
  /** Of rows, and of columns. */
  readonly imageTo: Value;
  readonly resultFrom: Value;
  readonly cotangentTo: Value;
}

const TRANSFORMS = new Map<string, Transforms>();

function transformsOf(tile: Tile, kernel: number): Transforms {
  const key = `${tile} ${kernel}`;
  const known = TRANSFORMS.get(key) ?? transforms(tile, kernel);
  TRANSFORMS.set(key, known);
  return known;
}

type Matrix = readonly (readonly number[])[];

/** The algorithm of Toom and Cook: Lagrange's interpolation at the points, and at infinity, where the highest power is. */
function transforms(tile: Tile, kernel: number): Transforms {
  const points = POINTS[tile + kernel - 2] ?? [];
  const others = points.map((_, i) => points.filter((_, j) => j !== i));
  const powers = (count: number): Matrix => [
    ...points.map((point) => Array.from({ length: count }, (_, power) => point ** power)),
    Array.from({ length: count }, (_, power) => (power === count - 1 ? 1 : 0)),
  ];
  const divisors = [
    ...points.map((point, i) => (others[i] ?? []).reduce((all, other) => all * (point - other), 1)),
    1,
  ];
  const kernelTo = powers(kernel).map((row, i) => row.map((each) => each / (divisors[i] ?? 1)));
  const imageTo = [...others, points].map((zeros) => withZeros(zeros, points.length + 1));
  const results = powers(tile);
  const resultFrom = Array.from({ length: tile }, (_, j) => results.map((row) => row[j] ?? 0));
  return {
    kernelTo: constantOf(atOnce(kernelTo)),
    turnedKernelTo: constantOf(atOnce(kernelTo.map((row) => [...row].reverse()))),
    imageTo: constantOf(imageTo),
    resultFrom: constantOf(resultFrom),
    cotangentTo: constantOf(results),
  };
}

/** The coefficients, from the lowest, of the polynomial that has these zeros: Π (x − zero). */
function withZeros(zeros: readonly number[], length: number): number[] {
  const one = Array.from({ length }, (_, power) => Number(power === 0));
  return zeros.reduce((poly, zero) => poly.map((each, power) => (poly[power - 1] ?? 0) - zero * each), one);
}

/** A transform of rows and columns at once: the Kronecker product of a matrix with itself. */
const atOnce = (matrix: Matrix): Matrix =>
  matrix.flatMap((above) => matrix.map((beside) => above.flatMap((a) => beside.map((b) => a * b))));

const constantOf = (rows: Matrix): Value =>
  constant(Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);
