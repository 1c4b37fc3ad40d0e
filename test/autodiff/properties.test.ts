/** Properties of every graph, checked on random graphs in ONNX Runtime. */
import test from 'ava';
import fc from 'fast-check';
import { affineLayerNorm, gelu } from '../../src/autodiff/functions.ts';
import { grad, hvp, jvp, vjp } from '../../src/autodiff/grad.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { Value } from '../../src/onnx/value.ts';
import { run } from '../_run.ts';

const SHAPES = { x: [4, 3], w: [3, 3], s: [3] } as const;
type Leaves = { readonly [Name in keyof typeof SHAPES]: Value };

/** Steps from [4, 3] to [4, 3], none of which lets values grow without bound. */
const STEPS: readonly ((h: Value, leaves: Leaves) => Value)[] = [
  (h) => ops.tanh(h),
  (h) => gelu(h),
  (h) => ops.softmax(h, 0),
  (h, { w }) => ops.matmul(h, w, { transB: true, alpha: 0.5 }),
  (h, { w, s }) => ops.gemm(h, w, s, { alpha: 0.5, beta: 2 }),
  (h, { x }) => ops.add(h, ops.mul(x, ops.sigmoid(h))),
  (h, { s }) => affineLayerNorm(h, ops.exp(s), s, 0.1),
  (h, { s }) => ops.div(h, ops.add(ops.mul(s, s), 1)),
  (h) => ops.matmul(ops.softmax(ops.matmul(h, h, { transB: true })), h),
  (h) => ops.concat([...ops.split(h, 0, [1, 3])].reverse(), 0),
  (h) => ops.sub(h, ops.reduceMean(h, { axes: [1], keepdims: true })),
  (h) => ops.gather(h, ops.constant(Int32Array.of(2, 2, 0, 1), [4])),
];

const steps = fc.array(fc.integer({ min: 0, max: STEPS.length - 1 }), { minLength: 1, maxLength: 6 });

/** y, which depends on every leaf, and the leaves. */
function graph(chosen: readonly number[]): { y: Value; xs: Value[] } {
  const leaves = {
    x: ops.input('x', SHAPES.x),
    w: ops.input('w', SHAPES.w),
    s: ops.input('s', SHAPES.s),
  };
  const start = ops.add(ops.matmul(leaves.x, leaves.w), leaves.s);
  const y = chosen.reduce((h, step) => STEPS[step]?.(h, leaves) ?? h, start);
  return { y, xs: Object.values(leaves) };
}

const inputs = (name: string) =>
  Object.entries(SHAPES).map(([leaf, shape]) => ops.input(`${name}/${leaf}`, shape));
const dot = (as: readonly (Value | undefined)[], bs: readonly (Value | undefined)[]): Value =>
  as
    .map((a, i) => ops.reduceSum(ops.mul(a ?? 0, bs[i] ?? ops.scalar(0))))
    .reduce((sum, part) => ops.add(sum, part));

const SPANS: Readonly<Record<string, readonly number[]>> = { ...SHAPES, ct: SHAPES.x };
const feeds = Object.fromEntries(
  ['', 'u/', 'v/'].flatMap((prefix, k) =>
    Object.entries(SPANS).map(([name, shape], i): [string, Float32Array] => [
      `${prefix}${name}`,
      Float32Array.from({ length: sizeOf(shape) }, (_, n) => Math.sin(1.7 * n + 3 * k + i)),
    ]),
  ),
);

/** Equal up to float32's rounding, next to numbers of size `scale`. */
const isClose = (a: number, b: number, scale: number) => Math.abs(a - b) <= 1e-4 * (1 + scale);
// One seed, so that what passes here passes everywhere: rounding has no sharp bound.
const options = { numRuns: 25, seed: 1 };

test('reverse and forward mode are adjoint: ⟨c, J·v⟩ = ⟨Jᵀ·c, v⟩', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const { y, xs } = graph(chosen);
      const [ct, v] = [ops.input('ct', SHAPES.x), inputs('v')];
      const out = await run(
        { left: dot([ct], jvp([y], xs, v)), right: dot(vjp([y], xs, [ct]), v), y },
        feeds,
      );
      const [left = Number.NaN, right = Number.NaN] = [out.left?.[0], out.right?.[0]];
      t.true(isClose(left, right, Math.abs(left)), `${left}, ${right}`);
    }),
    options,
  );
});

test('the Hessian is symmetric, and the same forward over reverse as reverse over reverse', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const { y, xs } = graph(chosen);
      const [u, v] = [inputs('u'), inputs('v')];
      const gradient = grad(ops.reduceMean(ops.mul(y, y)), xs);
      const [hu, hv] = [hvp(gradient, xs, u), hvp(gradient, xs, v)];
      const reverse = grad(dot(gradient, v), xs);
      const out = await run(
        { uHv: dot(u, hv), vHu: dot(v, hu), reverse: dot(u, reverse), hh: dot(hv, hv) },
        feeds,
      );
      const [uHv = Number.NaN, vHu = Number.NaN, reversed = Number.NaN] = [
        out.uHv?.[0],
        out.vHu?.[0],
        out.reverse?.[0],
      ];
      const scale = Math.sqrt(out.hh?.[0] ?? Number.NaN);
      t.true(isClose(uHv, vHu, scale), `${uHv}, ${vHu}`);
      t.true(isClose(uHv, reversed, scale), `${uHv}, ${reversed}`);
    }),
    options,
  );
});
