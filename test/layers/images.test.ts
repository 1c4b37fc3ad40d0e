/** Layers over images with channels last: derivatives of order two, PyTorch's numbers, running statistics, refusals. */
import test from 'ava';
import { convolution } from '../../src/autodiff/convolution/convolution.ts';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import type { Windows } from '../../src/autodiff/windows.ts';
import { batchNorm } from '../../src/layers/batch-norm.ts';
import { conv } from '../../src/layers/conv.ts';
import { averagePool, globalAveragePool, maximaOf, maxPool } from '../../src/layers/pool.ts';
import { initialize, Scope } from '../../src/layers/scope.ts';
import { substitute } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf, staticShape } from '../../src/onnx/shapes.ts';
import type { Value } from '../../src/onnx/value.ts';
import type { Case } from '../_cases.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { called, layerCase, x } from './_layers.ts';

/** x with its elements far from each other, so that a small step leaves the largest of some the largest. */
function apart(at: Value): Value {
  const shape = staticShape(at.shape);
  return ops.add(
    at,
    ops.constant(
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => (4 * ((37 * i) % 101)) % 97),
      shape,
    ),
  );
}

const CASES: Readonly<Record<string, readonly Case[]>> = {
  conv: [
    layerCase((scope, at) => conv(scope, at, 3, { padding: 1 }), [2, 3, 4, 2]),
    layerCase(
      (scope, at) =>
        conv(scope, at, 4, { kernel: [2, 1], stride: [1, 2], dilation: 2, groups: 2, bias: false }),
      [1, 4, 3, 2],
    ),
  ],
  batchNorm: [
    layerCase((scope, at) => batchNorm(scope, at, { epsilon: 1e-2 }), [5, 3]),
    layerCase((scope, at) => batchNorm(scope, at), [2, 2, 3, 2]),
  ],
  maxPool: [
    layerCase((_, at) => maxPool(apart(at), 2), [2, 4, 5, 2]),
    layerCase((_, at) => maxPool(apart(at), [3, 2], { stride: 2, padding: 1 }), [1, 5, 4, 2]),
  ],
  averagePool: [
    layerCase((_, at) => averagePool(at, 2), [2, 4, 4, 2]),
    layerCase((_, at) => averagePool(at, 3, { stride: [1, 2], padding: [1, 0] }), [1, 4, 5, 2]),
  ],
  globalAveragePool: [layerCase((_, at) => globalAveragePool(at), [2, 3, 2, 4])],
};

for (const [name, cases] of Object.entries(CASES)) {
  test(`${name}: both orders in both modes agree with finite differences`, (t) =>
    expectDerivatives(t, cases));
}

/**
 * By PyTorch 2.14 in float64:
 *
 *     wave = lambda k, *s: torch.sin(1.3 * torch.arange(math.prod(s)) + k).reshape(s)
 *     last = lambda f: lambda x, *p: f(x.permute(0, 3, 1, 2), *p).permute(0, 2, 3, 1)
 *     conv = lambda **o: last(lambda x, k: F.conv2d(x, k.permute(3, 2, 0, 1), **o))
 *     def golden(f, *shapes):
 *         xs = [wave(k, *s).requires_grad_() for k, s in enumerate(shapes)]
 *         y = f(*xs)
 *         L = (y * wave(9, *y.shape)).sum() + (y * y).sum() / 2
 *         g = torch.autograd.grad(L, xs, create_graph=True)
 *         hg = torch.autograd.grad(g, xs, [t.detach() for t in g])
 *         print([[(t * wave(5, *t.shape)).sum().item() for t in ts] for ts in ([y], g, hg)])
 *     golden(conv(stride=2, padding=1), (2, 5, 6, 3), (3, 3, 3, 4))
 *     golden(conv(dilation=(2, 1), padding=(1, 2), groups=2), (2, 5, 4, 4), (3, 2, 2, 6))
 *     golden(conv(padding=1, groups=3), (2, 4, 4, 3), (3, 3, 1, 3))
 *     golden(last(lambda x: F.max_pool2d(x, 3, 2, 1)), (2, 5, 6, 2))
 *     golden(last(lambda x: F.avg_pool2d(x, (3, 2), 2, (1, 0))), (2, 5, 6, 2))
 *     golden(last(lambda x, s, b: F.batch_norm(x, None, None, s, b, True, 0.1, 1e-5)), (3, 2, 4, 5), (5,), (5,))
 */
