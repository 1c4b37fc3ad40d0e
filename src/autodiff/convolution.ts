/**
 * Convolution over images with channels last. It and its two adjoints are bilinear, and each one's derivatives are the
 * other two, so every order follows. Each is a Gather of whole rows of channels and one matrix product, which is as fast
 * on a CPU as a convolution kernel (BENCHMARKS.md, Convolutions).
 */
import { UserError } from '../errors.ts';
import { expectAt, expectNumber } from '../expect.ts';
import {
  add,
  call,
  concat,
  constant,
  gather,
  gemm,
  matmul,
  mul,
  reduceSum,
  reshape,
  split,
  transpose,
  zeros,
} from '../onnx/ops.ts';
import { product, show, staticDim, staticShape } from '../onnx/shapes.ts';
import type { Composite, Dim, Value } from '../onnx/value.ts';
import { columnSum } from './columns.ts';
import { lift, sum } from './linear.ts';
import {
  addPatches,
  isEveryPixel,
  patches,
  turnedWindows,
  type WindowOptions,
  type Windows,
  windowsOf,
} from './windows.ts';

/** How a kernel moves over the image, and which channels it joins. */
export interface ConvolutionOptions extends WindowOptions {
  /** Into how many groups the channels are cut, each with kernels of its own; 1 by default. */
  readonly groups?: number;
}

interface Geometry {
  readonly windows: Windows;
  readonly groups: number;
  readonly inputs: number;
  readonly outputs: number;
}

/**
 * The convolution (cross-correlation, as in all of deep learning) of images: x float32 [batch, height, width, in], kernel
 * [rows, columns, in/groups, out] → [batch, height', width', out], with height' = ⌊(height + 2·padding − dilation·(rows −
 * 1) − 1)/stride⌋ + 1. The layouts are TensorFlow's and Flax's; out is cut into groups in its order, as everywhere. The
 * batch may be symbolic. Throws UserError where shapes do not fit, an option is out of range, or no window fits.
 */
export function convolution(x: Value, kernel: Value, options: ConvolutionOptions = {}): Value {
  const { groups = 1 } = options;
  if (kernel.shape.length !== 4) {
    throw new UserError(
      `convolution: expected a kernel [rows, columns, in/groups, out], got ${show(kernel.shape)}`,
    );
  }
  const [rows = 1, columns = 1, each = 1, outputs = 1] = staticShape(kernel.shape, 'convolution: kernel');
  const windows = windowsOf('convolution', x, [rows, columns], options);
  const inputs = staticDim(x.shape[3], 'convolution: x', x.shape);
  expectNumber('convolution: groups', groups, { min: 1, isInteger: true });
  if (inputs !== each * groups || outputs % groups !== 0) {
    throw new UserError(
      `convolution: expected x ${show(x.shape)} to have ${each} channels in each of ${groups} groups, which divide ${outputs}, as kernel ${show(kernel.shape)} says`,
    );
  }
  return forward(x, kernel, { windows, groups, inputs, outputs });
}

/** A function linear in each of two values, with its two adjoints. */
interface Bilinear {
  readonly body: (a: Value, b: Value) => Value;
  /** Of the cotangent and the other operand. */
  readonly toA: (ct: Value, b: Value) => Value;
  readonly toB: (ct: Value, a: Value) => Value;
}

function bilinear(name: string, { body, toA, toB }: Bilinear, a: Value, b: Value): Value {
  const composite: Composite = {
    name,
    body: (x) => [body(expectAt(x, 0), expectAt(x, 1))],
    vjp: ([ct], _y, x) => [lift(ct, (d) => toA(d, expectAt(x, 1))), lift(ct, (d) => toB(d, expectAt(x, 0)))],
    jvp: ([ta, tb], _y, x) => [
      sum(
        lift(ta, (t) => bilinear(name, { body, toA, toB }, t, expectAt(x, 1))),
        lift(tb, (t) => bilinear(name, { body, toA, toB }, expectAt(x, 0), t)),
      ),
    ],
  };
  return expectAt(call(composite, [a, b]), 0);
}

/** y, of an image and a kernel. */
function forward(x: Value, kernel: Value, g: Geometry): Value {
  return bilinear(
    'convolution',
    {
      body: (image, weights) => correlate(image, weights, g),
      toA: (ct, weights) => toImage(ct, weights, g),
      toB: (ct, image) => toKernel(image, ct, g),
    },
    x,
    kernel,
  );
}

/** The cotangent of the image, of that of y and a kernel. */
function toImage(ct: Value, kernel: Value, g: Geometry): Value {
  return bilinear(
    'convolution-to-image',
    {
      body: (d, weights) => correlateBack(d, weights, g),
      toA: (image, weights) => forward(image, weights, g),
      toB: (image, d) => toKernel(image, d, g),
    },
    ct,
    kernel,
  );
}

/** The cotangent of the kernel, of an image and the cotangent of y. */
function toKernel(x: Value, ct: Value, g: Geometry): Value {
  return bilinear(
    'convolution-to-kernel',
    {
      body: (image, d) => correlateBoth(image, d, g),
      toA: (weights, d) => toImage(d, weights, g),
      toB: (weights, image) => forward(image, weights, g),
    },
    x,
    ct,
  );
}

// ---- the three products -------------------------------------------------------------------------------------

