/**
 * Depthwise convolutions: each channel has a kernel of its own, so that nothing is summed but a window's pixels. These are
 * the first axis of what is laid out, since sums over a first axis are products with a row of ones.
 */
import { add, mul, reshape } from '../../onnx/ops.ts';
import type { Value } from '../../onnx/value.ts';
import { columnSum, sumDown } from '../columns.ts';
import { addPlanes, pixelsOf, planes, windowsIn } from '../windows.ts';
import { cut, cutBoth, type Geometry, LEAST_ROWS, type Products, partsFor, together } from './geometry.ts';

export function depthwise({ windows, outputs: channels, batch }: Geometry): Products {
  const [rows, count] = [windowsIn(windows), pixelsOf(windows)];
  const parts = partsFor(batch, { numbers: rows * count * channels, rows, least: LEAST_ROWS });
  const weights = (kernel: Value): Value => reshape(kernel, [count, 1, channels]);
  /** As one plane, which multiplies those of all pixels. */
  const plane = (y: Value): Value => reshape(y, [y.shape[0] ?? 0, 1, rows, channels]);
  const result = (x: Value, kernel: Value): Value => {
    const [images = 0] = x.shape;
    const products = mul(planes(x, windows), weights(kernel));
    const sums = sumDown(reshape(products, [images, count, rows * channels]));
    return reshape(sums, [images, ...windows.to, channels]);
  };
  return {
    result: (x, kernel) => together(cut(x, parts).map((part) => result(part, kernel))),
    image: (kernel, ct) =>
      together(cut(ct, parts).map((part) => addPlanes(mul(plane(part), weights(kernel)), windows))),
    kernel: (ct, x) => {
      const sums = cutBoth(ct, x, parts).map(([d, image]) => {
        const products = mul(planes(image, windows), plane(d));
        return columnSum(reshape(sumDown(products), [image.shape[0] ?? 0, count * channels]));
      });
      return reshape(
        sums.reduce((a, b) => add(a, b)),
        [...windows.size, 1, channels],
      );
    },
  };
}