const TORCH: readonly {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly f: (x: Value, ...parameters: readonly Value[]) => Value;
  readonly expected: Readonly<Record<'y' | 'g' | 'hg', readonly number[]>>;
}[] = [
  {
    name: 'a convolution with stride',
    shapes: [
      [2, 5, 6, 3],
      [3, 3, 3, 4],
    ],
    f: (at, kernel = at) => convolution(at, kernel, { stride: 2, padding: 1 }),
    expected: { y: [-8.2326973], g: [435.92419, -989.82124], hg: [60416.773, -101180.83] },
  },
  {
    name: 'a convolution with dilation and groups',
    shapes: [
      [2, 5, 4, 4],
      [3, 2, 2, 6],
    ],
    f: (at, kernel = at) => convolution(at, kernel, { dilation: [2, 1], padding: [1, 2], groups: 2 }),
    expected: { y: [-2.0404924], g: [14.684801, -37.327132], hg: [502.67564, -1221.1233] },
  },
  {
    name: 'a depthwise convolution',
    shapes: [
      [2, 4, 4, 3],
      [3, 3, 1, 3],
    ],
    f: (at, kernel = at) => convolution(at, kernel, { padding: 1, groups: 3 }),
    expected: { y: [2.8137915], g: [8.8482239, -23.24953], hg: [1165.4518, -256.15861] },
  },
  {
    name: 'max pooling',
    shapes: [[2, 5, 6, 2]],
    f: (at) => maxPool(at, 3, { stride: 2, padding: 1 }),
    expected: { y: [-0.42132183], g: [5.3850231], hg: [10.126619] },
  },
  {
    name: 'average pooling',
    shapes: [[2, 5, 6, 2]],
    f: (at) => averagePool(at, [3, 2], { stride: 2, padding: [1, 0] }),
    expected: { y: [-0.072982541], g: [-0.047283958], hg: [-0.0070653796] },
  },
  {
    name: 'batch normalization',
    shapes: [[3, 2, 4, 5], [5], [5]],
    f: (at, scale = at, bias = at) => {
      const { scope, y } = called(batchNorm, at);
      const places = new Map(
        scope.parameters.map(({ value, path }) => [value, path === 'scale' ? scale : bias]),
      );
      return substitute([y], places)[0] ?? y;
    },
    expected: {
      y: [9.0470685],
      g: [-0.1979363, -37.500168, -49.779044],
      hg: [463.17928, -906.019, -1194.6971],
    },
  },
];

const wave = (k: number, shape: readonly number[]): Float32Array =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + k));

for (const { name, shapes, f, expected } of TORCH) {
  test(`${name}: PyTorch's value, gradient and Hessian times gradient`, async (t) => {
    const xs = shapes.map((shape, k) => ops.input(`x${k}`, shape));
    const [first = x([]), ...rest] = xs;
    const y = f(first, ...rest);
    const waved = (k: number, value: Value) =>
      ops.mul(value, ops.constant(wave(k, staticShape(value.shape)), staticShape(value.shape)));
    const loss = ops.add(ops.reduceSum(waved(9, y)), ops.mul(ops.reduceSum(ops.mul(y, y)), 0.5));
    const gradient = grad(loss, xs);
    const sums = (values: readonly Value[]): Value =>
      ops.concat(
        values.map((value) => ops.reshape(ops.reduceSum(waved(5, value)), [1])),
        0,
      );
    const out = await run(
      { y: sums([y]), g: sums(gradient), hg: sums(hvp(gradient, xs, gradient)) },
      Object.fromEntries(shapes.map((shape, k) => [`x${k}`, wave(k, shape)])),
    );
    for (const what of ['y', 'g', 'hg'] as const) {
      const got = out[what] ?? [];
      t.is(got.length, expected[what].length);
      const error = Math.hypot(...expected[what].map((value, i) => value - (got[i] ?? Number.NaN)));
      t.true(error < 2e-5 * (0.1 + Math.hypot(...expected[what])), `${what}: ${error}, ${got}`);
    }
  });
}

/**
 * By PyTorch 2.14 in float64; more than half of the windows are all zeros behind the relu:
 *
 *     x = (torch.sin(1.3 * torch.arange(2 * 6 * 6 * 2).double()) - 0.9).reshape(2, 6, 6, 2).requires_grad_()
 *     y = F.max_pool2d(F.relu(x.permute(0, 3, 1, 2)), 2)
 *     L = (y ** 3 + y).sum()
 *     g, = torch.autograd.grad(L, x, create_graph=True)
 *     hg, = torch.autograd.grad(g, x, g.detach())
 *     print((y == 0).sum(), [(t * torch.sin(1.3 * torch.arange(144).double() + 5).reshape(2, 6, 6, 2)).sum().item() for t in (g, hg)])
 */