const isDepthwise = ({ groups, inputs, outputs }: Geometry): boolean =>
  groups > 1 && groups === inputs && groups === outputs;

const pixelsOf = ({ size }: Windows): number => size[0] * size[1];

function correlate(x: Value, kernel: Value, g: Geometry): Value {
  return together(cut(x, g).map((part) => correlatePart(part, kernel, g)));
}

function correlatePart(x: Value, kernel: Value, g: Geometry): Value {
  const { windows, outputs } = g;
  const [batch = 0] = x.shape;
  const shape: readonly Dim[] = [batch, ...windows.to, outputs];
  if (isDepthwise(g)) {
    const weights = reshape(kernel, [pixelsOf(windows), outputs]);
    return reshape(reduceSum(mul(patches(x, windows), weights), { axes: [-2] }), shape);
  }
  return joined(times(columnsOf(x, g), matrixOf(kernel, g)), shape, g);
}

function correlateBack(ct: Value, kernel: Value, g: Geometry): Value {
  const { windows, groups, inputs, outputs } = g;
  const turned = isEveryPixel(windows) ? undefined : turnedWindows(windows);
  if (turned) {
    return correlate(ct, turn(kernel, g), { windows: turned, groups, inputs: outputs, outputs: inputs });
  }
  return together(cut(ct, g).map((part) => correlateBackPart(part, kernel, g)));
}

function correlateBackPart(ct: Value, kernel: Value, g: Geometry): Value {
  const { windows, groups, inputs, outputs } = g;
  const [batch = 0] = ct.shape;
  const [pixels, count] = [windows.to[0] * windows.to[1], pixelsOf(windows)];
  if (isDepthwise(g)) {
    const spread = mul(reshape(ct, [batch, pixels, 1, outputs]), reshape(kernel, [count, outputs]));
    return addPatches(spread, windows);
  }
  const columns = times(rowsOf(ct, g), matrixOf(kernel, g), { transB: true });
  if (groups === 1) return addPatches(reshape(columns, [batch, pixels, count, inputs]), windows);
  const each = inputs / groups;
  const images = addPatches(reshape(columns, [groups, batch, pixels, count, each]), windows);
  return reshape(transpose(images, [1, 2, 3, 0, 4]), [batch, ...windows.from, inputs]);
}

function correlateBoth(x: Value, ct: Value, g: Geometry): Value {
  const { windows, groups, inputs, outputs } = g;
  const shape = [...windows.size, inputs / groups, outputs];
  const cts = cut(ct, g);
  const parts = cut(x, g).map((part, i) => [part, expectAt(cts, i)] as const);
  if (isDepthwise(g)) {
    return reshape(
      parts.map(([image, d]) => depthwiseSums(image, d, g)).reduce((a, b) => add(a, b)),
      shape,
    );
  }
  if (groups > 1) {
    const sums = parts.map(([image, d]) => times(columnsOf(image, g), rowsOf(d, g), { transA: true }));
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
  for (const [image, d] of parts) sum = gemm(rowsOf(d, g), columnsOf(image, g), sum, { transA: true });
  return sum ? reshape(transpose(sum), shape) : zeros(shape);
}

function depthwiseSums(x: Value, ct: Value, { windows, outputs }: Geometry): Value {
  const [batch = 0] = x.shape;
  const [pixels, count] = [windows.to[0] * windows.to[1], pixelsOf(windows)];
  const products = mul(patches(x, windows), reshape(ct, [batch, pixels, 1, outputs]));
  return columnSum(reshape(products, [product([batch, pixels]), count * outputs]));
}

/** The most numbers that the windows of a part of the batch hold: 5 MB, about what a core's caches hold. */
const MOST_IN_PART = 1.25e6;
/** The fewest rows of a part's matrix product: each product arranges the kernel's numbers anew. */
const LEAST_ROWS = 512;

/**
 * The parts in which a batch goes through a convolution, one after the other, so that its windows, many times as large as
 * the images, stay in the caches and are not kept.
 */
function cut(x: Value, { windows, inputs }: Geometry): readonly Value[] {
  const [batch = 0] = x.shape;
  if (typeof batch !== 'number' || isEveryPixel(windows)) return [x];
  const rows = windows.to[0] * windows.to[1];
  const example = rows * pixelsOf(windows) * inputs;
  let parts = 1;
  for (let count = 2; count <= batch && (batch * example) / parts > MOST_IN_PART; count++) {
    if (batch % count === 0 && (batch / count) * rows >= LEAST_ROWS) parts = count;
  }
  const sizes = Array.from({ length: parts }, () => batch / parts);
  return split(x, 0, sizes);
}

/** The inverse of `cut`. A single part may have a symbolic batch. */
function together(parts: readonly Value[]): Value {
  return parts.length === 1 ? expectAt(parts, 0) : concat(parts, 0);
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

/** [pixels·in, out] */
function matrixOf(kernel: Value, { windows, groups, inputs, outputs }: Geometry): Value {
  const rows = (pixelsOf(windows) * inputs) / groups;
  if (groups === 1) return reshape(kernel, [rows, outputs]);
  return transpose(reshape(kernel, [rows, groups, outputs / groups]), [1, 0, 2]);
}

/** The inverse of `rowsOf`. */
function joined(rows: Value, shape: readonly Dim[], { groups }: Geometry): Value {
  return reshape(groups === 1 ? rows : transpose(rows, [1, 0, 2]), shape);
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
