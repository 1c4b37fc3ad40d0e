/**
 * Convolution over images with channels last. It is one of three products of image, kernel and result; each is bilinear,
 * and its derivatives are the other two, so every order follows. How they are computed is a form's matter (forms.ts).
 */
import { UserError } from '../../errors.ts';
import { expectAt, expectNumber, expectOneOf } from '../../expect.ts';
import { call } from '../../onnx/ops.ts';
import { show, staticDim, staticShape } from '../../onnx/shapes.ts';
import type { Composite, Value } from '../../onnx/value.ts';
import { lift, sum } from '../linear.ts';
import { type Pair, pairOf, type WindowOptions, windowsOf } from '../windows.ts';
import { formOf } from './forms.ts';
import { KERNEL_LAYOUTS, type KernelLayout, type Product } from './geometry.ts';

/** How a kernel moves over the image, and which channels it joins. */
export interface ConvolutionOptions extends WindowOptions {
  /** Into how many groups the channels are cut, each with kernels of its own; 1 by default. */
  readonly groups?: number;
  /**
   * The kernel's axes: 'hwio', TensorFlow's and Flax's, is [rows, columns, in/groups, out] and the default; 'oihw',
   * PyTorch's and ONNX's, is [out, in/groups, rows, columns].
   */
  readonly kernelLayout?: KernelLayout;
}

/**
 * The convolution (cross-correlation, as in all of deep learning) of images: x float32 [batch, height, width, in], kernel
 * [rows, columns, in/groups, out] → [batch, height', width', out], with height' = ⌊(height + 2·padding − dilation·(rows −
 * 1) − 1)/stride⌋ + 1. out is cut into groups in its order, as everywhere. The batch may be symbolic. Throws UserError where
 * shapes do not fit, an option is out of range, or no window fits.
 */
export function convolution(x: Value, kernel: Value, options: ConvolutionOptions = {}): Value {
  const { groups = 1 } = options;
  const { layout, rows, columns, each, outputs } = kernelAxes('convolution', kernel, options);
  const windows = windowsOf('convolution', x, [rows, columns], options);
  const [batch = 0] = x.shape;
  const inputs = staticDim(x.shape[3], 'convolution: x', x.shape);
  expectNumber('convolution: groups', groups, { min: 1, isInteger: true });
  if (inputs !== each * groups || outputs % groups !== 0) {
    throw new UserError(
      `convolution: expected x ${show(x.shape)} to have ${each} channels in each of ${groups} groups, which divide ${outputs}, as kernel ${show(kernel.shape)} says`,
    );
  }
  const { result, image, kernel: toKernel } = formOf({ windows, layout, groups, inputs, outputs, batch });
  return bilinear([result, image, toKernel], x, kernel);
}

/** The layout of a kernel, and the sizes of its axes. */
function kernelAxes(op: string, { shape }: Value, { kernelLayout: layout = 'hwio' }: ConvolutionOptions) {
  expectOneOf(`${op}: kernelLayout`, layout, KERNEL_LAYOUTS);
  const sizes = staticShape(shape, `${op}: kernel`);
  if (sizes.length !== 4) {
    const axes = layout === 'hwio' ? '[rows, columns, in/groups, out]' : '[out, in/groups, rows, columns]';
    throw new UserError(`${op}: expected a kernel ${axes}, got ${show(shape)}`);
  }
  const [a = 1, b = 1, c = 1, d = 1] = sizes;
  return layout === 'hwio'
    ? { layout, rows: a, columns: b, each: c, outputs: d }
    : { layout, rows: c, columns: d, each: b, outputs: a };
}

/** How a transposed convolution moves, and how large its result is. */
export interface TransposedConvolutionOptions extends ConvolutionOptions {
  /** Pixels that the result has below and at the right, besides those that windows reach; 0 by default. */
  readonly outputPadding?: number | Pair;
}

/**
 * The transposed convolution: the adjoint of `convolution` with respect to its image. y float32 [batch, height', width',
 * out], kernel [rows, columns, in/groups, out] → [batch, height, width, in], with height = (height' − 1)·stride + dilation·(rows
 * − 1) + 1 − 2·padding + outputPadding. outputPadding is below the stride. The batch may be symbolic. Throws UserError where
 * shapes do not fit or an option is out of range.
 */
export function transposedConvolution(
  y: Value,
  kernel: Value,
  options: TransposedConvolutionOptions = {},
): Value {
  const op = 'transposedConvolution';
  const { groups = 1, stride = 1, padding = 0, dilation = 1, outputPadding = 0 } = options;
  const { layout, rows, columns, each, outputs } = kernelAxes(op, kernel, options);
  const moves = {
    size: [rows, columns] as const,
    stride: pairOf(`${op}: stride`, stride, 1),
    padding: pairOf(`${op}: padding`, padding, 0),
    dilation: pairOf(`${op}: dilation`, dilation, 1),
  };
  const more = pairOf(`${op}: outputPadding`, outputPadding, 0);
  expectNumber(`${op}: groups`, groups, { min: 1, isInteger: true });
  const [batch = 0, ...image] = y.shape;
  const [height = 0, width = 0, got] = staticShape(image, `${op}: y`);
  if (y.shape.length !== 4 || got !== outputs || outputs % groups !== 0) {
    throw new UserError(
      `${op}: expected y [batch, height, width, out] with the ${outputs} channels of kernel ${show(kernel.shape)}, divided by ${groups} groups, got ${show(y.shape)}`,
    );
  }
  const to: Pair = [height, width];
  const sizeOf = (at: 0 | 1): number =>
    (to[at] - 1) * moves.stride[at] +
    moves.dilation[at] * (moves.size[at] - 1) +
    1 -
    2 * moves.padding[at] +
    more[at];
  const from: Pair = [sizeOf(0), sizeOf(1)];
  if (from.some((size) => size < 1) || more.some((size, at) => size >= expectAt(moves.stride, at))) {
    throw new UserError(
      `${op}: expected an outputPadding below the stride and a result of a pixel or more, got ${show(more)} and ${show(from)}`,
    );
  }
  const windows = { ...moves, from, to };
  const form = formOf({ windows, layout, groups, inputs: each * groups, outputs, batch });
  return bilinear([form.image, form.kernel, form.result], kernel, y);
}

/** A product, and the two that its operands' cotangents are: the next of b and ct, the one after of ct and a. */
type Cycle = readonly [now: Product, next: Product, after: Product];

function bilinear([now, next, after]: Cycle, a: Value, b: Value): Value {
  const composite: Composite = {
    name: 'convolution-product',
    body: (x) => [now(expectAt(x, 0), expectAt(x, 1))],
    vjp: ([ct], _y, x) => [
      lift(ct, (d) => bilinear([next, after, now], expectAt(x, 1), d)),
      lift(ct, (d) => bilinear([after, now, next], d, expectAt(x, 0))),
    ],
    jvp: ([ta, tb], _y, x) => [
      sum(
        lift(ta, (t) => bilinear([now, next, after], t, expectAt(x, 1))),
        lift(tb, (t) => bilinear([now, next, after], expectAt(x, 0), t)),
      ),
    ],
  };
  return expectAt(call(composite, [a, b]), 0);
}
