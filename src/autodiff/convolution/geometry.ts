/** What a convolution's forms have in common: its sizes, its three products, and how a batch goes through in parts. */
import { expectAt } from '../../expect.ts';
import { concat, reshape, split, transpose } from '../../onnx/ops.ts';
import { staticShape } from '../../onnx/shapes.ts';
import type { Dim, Value } from '../../onnx/value.ts';
import type { Windows } from '../windows.ts';

/** The axes of a kernel: [rows, columns, in/groups, out], or [out, in/groups, rows, columns]. */
export const KERNEL_LAYOUTS = ['hwio', 'oihw'] as const;
export type KernelLayout = (typeof KERNEL_LAYOUTS)[number];

/** The sizes of a convolution. The batch may be symbolic. */
export interface Geometry {
  readonly windows: Windows;
  readonly layout: KernelLayout;
  readonly groups: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly batch: Dim;
}

/** A function linear in each of two values. */
export type Product = (a: Value, b: Value) => Value;

/**
 * The products of a convolution: any two of image [batch, height, width, in], kernel (in its layout) and result [batch,
 * height', width', out] (each maybe a cotangent or tangent of it) give one of the third's kind. Together they are the three
 * derivatives of Σ result·convolution(image, kernel).
 */
export interface Products {
  /** Of image and kernel. */
  readonly result: Product;
  /** Of kernel and result. */
  readonly image: Product;
  /** Of result and image. */
  readonly kernel: Product;
}

/** A kernel of layout 'oihw' as one of 'hwio', and back. Each transposition moves one axis: those are fast. */
export function inputsFirst(kernel: Value): Value {
  const [out = 1, each = 1, rows = 1, columns = 1] = staticShape(kernel.shape, 'convolution: kernel');
  const pixelsFirst = transpose(reshape(kernel, [out, each * rows * columns]));
  const inOrder = transpose(reshape(pixelsFirst, [each, rows * columns, out]), [1, 0, 2]);
  return reshape(inOrder, [rows, columns, each, out]);
}

export function outputsFirst(kernel: Value): Value {
  const [rows = 1, columns = 1, each = 1, out = 1] = staticShape(kernel.shape, 'convolution: kernel');
  const channelsFirst = transpose(reshape(kernel, [rows * columns, each, out]), [1, 0, 2]);
  const inOrder = transpose(reshape(channelsFirst, [each * rows * columns, out]));
  return reshape(inOrder, [out, each, rows, columns]);
}

/** The most numbers that the windows of a part of the batch hold: 5 MB, about what a core's caches hold. */
const MOST_IN_PART = 1.25e6;

/** The fewest windows that a part of the batch lays out. */
export const LEAST_ROWS = 512;

/**
 * In how many equal parts a batch goes through a product, one after the other, so that what is laid out for it, several
 * times as large as the images, stays in the caches and is not kept. An image lays out `numbers` in `rows` rows of a
 * matrix. A part has `least` rows or more, since each product arranges the kernel's numbers anew.
 */
export function partsFor(batch: Dim, image: { numbers: number; rows: number; least: number }): number {
  let parts = 1;
  if (typeof batch !== 'number') return parts;
  for (let count = 2; count <= batch && (batch * image.numbers) / parts > MOST_IN_PART; count++) {
    if (batch % count === 0 && (batch / count) * image.rows >= image.least) parts = count;
  }
  return parts;
}

/** Cuts a batch into equal parts. A single part may have a symbolic batch. */
export function cut(x: Value, parts: number): readonly Value[] {
  const [batch] = x.shape;
  if (parts === 1 || typeof batch !== 'number') return [x];
  return split(
    x,
    0,
    Array.from({ length: parts }, () => batch / parts),
  );
}

/** The inverse of `cut`. */
export function together(parts: readonly Value[]): Value {
  return parts.length === 1 ? expectAt(parts, 0) : concat(parts, 0);
}

/** The parts of two batches, side by side. */
export function cutBoth(a: Value, b: Value, parts: number): readonly (readonly [Value, Value])[] {
  const others = cut(b, parts);
  return cut(a, parts).map((part, i) => [part, expectAt(others, i)]);
}
