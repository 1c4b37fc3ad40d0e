/** Depthwise convolutions: each channel has a kernel of its own, so that nothing is summed but a window's pixels. */
import { add, mul, reduceSum, reshape } from '../../onnx/ops.ts';
import { product } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { columnSum } from '../columns.ts';
import { addPatches, patches } from '../windows.ts';
import {
  cut,
  cutBoth,
  type Geometry,
  LEAST_ROWS,
  type Products,
  partsFor,
  pixelsOf,
  together,
  windowsIn,
} from './geometry.ts';

export function depthwise({ windows, outputs: channels, batch }: Geometry): Products {
  const [rows, count] = [windowsIn(windows), pixelsOf(windows)];
  const parts = partsFor(batch, { numbers: rows * count * channels, rows, least: LEAST_ROWS });
  const weights = (kernel: Value): Value => reshape(kernel, [count, channels]);
  /** As a window of one pixel, so that it multiplies every pixel of its window. */
  const single = (y: Value): Value => reshape(y, [y.shape[0] ?? 0, rows, 1, channels]);
  const result = (x: Value, kernel: Value): Value => {
    const sums = reduceSum(mul(patches(x, windows), weights(kernel)), { axes: [-2] });
    return reshape(sums, [x.shape[0] ?? 0, ...windows.to, channels]);
  };
  return {
    result: (x, kernel) => together(cut(x, parts).map((part) => result(part, kernel))),
    image: (kernel, ct) =>
      together(cut(ct, parts).map((part) => addPatches(mul(single(part), weights(kernel)), windows))),
    kernel: (ct, x) => {
      const sums = cutBoth(ct, x, parts).map(([d, image]) => {
        const products = mul(patches(image, windows), single(d));
        return columnSum(reshape(products, [product([image.shape[0] ?? 0, rows]), count * channels]));
      });
      return reshape(
        sums.reduce((a, b) => add(a, b)),
        [...windows.size, 1, channels],
      );
    },
  };
}
