/** Layers with parameters: their derivatives of order two, and their numbers beside PyTorch's. */
import test from 'ava';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { permutation, permuteRows } from '../../src/autodiff/permutation.ts';
import { attention } from '../../src/layers/attention.ts';
import { dense } from '../../src/layers/dense.ts';
import { embedding } from '../../src/layers/embedding.ts';
import { layerNorm } from '../../src/layers/layer-norm.ts';
import { layerScale } from '../../src/layers/layer-scale.ts';
import { positions, withClassToken } from '../../src/layers/positions.ts';
import { relativePositions } from '../../src/layers/relative-positions.ts';
import { Scope } from '../../src/layers/scope.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import type { Case } from '../_cases.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { called, layerCase, x } from './_layers.ts';

const bools = (shape: readonly number[], ...values: number[]): Value =>
  ops.constant(Uint8Array.from(values), shape, 'bool');
/** The last token of the first example is padding; all of the second are. */
const padded = bools([2, 3], 1, 1, 0, 0, 0, 0);

const ids = ops.constant(Int32Array.of(1, 0, 1, 4), [2, 2]);

const CASES: Readonly<Record<string, readonly Case[]>> = {
  dense: [
    layerCase((scope, at) => dense(scope, at, 4), [2, 2, 3]),
    layerCase((scope, at) => dense(scope, at, 2, { bias: false }), [3]),
  ],
  layerNorm: [layerCase((scope, at) => layerNorm(scope, at, { epsilon: 1e-3 }), [3, 4])],
  embedding: [layerCase((scope, at) => ops.mul(embedding(scope, ids, 5, 3), at), [2, 2, 3])],
  attention: [
    layerCase((scope, at) => attention(scope, at, { heads: 2 }), [2, 3, 4]),
    layerCase((scope, at) => attention(scope, at, { heads: 2, mask: padded }), [2, 3, 4]),
    layerCase((scope, at) => attention(scope, at, { heads: 1, causal: true, mask: padded }), [2, 3, 2]),
    layerCase((scope, at) => attention(scope, at, { heads: 2, dropout: 0.25 }), [2, 3, 4], [1, 1, 0, 1, 1]),
    layerCase((scope, at) => attention(scope, at, { heads: 2, talkingHeads: true }), [2, 3, 4]),
    layerCase((scope, at) => attention(scope, at, { heads: 2, queries: ops.slice(at, 1, 0, 1) }), [2, 3, 4]),
    // A bias of relative positions in windows: [batch, windows, tokens, width].
    layerCase(
      (scope, at) => attention(scope, at, { heads: 2, bias: relativePositions(scope, [2, 1], 2) }),
      [2, 2, 2, 4],
    ),
  ],
  layerScale: [layerCase((scope, at) => layerScale(scope, at, 0.1), [2, 3, 4])],
  relativePositions: [
    layerCase((scope, at) => ops.mul(relativePositions(scope.sub('square'), 2, 3), at), [3, 4, 4]),
    layerCase((scope, at) => ops.mul(relativePositions(scope, [1, 3], 2), at), [2, 3, 3]),
  ],
  withClassToken: [layerCase((scope, at) => withClassToken(scope, at), [2, 3, 2])],
  permuteRows: [layerCase((_scope, at) => permuteRows(at, permutation([2, 0, 3, 1])), [2, 4, 3])],
  positions: [
    layerCase((scope, at) => positions(scope, at), [2, 3, 2]),
    layerCase((scope, at) => positions(scope, at, { classToken: true }), [2, 3, 2]),
    layerCase((scope, at) => positions(scope, at, { kind: 'sinusoidal' }), [2, 3, 4]),
  ],
};

for (const [name, cases] of Object.entries(CASES)) {
  test(`${name}: first and second derivatives agree with finite differences`, (t) =>
    expectDerivatives(t, cases));
}

/**
 * By PyTorch 2.14 in float64, with `wave` and `golden` of test/autodiff/torch.test.ts; of each gradient and each Hessian
 * times gradient the sum of its products with wave(5, …):
 *
 *     def attention(mask, causal):
 *         def f(x, qk, qb, kk, kb, vk, vb, ok, ob):
 *             h = lambda k, b: (x @ k + b).reshape(2, 3, 2, 2).transpose(1, 2)
 *             see = torch.tensor([[1, 1, 1], [1, 0, 1]] if mask else [[1, 1, 1]] * 2, dtype=torch.bool)[:, None, None]
 *             if causal: see = see & torch.ones(3, 3, dtype=torch.bool).tril()
 *             with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
 *                 y = F.scaled_dot_product_attention(h(qk, qb), h(kk, kb), h(vk, vb), attn_mask=see)
 *             return y.transpose(1, 2).reshape(2, 3, 4) @ ok + ob
 *         return f
 *     golden(attention(True, False), (2, 3, 4), *[(4, 4), (4,)] * 4)
 *     golden(attention(False, True), (2, 3, 4), *[(4, 4), (4,)] * 4)
 */
