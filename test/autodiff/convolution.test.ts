import test from 'ava';
import { type ConvolutionOptions, convolution } from '../../src/autodiff/convolution.ts';
import type { Case } from '../_cases.ts';
import { expectDerivatives } from '../_derivatives.ts';

const of = (x: readonly number[], kernel: readonly number[], options: ConvolutionOptions = {}): Case => ({
  shapes: [x, kernel],
  f: (image, weights) => (image && weights ? convolution(image, weights, options) : []),
});

const CASES: Readonly<Record<string, Case>> = {
  '3×3 with padding': of([2, 4, 5, 2], [3, 3, 2, 3], { padding: 1 }),
  '1×1': of([2, 2, 3, 2], [1, 1, 2, 3]),
  '1×1 with stride 2': of([2, 3, 4, 2], [1, 1, 2, 3], { stride: 2 }),
  '3×3 with stride 2': of([1, 5, 4, 2], [3, 3, 2, 2], { stride: 2, padding: 1 }),
  'a stride larger than the kernel': of([1, 5, 7, 1], [2, 1, 1, 2], { stride: [3, 2] }),
  dilation: of([1, 5, 6, 1], [3, 2, 1, 2], { dilation: [2, 3], padding: [1, 0] }),
  'more padding than the kernel reaches': of([1, 2, 3, 2], [2, 1, 2, 1], { padding: [2, 1] }),
  groups: of([2, 3, 3, 4], [3, 3, 2, 6], { groups: 2, padding: 1 }),
  'groups with stride': of([1, 4, 4, 4], [3, 3, 2, 2], { groups: 2, padding: 1, stride: 2 }),
  depthwise: of([2, 3, 4, 3], [3, 3, 1, 3], { groups: 3, padding: 1 }),
  'depthwise with stride': of([2, 4, 4, 2], [3, 2, 1, 2], { groups: 2, stride: 2 }),
  'depthwise with a multiplier': of([1, 3, 3, 2], [2, 2, 1, 4], { groups: 2 }),
};

for (const [name, each] of Object.entries(CASES)) {
  test(`convolution, ${name}: both orders in both modes agree with finite differences`, (t) =>
    expectDerivatives(t, [each]));
}
