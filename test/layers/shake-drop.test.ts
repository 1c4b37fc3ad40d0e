/** ShakeDrop: its factors forward and backward, both orders, its mean, PyTorch's numbers. */
import test from 'ava';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { Scope } from '../../src/layers/scope.ts';
import { shakeDrop } from '../../src/layers/shake-drop.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { drawMask, drawUniform } from '../../src/run/masks.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { called, layerCase, x } from './_layers.ts';

test('with α = β it has a true derivative: both orders in both modes agree with finite differences', (t) =>
  expectDerivatives(t, [
    // Ranges of one number: α and β are equal, whatever is drawn.
    layerCase(
      (scope, at) => shakeDrop(scope, at, 0.5, { alpha: [0.4, 0.4], beta: [0.4, 0.4] }),
      [4, 2, 3],
      [1, 0, 0, 1],
    ),
    layerCase(
      (scope, at) => ops.mul(shakeDrop(scope, at, 0.5, { alpha: [-2, -2], beta: [-2, -2] }), at),
      [3, 2],
      [0, 1, 0],
    ),
  ]));

test('every example draws a mask and two numbers of its own', (t) => {
  const { scope } = called((own, at) => shakeDrop(own.sub('shake'), at, 0.7), x([4, 2, 2, 3]));
  t.deepEqual(
    scope.masks.map(({ name, per, keep, value }) => [name, per, keep, value.dtype, value.shape]),
    [['random/shake/keep', 'example', 0.7, 'bool', [4, 1, 1, 1]]],
  );
  t.deepEqual(
    scope.uniforms.map(({ name, per, value }) => [name, per, value.dtype, value.shape]),
    ['alpha', 'beta'].map((name) => [`random/shake/${name}`, 'example', 'float32', [4, 1, 1, 1]]),
  );
});

const DRAWN = {
  'random/keep': Uint8Array.of(1, 0, 0),
  'random/alpha': Float32Array.of(0.25, 0.25, 0.75),
  'random/beta': Float32Array.of(0.5, 0.125, 0.75),
};

test('what is kept stays; what is dropped goes forward times α, and its derivative back times β', async (t) => {
  const at = x([3, 2]);
  const { y } = called((own, given) => shakeDrop(own, given, 0.5), at);
  const [slope = at] = grad(ops.reduceSum(y), [at]);
  const out = await run({ y, slope }, { x: Float32Array.of(1, 2, 3, 4, 5, 6), ...DRAWN });
  // α is 2·0.25 − 1 and 2·0.75 − 1.
  t.deepEqual([...(out.y ?? [])], [1, 2, -1.5, -2, 2.5, 3]);
  t.deepEqual([...(out.slope ?? [])], [1, 1, 0.125, 0.125, 0.75, 0.75]);
});

/**
 * By PyTorch 2.14 in float64, through a function whose backward is differentiated again:
 *
 *     class Shake(torch.autograd.Function):
 *         @staticmethod
 *         def forward(ctx, x, b, alpha, beta):
 *             ctx.save_for_backward(b, beta)
 *             return x * (b + alpha - b * alpha)
 *         @staticmethod
 *         def backward(ctx, g):
 *             b, beta = ctx.saved_tensors
 *             return g * (b + beta - b * beta), None, None, None
 *     b = torch.tensor([[1.0], [0], [0]]).double()
 *     alpha, beta = 2 * torch.tensor([[0.25], [0.25], [0.75]]).double() - 1, torch.tensor([[0.5], [0.125], [0.75]]).double()
 *     x = torch.sin(1.3 * torch.arange(6).double()).reshape(3, 2).requires_grad_()
 *     y = x + Shake.apply(torch.tanh(x) * x, b, alpha, beta)
 *     L = (y ** 3).sum() / 3
 *     g, = torch.autograd.grad(L, x, create_graph=True)
 *     hg, = torch.autograd.grad(g, x, g.detach())
 *     print(y.detach(), g.detach(), hg)
 */