test("max pooling behind a relu: zeros that tie change nothing, and derivatives are PyTorch's", async (t) => {
  const at = x([2, 6, 6, 2]);
  const y = maxPool(ops.relu(at), 2);
  const g = grad(ops.reduceSum(ops.add(ops.mul(ops.mul(y, y), y), y)), [at]);
  const waved = (value: Value) =>
    ops.reduceSum(ops.mul(value, ops.constant(wave(5, [2, 6, 6, 2]), [2, 6, 6, 2])));
  const [first = at, second = at] = [...g, ...hvp(g, [at], g)];
  const data = wave(0, [2, 6, 6, 2]).map((value) => value - 0.9);
  const out = await run({ y, g: waved(first), hg: waved(second) }, { x: data });
  t.is(out.y?.filter((value) => value === 0).length, 21);
  t.true(Math.abs((out.g?.[0] ?? Number.NaN) / 4.7354887 - 1) < 1e-5, String(out.g));
  t.true(Math.abs((out.hg?.[0] ?? Number.NaN) / 2.1002829 - 1) < 1e-5, String(out.hg));
});

test('batch norm: running statistics move as PyTorch says, of this batch; inference reads them', async (t) => {
  const { scope, y } = called((own, at) => batchNorm(own.sub('norm'), at, { momentum: 0.75 }), x([2, 2, 1]));
  t.true(scope.examplesAreCoupled);
  t.deepEqual(
    scope.variables.map(({ path, role, shape }) => [path, role, shape]),
    [
      ['norm/scale', 'trainable', [1]],
      ['norm/bias', 'trainable', [1]],
      ['norm/mean', 'state', [1]],
      ['norm/variance', 'state', [1]],
    ],
  );
  const data = {
    x: Float32Array.of(1, 2, 4, 9),
    'norm/mean': Float32Array.of(2),
    'norm/variance': Float32Array.of(3),
  };
  const next = Object.fromEntries(
    [...scope.nextState].map(([path, value]) => [path.replace('/', '_'), value]),
  );
  const out = await run(next, data);
  // The mean is 4, the squares 9 + 4 + 0 + 25 = 38, over n − 1 = 3.
  t.is(out.norm_mean?.[0], 2.5);
  t.true(Math.abs((out.norm_variance?.[0] ?? Number.NaN) - (2.25 + 38 / 12)) < 1e-6);
  const parameters = { 'norm/scale': Float32Array.of(2), 'norm/bias': Float32Array.of(-1) };
  const trained = await run({ y }, { x: data.x, ...parameters });
  const expected = [1, 2, 4, 9].map((each) => (2 * (each - 4)) / Math.sqrt(38 / 4 + 1e-5) - 1);
  t.true(expected.every((value, i) => Math.abs(value - (trained.y?.[i] ?? Number.NaN)) < 1e-6));
  const still = called((own, at) => batchNorm(own.sub('norm'), at), x(['batch', 2, 1]), false);
  t.false(still.scope.examplesAreCoupled);
  t.is(still.scope.nextState.size, 0);
  const inferred = await run({ y: still.y }, { ...data, ...parameters });
  const known = [1, 2, 4, 9].map((each) => (2 * (each - 2)) / Math.sqrt(3 + 1e-5) - 1);
  t.true(known.every((value, i) => Math.abs(value - (inferred.y?.[i] ?? Number.NaN)) < 1e-6));
});

test('a batch norm of channels that do not change is finite, and so are its derivatives', async (t) => {
  const at = x([4, 2]);
  const { y } = called(batchNorm, at);
  const [slope = at] = grad(ops.reduceSum(ops.mul(y, y)), [at]);
  const parameters = { scale: Float32Array.of(1, 1), bias: Float32Array.of(0, 0) };
  const out = await run({ y, slope }, { x: new Float32Array(8).fill(3), ...parameters });
  t.true([...(out.y ?? [NaN]), ...(out.slope ?? [NaN])].every((value) => value === 0));
});

