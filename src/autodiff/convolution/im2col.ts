/**
 * Convolutions as matrix products: one Gather of rows of channels lays the windows of an image side by side (im2col), and
 * one Gemm multiplies them with the kernel. Groups are stacks of products.
 */
import { add, constant, gather, gemm, matmul, reshape, transpose } from '../../onnx/ops.ts';
import { product, staticDim } from '../../onnx/shapes.ts';
import type { Dim, Value } from '../../onnx/value.ts';
import { addPatches, isEveryPixel, patches, pixelsOf, turnedWindows, windowsIn } from '../windows.ts';
import {
  cut,
  cutBoth,
  type Geometry,
  inputsFirst,
  LEAST_ROWS,
  type Products,
  partsFor,
  together,
} from './geometry.ts';

export function im2col(g: Geometry): Products {
  return {
    result: (x, kernel) => together(cut(x, partsOf(g)).map((part) => result(part, kernel, g))),
    image: (kernel, ct) => toImage(kernel, ct, g),
    kernel: (ct, x) => toKernel(ct, x, g),
  };
}

function partsOf({ windows, inputs, batch }: Geometry): number {
  if (isEveryPixel(windows)) return 1;
  const rows = windowsIn(windows);
  return partsFor(batch, { numbers: rows * pixelsOf(windows) * inputs, rows, least: LEAST_ROWS });
}

function result(x: Value, kernel: Value, g: Geometry): Value {
  const { windows, groups, outputs } = g;
  const [batch = 0] = x.shape;
  const shape: readonly Dim[] = [batch, ...windows.to, outputs];
  const rows = times(columnsOf(x, g), matrixOf(kernel, g), { transB: isOutFirst(g) });
  return reshape(groups === 1 ? rows : transpose(rows, [1, 0, 2]), shape);
}

/** With stride 1 a convolution again. Else a product with the kernel, whose windows are added up. */
function toImage(kernel: Value, ct: Value, g: Geometry): Value {
  const { windows, inputs, outputs } = g;
  const turned = isEveryPixel(windows) ? undefined : turnedWindows(windows);
  if (turned) {
    const back = im2col({ ...g, layout: 'hwio', windows: turned, inputs: outputs, outputs: inputs });
    return back.result(ct, turn(isOutFirst(g) ? inputsFirst(kernel) : kernel, g));
  }
  return together(cut(ct, partsOf(g)).map((part) => spread(kernel, part, g)));
}

function spread(kernel: Value, ct: Value, g: Geometry): Value {
  const { windows, groups, inputs } = g;
  const [batch = 0] = ct.shape;
  const [pixels, count] = [windowsIn(windows), pixelsOf(windows)];
  const columns = times(rowsOf(ct, g), matrixOf(kernel, g), { transB: !isOutFirst(g) });
  if (groups === 1) return addPatches(reshape(columns, [batch, pixels, count, inputs]), windows);
  const images = addPatches(reshape(columns, [groups, batch, pixels, count, inputs / groups]), windows);
  return reshape(transpose(images, [1, 2, 3, 0, 4]), [batch, ...windows.from, inputs]);
}

function toKernel(ct: Value, x: Value, g: Geometry): Value {
  const { windows, groups, inputs, outputs } = g;
  const shape = [...windows.size, inputs / groups, outputs];
  const parts = cutBoth(ct, x, partsOf(g));
  if (groups > 1) {
    const sums = parts.map(([d, image]) => times(columnsOf(image, g), rowsOf(d, g), { transA: true }));
    return reshape(
      transpose(
        sums.reduce((a, b) => add(a, b)),
        [1, 0, 2],
      ),
      shape,
    );
  }
  // [out, pixels·in]: of the two factors, the narrower one is transposed.
  let sum: Value | undefined;
  for (const [d, image] of parts) sum = gemm(rowsOf(d, g), columnsOf(image, g), sum, { transA: true });
  if (!sum) throw new Error('internal: a batch of no parts');
  if (!isOutFirst(g)) return reshape(transpose(sum), shape);
  const inOrder = transpose(reshape(sum, [outputs, pixelsOf(windows), inputs]), [0, 2, 1]);
  return reshape(inOrder, [outputs, inputs, ...windows.size]);
}

// ---- as matrices, a stack of them where there are groups ------------------------------------------------------

function times(a: Value, b: Value, flags: { transA?: boolean; transB?: boolean } = {}): Value {
  return a.shape.length === 2 ? gemm(a, b, undefined, flags) : matmul(a, b, flags);
}

/** The channels' groups as the first axis: [batch, height, width, channels] → [groups, batch, height, width, each]. */
function apart(x: Value, groups: number): Value {
  if (groups === 1) return x;
  const channels = staticDim(x.shape[3], 'convolution', x.shape);
  return transpose(reshape(x, [...x.shape.slice(0, 3), groups, channels / groups]), [3, 0, 1, 2, 4]);
}

/** The windows of an image, one a row: [batch·windows, pixels·in]. */
function columnsOf(x: Value, { windows, groups, inputs }: Geometry): Value {
  const [batch = 0] = x.shape;
  const rows = product([batch, ...windows.to]);
  const columns = (pixelsOf(windows) * inputs) / groups;
  return reshape(patches(apart(x, groups), windows), [...(groups === 1 ? [] : [groups]), rows, columns]);
}

/** [batch·windows, out] */
function rowsOf(y: Value, { groups, outputs }: Geometry): Value {
  const rows = product(y.shape.slice(0, 3));
  return reshape(apart(y, groups), groups === 1 ? [rows, outputs] : [groups, rows, outputs / groups]);
}

/** Whether the kernel's outputs are its first axis; not with groups (forms.ts). */
const isOutFirst = ({ layout }: Geometry): boolean => layout === 'oihw';

/** [pixels·in, out]; where outputs are first, [out, pixels·in]. */
function matrixOf(kernel: Value, g: Geometry): Value {
  const { windows, groups, inputs, outputs } = g;
  const rows = (pixelsOf(windows) * inputs) / groups;
  if (isOutFirst(g)) {
    const pixelsInside = reshape(kernel, [outputs, inputs, pixelsOf(windows)]);
    return reshape(transpose(pixelsInside, [0, 2, 1]), [outputs, rows]);
  }
  if (groups === 1) return reshape(kernel, [rows, outputs]);
  return transpose(reshape(kernel, [rows, groups, outputs / groups]), [1, 0, 2]);
}

/** The kernel turned by half a turn, its inputs and outputs exchanged in each group. */
function turn(kernel: Value, { windows, groups, inputs, outputs }: Geometry): Value {
  const count = pixelsOf(windows);
  const backwards = constant(
    Int32Array.from({ length: count }, (_, i) => count - 1 - i),
    [count],
  );
  const flipped = gather(reshape(kernel, [count, inputs / groups, groups, outputs / groups]), backwards);
  return reshape(transpose(flipped, [0, 3, 2, 1]), [...windows.size, outputs / groups, inputs]);
}
