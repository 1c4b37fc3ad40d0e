/** All passes together, on random networks: the same value, gradient and Hessian-vector product as without any. */
import test from 'ava';
import fc from 'fast-check';
import { affineLayerNorm, gelu, linear } from '../../src/autodiff/functions.ts';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import type { Value } from '../../src/onnx/value.ts';
import { finish, PASS_NAMES, type PassName, prepare } from '../../src/passes/finish.ts';
import { equalInOrt } from './_graphs.ts';

const SHAPES = { x: [2, 6, 4], w: [4, 4], u: [4, 4], m: [6, 6], b: [4], s: [4] } as const;
type Leaves = { readonly [Name in keyof typeof SHAPES]: Value };

const heads = (h: Value) => ops.transpose(ops.reshape(h, [2, 6, 2, 2]), [0, 2, 1, 3]);
const joined = (h: Value) => ops.reshape(ops.transpose(h, [0, 2, 1, 3]), [2, 6, 4]);

/** Steps from [2, 6, 4] to [2, 6, 4], of the kinds of ops that passes look for. */
const STEPS: readonly ((h: Value, leaves: Leaves) => Value)[] = [
  (h, { w, b }) => linear(h, w, b),
  (h, { w, u, b }) => ops.add(linear(h, w, b), linear(h, u, b)),
  (h, { w, b, s }) => gelu(linear(affineLayerNorm(h, s, b, 0.1), w, b)),
  (h, { w, u, b, s }) => {
    const n = affineLayerNorm(h, s, b, 0.1);
    const scores = ops.matmul(heads(linear(n, w, b)), heads(linear(n, u, b)), { transB: true, alpha: 0.7 });
    return ops.add(h, joined(ops.matmul(ops.softmax(scores), heads(n))));
  },
  (h, { m }) => ops.transpose(ops.matmul(ops.transpose(h, [0, 2, 1]), m), [0, 2, 1]),
  (h, { x, w }) => ops.matmul(ops.mul(h, ops.sigmoid(x)), w, { transB: true, alpha: 0.5 }),
  (h) => ops.mul(ops.tanh(ops.mul(h, 3)), 0.5),
  (h, { w, b }) => {
    const rows = ops.reshape(h, [12, 4]);
    const y = ops.gemm(ops.mul(rows, 0.25), w, ops.mul(rows, 2), { alpha: 0.5, beta: 0.5 });
    return ops.reshape(ops.add(ops.mul(y, 3), b), [2, 6, 4]);
  },
  (h) => ops.softmax(h, 1),
  (h, { s }) => {
    const first = ops.slice(ops.mul(ops.exp(ops.tanh(h)), s), 1, 0, 1);
    return ops.add(h, first);
  },
  (h) => ops.concat([...ops.split(h, 1, [2, 4])].reverse(), 1),
  (h) => ops.sub(h, ops.mul(ops.reduceSum(ops.mul(h, h), { axes: [0, 1] }), 1 / 12)),
  (h, { u }) =>
    ops.reshape(ops.gemm(ops.reshape(h, [12, 4]), ops.gemm(u, u, undefined, { transA: true })), [2, 6, 4]),
];

/** The result: of all rows, of some, or of one. */
const ENDS: readonly ((h: Value) => Value)[] = [
  (h) => h,
  (h) => ops.slice(h, 1, 1, 3),
  (h) => ops.reshape(ops.slice(h, 1, 0, 1), [2, 4]),
  (h) => ops.reduceMean(h, { axes: [1] }),
];

function build(chosen: readonly number[], end: number, without: readonly PassName[]): Graph {
  const leaf = (name: keyof typeof SHAPES) => ops.input(name, SHAPES[name]);
  const leaves = { x: leaf('x'), w: leaf('w'), u: leaf('u'), m: leaf('m'), b: leaf('b'), s: leaf('s') };
  const h = chosen.reduce((value, step) => STEPS[step]?.(value, leaves) ?? value, leaves.x);
  const result = ENDS[end]?.(ops.tanh(h)) ?? h;
  const [y = h] = prepare([result], without);
  const loss = ops.reduceMean(ops.mul(y, y));
  const xs = Object.values(leaves);
  const vs = Object.entries(SHAPES).map(([name, shape]) => ops.input(`v/${name}`, shape));
  const gradient = grad(loss, xs);
  const named = (prefix: string, values: readonly Value[]) =>
    Object.fromEntries(values.map((value, i) => [`${prefix}/${Object.keys(SHAPES)[i]}`, value]));
  const outputs = { y, loss, ...named('grad', gradient), ...named('hvp', hvp(gradient, xs, vs)) };
  const graph = { name: 'random', inputs: [...xs, ...vs], outputs };
  return finish(graph, { target: 'cpu', without, recomputeAfter: ['loss', 'grad/x'] });
}

const steps = fc.array(fc.integer({ min: 0, max: STEPS.length - 1 }), { minLength: 1, maxLength: 5 });
const ends = fc.integer({ min: 0, max: ENDS.length - 1 });

test('every step, and any of them in a row, gives the same with all passes as with none', async (t) => {
  await fc.assert(
    fc.asyncProperty(steps, ends, async (chosen, end) => {
      const [before, after] = [build(chosen, end, PASS_NAMES), build(chosen, end, [])];
      t.not(print(after), print(before));
      await equalInOrt(t, before, after, 1e-4);
    }),
    // One seed, so that what passes here passes everywhere; each step by itself besides.
    { numRuns: 60, seed: 1, examples: STEPS.map((_, i): [number[], number] => [[i], i % ENDS.length]) },
  );
});
