/** Pools over images with channels last. */
import { type Pair, patches, type WindowOptions, type Windows, windowsOf } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { reduceMax, reduceMean, reshape } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

/** How windows move; the stride is their size by default. */
export type PoolOptions = WindowOptions;

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
  return maximaOf(x, windows);
}

/**
 * The mean of each window, channel by channel: x float32 [batch, height, width, channels] → [batch, height', width',
 * channels]. `size` is of the windows, a number or [rows, columns]. Padding counts as zeros, as in PyTorch by default.
 * Throws UserError where x has another rank, a number is out of range, or no window fits.
 */
export function averagePool(x: Value, size: number | Pair, options: PoolOptions = {}): Value {
  return meansOf(x, windowsOf('averagePool', x, size, { stride: size, ...options }));
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

/** `maxPool` over windows as they are given. For a pixel outside, a window has one of its own twice, which changes no maximum. */
export const maximaOf = (x: Value, windows: Windows): Value =>
  reduceWindows(x, { ...windows, outside: 'nearest' }, reduceMax);

/** `averagePool` over windows as they are given. */
export const meansOf = (x: Value, windows: Windows): Value => reduceWindows(x, windows, reduceMean);

function reduceWindows(x: Value, windows: Windows, reduce: typeof reduceMax | typeof reduceMean): Value {
  const reduced = reduce(patches(x, windows), { axes: [-2] });
  const [batch = 0] = x.shape;
  return reshape(reduced, [batch, ...windows.to, staticDim(x.shape[3], 'pool: x', x.shape)]);
}
