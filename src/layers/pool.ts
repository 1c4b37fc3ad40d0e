/** Pools over images with channels last. */
import { type Pair, patches, type WindowOptions, type Windows, windowsOf } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { add, constant, pad, reduceMax, reduceMean, reshape } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

/** How windows move; the stride is their size by default. */
export type PoolOptions = WindowOptions;

/** A number below all others: float32's least, so that a zero derivative beside it stays one. */
export const LEAST = -3.4028234e38;

/**
 * The largest number in each window, channel by channel: x float32 [batch, height, width, channels] → [batch, height',
 * width', channels]. `size` is of the windows, a number or [rows, columns]; padding never wins, and is at most half of it.
 * Numbers that share the maximum share its derivative equally, where PyTorch gives it to the first: both are right, since
 * the mean of subgradients is one, and first among equals would take a comparison for each pixel of a window. Behind a relu,
 * where zeros often tie, nothing differs: what they get, the relu multiplies by 0. Throws UserError where x has another
 * rank, a number is out of range, or no window fits.
 */
export function maxPool(x: Value, size: number | Pair, options: PoolOptions = {}): Value {
  const windows = windowsOf('maxPool', x, size, { stride: size, ...options });
  const [above, beside] = windows.padding;
  if (2 * above > windows.size[0] || 2 * beside > windows.size[1]) {
    throw new UserError(
      `maxPool: padding: expected at most half of the size ${show(windows.size)}, got ${show(windows.padding)}`,
    );
  }
  if (above === 0 && beside === 0) return reduceWindows(x, windows, reduceMax);
  const from: Pair = [windows.from[0] + 2 * above, windows.from[1] + 2 * beside];
  const edge = constant(
    Float32Array.from({ length: from[0] * from[1] }, (_, i) => {
      const [row, column] = [Math.floor(i / from[1]), i % from[1]];
      const isInside = row >= above && row < from[0] - above && column >= beside && column < from[1] - beside;
      return isInside ? 0 : LEAST;
    }),
    [...from, 1],
  );
  const padded = add(pad(pad(x, 1, above, above), 2, beside, beside), edge);
  return reduceWindows(padded, { ...windows, padding: [0, 0], from }, reduceMax);
}

/**
 * The mean of each window, channel by channel: x float32 [batch, height, width, channels] → [batch, height', width',
 * channels]. `size` is of the windows, a number or [rows, columns]. Padding counts as zeros, as in PyTorch by default.
 * Throws UserError where x has another rank, a number is out of range, or no window fits.
 */
export function averagePool(x: Value, size: number | Pair, options: PoolOptions = {}): Value {
  return reduceWindows(x, windowsOf('averagePool', x, size, { stride: size, ...options }), reduceMean);
}

/**
 * The mean over all pixels: x float32 [batch, height, width, channels] → [batch, channels]. Throws UserError where x has
 * another rank.
 */
export function globalAveragePool(x: Value): Value {
  if (x.shape.length !== 4) {
    throw new UserError(
      `globalAveragePool: expected x [batch, height, width, channels], got ${show(x.shape)}`,
    );
  }
  return reduceMean(x, { axes: [1, 2] });
}

function reduceWindows(x: Value, windows: Windows, reduce: typeof reduceMax | typeof reduceMean): Value {
  const reduced = reduce(patches(x, windows), { axes: [-2] });
  const [batch = 0] = x.shape;
  return reshape(reduced, [batch, ...windows.to, staticDim(x.shape[3], 'pool: x', x.shape)]);
}