test('convolutions and pools take a symbolic batch', async (t) => {
  const { y, scope } = called(
    (own, at) => globalAveragePool(maxPool(conv(own, at, 2, { padding: 1, groups: 2 }), 2, { padding: 1 })),
    x(['batch', 3, 3, 2]),
  );
  t.deepEqual(y.shape, ['batch', 2]);
  const parameters = Object.fromEntries(scope.parameters.map(({ path, shape }, k) => [path, wave(k, shape)]));
  const [one, two] = [wave(1, [3, 3, 2]), wave(2, [3, 3, 2])];
  const both = await run({ y }, { x: Float32Array.of(...one, ...two), ...parameters });
  const [first, second] = [
    await run({ y }, { x: one, ...parameters }),
    await run({ y }, { x: two, ...parameters }),
  ];
  t.deepEqual([...(both.y ?? [])], [...(first.y ?? []), ...(second.y ?? [])]);
});

test("He's start has the deviation √(2/fan), of a kernel's field times in or out", (t) => {
  for (const [fan, count] of [
    ['in', 9 * 32],
    ['out', 9 * 64],
  ] as const) {
    const out = new Float32Array(9 * 32 * 64);
    initialize(out, 'a/kernel', [3, 3, 32, 64], { kind: 'he-normal', fan }, 0);
    const deviation = Math.sqrt(out.reduce((sum, value) => sum + value * value, 0) / out.length);
    // 18,432 draws: the standard deviation of this ratio is 0.005.
    t.true(Math.abs(deviation / Math.sqrt(2 / count) - 1) < 0.02, `${fan}: ${deviation}`);
  }
});

test('LeCun’s start has the deviation √(1/in), and ends at two deviations of what is cut', (t) => {
  const out = new Float32Array(48 * 384);
  initialize(out, 'embed/kernel', [48, 384], { kind: 'lecun-normal' }, 0);
  const ratios = out.map((value) => value * Math.sqrt(48));
  const deviation = Math.sqrt(ratios.reduce((sum, value) => sum + value * value, 0) / out.length);
  t.true(Math.abs(deviation - 1) < 0.02, String(deviation));
  // As jax.nn.initializers.lecun_normal(): 2 / 0.87962566 deviations.
  const most = Math.max(...ratios.map(Math.abs));
  t.true(most <= 2.2737 && most > 2.26, String(most));
});

test('what does not fit is refused in one line', (t) => {
  const image = x([1, 4, 4, 6]);
  const said = (f: () => unknown) => t.throws(f)?.message;
  t.is(
    said(() => conv(new Scope(), x([4, 4, 6]), 2)),
    'conv: expected x [batch, height, width, channels], got [4, 4, 6]',
  );
  t.is(
    said(() => conv(new Scope(), image, 4, { groups: 4 })),
    'conv: expected groups that divide 6 channels and 4, got 4',
  );
  t.is(
    said(() => conv(new Scope(), image, 4, { kernel: 5 })),
    'convolution: expected an image of at least 5 × 5 pixels with its padding, got 4 × 4 with padding 0 × 0',
  );
  t.is(
    said(() => conv(new Scope(), image, 4, { stride: 0 })),
    'convolution: stride: expected an integer ≥ 1, got 0',
  );
  t.is(
    said(() => convolution(image, x([3, 3, 5, 2]))),
    'convolution: expected x [1, 4, 4, 6] to have 5 channels in each of 1 groups, which divide 2, as kernel [3, 3, 5, 2] says',
  );
  t.is(
    said(() => maxPool(image, 2, { padding: 2 })),
    'maxPool: padding: expected at most half of the size [2, 2], got [2, 2]',
  );
  const gap: Windows = {
    ...{ size: [2, 1], stride: [1, 1], padding: [1, 0], dilation: [5, 1], from: [3, 2], to: [1, 2] },
  };
  t.is(
    said(() => maximaOf(x([1, 3, 2, 2]), gap)),
    'pool: expected every window to have a pixel of the image of 3 × 2, got one with none; take less padding or dilation',
  );
  t.is(
    said(() => globalAveragePool(x([4, 4]))),
    'globalAveragePool: expected x [batch, height, width, channels], got [4, 4]',
  );
  t.is(
    said(() => batchNorm(new Scope(), x([1, 3]))),
    'batchNorm: expected more than one number for each channel while training, got 1; train with a larger batch',
  );
  t.is(
    said(() => batchNorm(new Scope(), image, { momentum: 1.5 })),
    'batchNorm: momentum: expected at most 1, got 1.5',
  );
});