const TORCH: Readonly<Record<'y' | 'g' | 'hg', readonly number[]>> = {
  y: [0, 1.6822375, 0.39327071, -0.8929079, -0.57064731, 0.23790786],
  g: [0, 6.1505093, 0.17155466, 0.69368152, 0.045123535, 0.074315691],
  hg: [0, 102.09162, 0.16990552, -0.88523612, 0.0031249036, 0.066711602],
};

test("PyTorch's value, gradient and Hessian times gradient", async (t) => {
  const at = x([3, 2]);
  const { y } = called(
    (own, given) => ops.add(given, shakeDrop(own, ops.mul(ops.tanh(given), given), 0.5)),
    at,
  );
  const g = grad(ops.mul(ops.reduceSum(ops.mul(ops.mul(y, y), y)), 1 / 3), [at]);
  const values: Record<string, Value> = { y, g: g[0] ?? at, hg: hvp(g, [at], g)[0] ?? at };
  const data = Float32Array.from({ length: 6 }, (_, i) => Math.sin(1.3 * i));
  const out = await run(values, { x: data, ...DRAWN });
  for (const name of ['y', 'g', 'hg'] as const) {
    const got = out[name] ?? [];
    const error = Math.hypot(...TORCH[name].map((value, i) => value - (got[i] ?? Number.NaN)));
    t.true(error < 1e-5 * Math.hypot(...TORCH[name]), `${name}: ${error}, ${got}`);
  }
});

test('evaluation takes the mean of what training draws', async (t) => {
  const count = 40_000;
  const options = { alpha: [-0.5, 1] } as const;
  const ones = new Float32Array(count).fill(1);
  const trained = called((own, at) => shakeDrop(own, at, 0.8, options), x([count]));
  const place = { seed: 1, step: 2, first: 0, count };
  const drawn = Object.fromEntries([
    ...trained.scope.masks.map(({ name, per, keep }) => [
      name,
      Uint8Array.from(drawMask({ name, per, keep, shape: [] }, place).data, Number),
    ]),
    ...trained.scope.uniforms.map(({ name, per }) => [
      name,
      Float32Array.from(drawUniform({ name, per, shape: [] }, place).data, Number),
    ]),
  ]);
  const { y } = await run({ y: trained.y }, { x: ones, ...drawn });
  const mean = Array.from(y ?? [], Number).reduce((sum, value) => sum + value, 0) / count;
  const still = called((own, at) => shakeDrop(own, at, 0.8, options), x(['batch']), false);
  t.deepEqual([still.scope.masks, still.scope.uniforms], [[], []]);
  const { y: expected } = await run({ y: still.y }, { x: Float32Array.of(1) });
  t.true(Math.abs((expected?.[0] ?? Number.NaN) - 0.85) < 1e-6);
  // The deviation of one factor is 0.36: of the mean, 0.0018.
  t.true(Math.abs(mean - 0.85) < 0.008, String(mean));
});

test('a chance of 1 leaves the value as it is; what does not fit is refused in one line', (t) => {
  const at = x([2, 3]);
  const scope = new Scope();
  t.is(shakeDrop(scope, at, 1), at);
  t.deepEqual([scope.masks, scope.uniforms], [[], []]);
  for (const keep of [0, 1.5, Number.NaN]) {
    t.throws(() => shakeDrop(new Scope(), at, keep), {
      message: `shakeDrop: expected a chance above 0 and at most 1 to keep, got ${keep}`,
    });
  }
  t.throws(() => shakeDrop(new Scope(), at, 0.5, { alpha: [1, -1] }), {
    message: 'shakeDrop: alpha: expected [least, most], finite numbers, got [1,-1]',
  });
  t.throws(() => shakeDrop(new Scope(), at, 0.5, { beta: [0, Number.NaN] }), {
    message: /^shakeDrop: beta: expected \[least, most\]/,
  });
  const taken = new Scope();
  taken.random.uniform('keep', [2]);
  t.throws(() => shakeDrop(taken, at, 0.5), {
    message: 'scope: expected a new name, got "random/keep" again',
  });
});
