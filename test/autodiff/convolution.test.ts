/** Convolutions: derivatives of order two, and batches so large that they go through in parts. */
import test, { type ExecutionContext } from 'ava';
import { type ConvolutionOptions, convolution } from '../../src/autodiff/convolution/convolution.ts';
import { depthwise } from '../../src/autodiff/convolution/depthwise.ts';
import {
  type Geometry,
  inputsFirst,
  outputsFirst,
  type Products,
} from '../../src/autodiff/convolution/geometry.ts';
import { im2col } from '../../src/autodiff/convolution/im2col.ts';
import { winograd } from '../../src/autodiff/convolution/winograd.ts';
import { vjp } from '../../src/autodiff/grad.ts';
import { type Pair, windowsOf } from '../../src/autodiff/windows.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import { concat, input, slice } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { finish } from '../../src/passes/finish.ts';
import type { Case } from '../_cases.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';

/** The l2 norm. */
const norm = (values: Iterable<number>): number => {
  let squares = 0;
  for (const value of values) squares += value * value;
  return Math.sqrt(squares);
};

const wave = (k: number, value: Value) =>
  Float32Array.from({ length: sizeOf(value.shape) }, (_, i) => Math.sin(1.3 * i + k));

function expectClose(
  t: ExecutionContext,
  got: Float32Array | undefined,
  expected: Float32Array | undefined,
  what: string,
  tolerance = 1e-5,
): void {
  const error = norm((expected ?? []).map((value, i) => value - (got?.[i] ?? Number.NaN)));
  t.true(error <= tolerance * norm(expected ?? [Number.NaN]), `${what}: ${error}`);
}

const of = (x: readonly number[], kernel: readonly number[], options: ConvolutionOptions = {}): Case => ({
  shapes: [x, kernel],
  f: (image, weights) => (image && weights ? convolution(image, weights, options) : []),
});

const CASES: Readonly<Record<string, Case>> = {
  '3×3 with padding': of([2, 4, 5, 2], [3, 3, 2, 3], { padding: 1 }),
  '3×3 in tiles': of([2, 5, 6, 32], [3, 3, 32, 32], { padding: 1 }),
  '3×3 in large tiles': of([64, 3, 2, 32], [3, 3, 32, 32], { padding: [2, 1] }),
  '1×1': of([2, 2, 3, 2], [1, 1, 2, 3]),
  '1×1 with stride 2': of([2, 3, 4, 2], [1, 1, 2, 3], { stride: 2 }),
  '3×3 with stride 2': of([1, 5, 4, 2], [3, 3, 2, 2], { stride: 2, padding: 1 }),
  '3×2 of pixels that are copied by themselves': of([1, 4, 5, 17], [3, 2, 17, 2], { padding: 1, stride: 2 }),
  'a stride larger than the kernel': of([1, 5, 7, 1], [2, 1, 1, 2], { stride: [3, 2] }),
  dilation: of([1, 5, 6, 1], [3, 2, 1, 2], { dilation: [2, 3], padding: [1, 0] }),
  'more padding than the kernel reaches': of([1, 2, 3, 2], [2, 1, 2, 1], { padding: [2, 1] }),
  groups: of([2, 3, 3, 4], [3, 3, 2, 6], { groups: 2, padding: 1 }),
  'groups with stride': of([1, 4, 4, 4], [3, 3, 2, 2], { groups: 2, padding: 1, stride: 2 }),
  depthwise: of([2, 3, 4, 3], [3, 3, 1, 3], { groups: 3, padding: 1 }),
  'depthwise with more padding than the kernel reaches': of([1, 2, 3, 2], [2, 2, 1, 2], {
    groups: 2,
    padding: 2,
  }),
  'depthwise with stride': of([2, 4, 4, 2], [3, 2, 1, 2], { groups: 2, stride: 2 }),
  'depthwise with a multiplier': of([1, 3, 3, 2], [2, 2, 1, 4], { groups: 2 }),
};

for (const [name, each] of Object.entries(CASES)) {
  test(`convolution, ${name}: both orders in both modes agree with finite differences`, (t) =>
    expectDerivatives(t, [each]));
}