const TORCH = {
  'a mask of keys': {
    options: { mask: bools([2, 3], 1, 1, 1, 1, 0, 1) },
    y: [
      2.5691991, 1.73445, -1.6412724, -2.6125269, 2.8843325, 2.3672595, -1.6178543, -3.2328077, -0.31933801,
      -1.510352, -0.48869677, 1.2489004, -4.3176542, -3.4721337, 2.4600708, 4.7882659, -4.3458163, -3.4987458,
      2.4739955, 4.8223276, -4.0052472, -2.7417087, 2.5384395, 4.0997679,
    ],
    g: [151.72908, -88.397389, 19.165973, -104.04744, 0, 252.77651, 47.954494, -114.87556, 15.245082],
    hg: [41126.393, -22774.385, 5696.2485, -28500.079, 0, 91606.947, 14455.725, -44805.252, 3818.6104],
  },
  causal: {
    options: { causal: true },
    y: [
      -1.6592651, -2.8502, 0.13441475, 2.9221116, 0.44866228, -1.0652379, -1.0185621, 0.5203096, -0.31933801,
      -1.510352, -0.48869677, 1.2489004, 1.2477601, 4.2946965, 1.0498924, -3.7330065, -2.6151744, 0.74153282,
      3.0118927, 0.86982271, -3.9849029, -2.6425856, 2.5711258, 4.0181319,
    ],
    g: [50.905318, -41.39339, -15.720394, -90.092222, 0, 146.58693, 35.689172, -46.824538, 14.537326],
    hg: [1359.3375, -968.97391, -1091.3673, -280.58818, 0, 24751.838, 7488.5094, -10162.311, 2148.3001],
  },
} as const;

const wave = (k: number, shape: readonly number[]): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i + k));

for (const [name, { options, y: expectedY, g, hg }] of Object.entries(TORCH)) {
  test(`attention with ${name}: PyTorch's value, gradient and Hessian times gradient`, async (t) => {
    const at = x([2, 3, 4]);
    const { scope, y } = called((own, value) => attention(own, value, { heads: 2, ...options }), at);
    const xs = [at, ...scope.parameters.map(({ value }) => value)];
    const waved = (k: number, value: Value) =>
      ops.mul(value, ops.constant(wave(k, value.shape.map(Number)), value.shape.map(Number)));
    const loss = ops.add(ops.reduceSum(waved(9, y)), ops.mul(ops.reduceSum(ops.mul(y, y)), 0.5));
    const gradient = grad(loss, xs);
    const sums = (values: readonly Value[]): Value =>
      ops.concat(
        values.map((value) => ops.reshape(ops.reduceSum(waved(5, value)), [1])),
        0,
      );
    const parameters = scope.parameters.map(({ path, shape }, k) => [path, wave(k + 1, shape)] as const);
    const out = await run(
      { y, g: sums(gradient), hg: sums(hvp(gradient, xs, gradient)) },
      { x: wave(0, [2, 3, 4]), ...Object.fromEntries(parameters) },
    );
    for (const [what, expected] of Object.entries({ y: expectedY, g, hg })) {
      const error = Math.hypot(...expected.map((value, i) => (out[what]?.[i] ?? Number.NaN) - value));
      t.true(error < 5e-6 * Math.hypot(...expected), `${what}: ${error}, ${out[what]}`);
    }
  });
}

test('a dense layer starts as asked and takes any leading axes, also a symbolic batch', (t) => {
  const { scope, y } = called(
    (own, at) => dense(own.sub('out'), at, 3, { init: { kind: 'zeros' } }),
    x(['batch', 2, 4]),
  );
  t.deepEqual(y.shape, ['batch', 2, 3]);
  t.deepEqual(
    scope.parameters.map(({ path, shape, init }) => [path, shape, init.kind]),
    [
      ['out/kernel', [4, 3], 'zeros'],
      ['out/bias', [3], 'zeros'],
    ],
  );
});

test('an embedding takes int64 and any shape of ids; what is not an id is refused', async (t) => {
  const { scope, y } = called((own, at) => embedding(own, at, 3, 2), x([2, 1, 2], 'int64'));
  t.deepEqual(scope.parameters[0]?.path, 'embedding');
  const out = await run({ y }, { x: BigInt64Array.of(2n, 0n, 0n, 1n), embedding: wave(0, [3, 2]) });
  const table = [...wave(0, [3, 2])];
  t.deepEqual(
    [...(out.y ?? [])],
    [table.slice(4), table.slice(0, 2), table.slice(0, 2), table.slice(2, 4)].flat(),
  );
  t.throws(() => embedding(new Scope(), x([2]), 3, 2), {
    message: 'embedding: expected ids int32 or int64, got float32 [2]',
  });
  t.throws(() => embedding(new Scope(), x([2], 'int32'), 0, 2), {
    message: 'embedding: vocabulary: expected an integer ≥ 1, got 0',
  });
});

test('the derivative of an embedding is as large as its table and its rows, not their product', (t) => {
  for (const [vocabulary, width] of [
    [5000, 8],
    [64, 32],
  ] as const) {
    const { scope, y } = called((own, at) => embedding(own, at, vocabulary, width), x([4, 16], 'int32'));
    const [table] = scope.parameters.map(({ value }) => value);
    const gradient = grad(ops.reduceSum(ops.mul(y, y)), table ? [table] : []);
    const largest = topologicalOrder(gradient).flatMap(({ outputs }) =>
      outputs.map(({ shape }) => shape.map(Number).reduce((a, b) => a * b, 1)),
    );
    t.true(Math.max(...largest) <= vocabulary * Math.max(width, 64));
  }
});

test('a token that is masked changes nothing for the others; where all are, numbers are finite', async (t) => {
  const { scope, y } = called((own, at) => attention(own, at, { heads: 2, mask: padded }), x([2, 3, 4]));
  const parameters = Object.fromEntries(scope.parameters.map(({ path, shape }, k) => [path, wave(k, shape)]));
  const [one, two] = [wave(0, [2, 3, 4]), wave(0, [2, 3, 4])];
  two.fill(7, 8, 12);
  const [first, second] = [
    await run({ y }, { x: one, ...parameters }),
    await run({ y }, { x: two, ...parameters }),
  ];
  t.deepEqual(first.y?.subarray(0, 8), second.y?.subarray(0, 8));
  t.true(first.y?.every(Number.isFinite));
});

test('attention says what does not fit', (t) => {
  const given = (options: object, at = x([2, 3, 4])) =>
    t.throws(() => attention(new Scope(), at, { heads: 2, ...options }))?.message;
  t.is(given({ heads: 3 }), 'attention: expected a width that 3 heads divide, got 4');
  t.is(given({ mask: x([2, 3]) }), 'attention: expected a mask bool [2, 3], got float32 [2, 3]');
  t.is(given({ mask: x([3], 'bool') }), 'attention: expected a mask bool [2, 3], got bool [3]');
  t.is(given({}, x([2, 4])), 'attention: expected x [..., tokens, width], got [2, 4]');
  t.is(
    given({ bias: x([3, 3, 3]) }),
    'attention: expected a bias float32 that broadcasts to [2, 2, 3, 3], got float32 [3, 3, 3]',
  );
  t.is(
    given({ queries: x([2, 1, 5]) }),
    'attention: expected queries float32 of the shape [2, 3, 4] but for their number, got float32 [2, 1, 5]',
  );
  t.is(
    given({ queries: x([2, 1, 4]), causal: true }),
    'attention: expected no queries beside causal, which is among the tokens of x',
  );
});

test('permuted rows come back by the inverse, in one Gather each; what is no permutation is refused', async (t) => {
  const there = permutation([2, 0, 1]);
  const moved = permuteRows(x(['batch', 3, 2]), there);
  t.deepEqual(moved.shape, ['batch', 3, 2]);
  const [given] = [wave(0, [1, 3, 2])];
  const out = await run({ moved, back: permuteRows(moved, there.inverse) }, { x: given });
  t.deepEqual(out.moved, Float32Array.from([...given.subarray(4), ...given.subarray(0, 4)]));
  t.deepEqual(out.back, given);
  t.is(permuteRows(moved, permutation([0, 1, 2])), moved);
  t.is(there.inverse.inverse, there);
  const refused = { message: 'permutation: expected each of 0 to 2 once, got 0' };
  t.throws(() => permutation([0, 0, 2]), refused);
  t.throws(() => permutation([0, 1, 3]), { message: 'permutation: expected each of 0 to 2 once, got 3' });
  t.throws(() => permuteRows(x([2, 4]), there), {
    message: 'permuteRows: expected x [..., 3, columns], got [2, 4]',
  });
});

/** Vaswani et al. 2017, section 3.5: PE(pos, 2i) = sin(pos/10000^(2i/d)), PE(pos, 2i + 1) = cos of the same. */
test('sinusoidal positions are those of the paper, and learned ones a parameter', async (t) => {
  const { scope, y } = called((own, at) => positions(own, at, { kind: 'sinusoidal' }), x([1, 3, 5]));
  t.is(scope.variables.length, 0);
  const out = await run({ y }, { x: new Float32Array(15) });
  const expected = [0, 1, 2].flatMap((p) => {
    const [a, b, c] = [p, p / 10000 ** (2 / 5), p / 10000 ** (4 / 5)];
    return [Math.sin(a), Math.cos(a), Math.sin(b), Math.cos(b), Math.sin(c)];
  });
  t.true(expected.every((value, i) => Math.abs(value - (out.y?.[i] ?? Number.NaN)) < 1e-6));
  const learned = called(
    (own, at) => positions(own.sub('text'), at, { classToken: true }),
    x(['batch', 3, 2]),
  );
  t.deepEqual(
    learned.scope.parameters.map(({ path, shape }) => [path, shape]),
    [
      ['text/cls', [2]],
      ['text/positions', [4, 2]],
    ],
  );
  t.deepEqual(learned.y.shape, ['batch', 4, 2]);
});