for (const [name, x, kernel, options] of [
  ['3×3 in tiles', [2, 5, 6, 32], [32, 32, 3, 3], { padding: 1 }],
  ['3×3 in large tiles', [64, 2, 4, 32], [32, 32, 3, 3], { padding: 1 }],
  ['1×1 with stride 2', [2, 3, 4, 2], [3, 2, 1, 1], { stride: 2 }],
  ['3×2 with padding', [2, 4, 5, 2], [3, 2, 3, 2], { padding: 1 }],
  ['3×3 with stride 2', [1, 5, 4, 2], [2, 2, 3, 3], { stride: 2, padding: 1 }],
  ['groups', [2, 3, 3, 4], [6, 2, 3, 3], { groups: 2, padding: 1 }],
  ['depthwise with stride', [2, 4, 4, 2], [2, 1, 3, 2], { groups: 2, stride: 2 }],
  ['depthwise in tiles', [2, 4, 4, 2], [2, 1, 3, 3], { groups: 2, padding: 1 }],
] as const) {
  test(`a kernel with its outputs first, ${name}: both orders in both modes agree with finite differences`, (t) =>
    expectDerivatives(t, [of(x, kernel, { ...options, kernelLayout: 'oihw' })]));
  test(`a kernel with its outputs first gives what one with its inputs first does: ${name}`, async (t) => {
    const [image, weights] = [input('x', x), input('kernel', kernel)];
    const y = convolution(image, weights, { ...options, kernelLayout: 'oihw' });
    const ct = input('ct', y.shape);
    const [dx = y, dk = y] = vjp([y], [image, weights], [ct]);
    const turned = inputsFirst(weights);
    const sameY = convolution(image, turned, options);
    const [sameDx = y, sameDk = y] = vjp([sameY], [image, turned], [ct]);
    const outputs = { y, dx, dk, sameY, sameDx, sameDk: outputsFirst(sameDk) };
    const graph = { name: 'layouts', inputs: [image, weights, ct], outputs };
    const feeds = { x: wave(0, image), kernel: wave(1, weights), ct: wave(2, ct) };
    const out = await run(finish(graph, { target: 'cpu' }).outputs, feeds);
    expectClose(t, out.y, out.sameY, 'y');
    expectClose(t, out.dx, out.sameDx, 'dx');
    expectClose(t, out.dk, out.sameDk, 'dk');
  });
}

test('a kernel of another layout than is said is refused with both shapes', (t) => {
  const [x, kernel] = [input('x', [1, 5, 5, 2]), input('kernel', [3, 3, 2, 5])];
  t.throws(() => convolution(x, kernel, { kernelLayout: 'oihw' }), {
    message: /\[1, 5, 5, 2\].*\[3, 3, 2, 5\]/,
  });
  t.throws(() => convolution(x, input('flat', [9, 10]), { kernelLayout: 'oihw' }), {
    message: 'convolution: expected a kernel [out, in/groups, rows, columns], got [9, 10]',
  });
  const wrong: ConvolutionOptions = JSON.parse('{"kernelLayout":"OIHW"}');
  t.throws(() => convolution(x, kernel, wrong), { message: /kernelLayout.*hwio.*oihw.*OIHW/ });
});

/** Expects the same of the three products in two forms of a convolution of square windows. */
async function expectSame(
  t: ExecutionContext,
  forms: Readonly<Record<'tiles' | 'windows', (g: Geometry) => Products>>,
  { side, from, padding, groups }: { side: number; from: Pair; padding: Pair; groups: number },
): Promise<void> {
  const outputs = groups === 1 ? 5 : 3;
  const [x, kernel] = [input('x', [2, ...from, 3]), input('kernel', [side, side, 3 / groups, outputs])];
  const windows = windowsOf('convolution', x, side, { padding });
  const ct = input('ct', [2, ...windows.to, outputs]);
  const g: Geometry = { windows, layout: 'hwio', groups, inputs: 3, outputs, batch: 2 };
  const made = Object.entries(forms).flatMap(([form, of]) => [
    [`${form}-result`, of(g).result(x, kernel)] as const,
    [`${form}-image`, of(g).image(kernel, ct)] as const,
    [`${form}-kernel`, of(g).kernel(ct, x)] as const,
  ]);
  const graph = { name: 'forms', inputs: [x, kernel, ct], outputs: Object.fromEntries(made) };
  const feeds = { x: wave(0, x), kernel: wave(1, kernel), ct: wave(2, ct) };
  const out = await run(finish(graph, { target: 'cpu' }).outputs, feeds);
  for (const product of ['result', 'image', 'kernel']) {
    // Eight points lose more than six.
    const tolerance = side === 5 ? 5e-5 : 1e-5;
    expectClose(t, out[`tiles-${product}`], out[`windows-${product}`], product, tolerance);
  }
}

for (const tile of [2, 4] as const) {
  for (const [side, from, padding] of [
    [3, [8, 8], [1, 1]],
    [3, [3, 9], [0, 2]],
    [3, [7, 6], [2, 0]],
    [3, [1, 1], [1, 1]],
    [5, [8, 8], [2, 2]],
    [5, [5, 9], [0, 4]],
    [5, [1, 2], [2, 3]],
  ] as const) {
    const sizes = `${side}×${side} over ${from.join(' × ')} pixels with padding ${padding.join(', ')}`;
    const tiles = (g: Geometry) => winograd(g, tile);
    test(`tiles of ${tile}×${tile} give what windows do: ${sizes}`, (t) =>
      expectSame(t, { tiles, windows: im2col }, { side, from, padding, groups: 1 }));
    test(`tiles of ${tile}×${tile} give what windows do, depthwise: ${sizes}`, (t) =>
      expectSame(t, { tiles, windows: depthwise }, { side, from, padding, groups: 3 }));
  }
}

for (const [name, side, channels, kernel, options] of [
  ['3×3', 16, 32, [3, 3, 32, 8], { padding: 1 }],
  ['3×3 in tiles', 32, 32, [3, 3, 32, 32], { padding: 1 }],
  ['3×3 with stride 2', 32, 32, [3, 3, 32, 8], { padding: 1, stride: 2 }],
  ['groups', 16, 32, [3, 3, 16, 8], { padding: 1, groups: 2 }],
  ['depthwise', 32, 32, [3, 3, 1, 32], { padding: 1, stride: 2, groups: 32 }],
  ['depthwise in tiles', 32, 32, [3, 3, 1, 32], { padding: 1, groups: 32 }],
] as const) {
  test(`a large batch goes through in parts, and comes out the same: ${name}`, async (t) => {
    const [x, weights] = [input('x', [32, side, side, channels]), input('kernel', kernel)];
    const y = convolution(x, weights, options);
    const ct = input('ct', y.shape);
    const results = (image: Value, d: Value): readonly [Value, Value, Value] => {
      const made = convolution(image, weights, options);
      const [dx = made, dk = made] = vjp([made], [image, weights], [d]);
      return [made, dx, dk];
    };
    const [whole, dx, dk] = results(x, ct);
    const few = [0, 8, 16, 24].map((at) => results(slice(x, 0, at, at + 8), slice(ct, 0, at, at + 8)));
    const outputs = {
      ...{ whole, dx, dk },
      ...{
        fewWhole: concat(
          few.map(([each]) => each),
          0,
        ),
        fewDx: concat(
          few.map(([, each]) => each),
          0,
        ),
      },
      ...{ dk0: few[0]?.[2] ?? dk, dk1: few[1]?.[2] ?? dk, dk2: few[2]?.[2] ?? dk, dk3: few[3]?.[2] ?? dk },
    };
    const { outputs: flat } = finish({ name: 'parts', inputs: [x, weights, ct], outputs }, { target: 'cpu' });
    t.true(topologicalOrder([flat.whole ?? y]).some((node) => isOp(node, 'Split')));
    t.false(topologicalOrder([flat.dk1 ?? y]).some((node) => isOp(node, 'Split')));
    // Above 0 on average: sums of waves would nearly cancel, and rounding be all that is left to compare.
    const above = (k: number, value: Value) => wave(k, value).map((each) => each + 1);
    const out = await run(flat, { x: above(0, x), kernel: above(1, weights), ct: above(2, ct) });
    expectClose(t, out.whole, out.fewWhole, 'y');
    expectClose(t, out.dx, out.fewDx, 'dx');
    const summed = out.dk0?.map(
      (value, i) => value + (out.dk1?.[i] ?? 0) + (out.dk2?.[i] ?? 0) + (out.dk3?.[i] ?? 0),
    );
    expectClose(t, out.dk, summed, 'dk');
  });
}
