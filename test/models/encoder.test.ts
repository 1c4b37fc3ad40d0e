import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { grad } from '../../src/autodiff/grad.ts';
import { Scope } from '../../src/layers/scope.ts';
import { decayMask } from '../../src/layers/weight-decay.ts';
import { type EncoderConfig, encoder } from '../../src/models/encoder.ts';
import { type MlpConfig, mlp } from '../../src/models/mlp.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import { run } from '../_run.ts';
import { expectSlicesToAgree } from './_sliced.ts';

const CONFIG = { kind: 'encoder', vocabulary: 11, width: 8, layers: 2, heads: 2 } as const;

function built(config: EncoderConfig, length: number, dtype: 'int32' | 'int64' = 'int32') {
  const scope = new Scope({ training: false });
  const y = encoder(scope, ops.input('ids', ['batch', length], dtype), 3, config);
  const random = new Random(3, 'sample');
  const weights = Object.fromEntries(
    scope.parameters.map(({ path, shape }) => [
      path,
      Float32Array.from({ length: sizeOf(shape) }, () => 0.5 * random.normal()),
    ]),
  );
  return { scope, y, weights };
}

test('an encoder has the parameters that its sizes say, and a decay for each', (t) => {
  const { scope } = built({ ...CONFIG, pool: 'class' }, 5);
  const [d, block] = [8, 12 * 8 * 8 + 13 * 8];
  const count = scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  t.is(count, 11 * d + d + 6 * d + 2 * block + 2 * d + 3 * d + 3);
  const paths = scope.parameters.map(({ path }) => path);
  t.deepEqual(paths.slice(0, 4), ['tokens/embedding', 'cls', 'positions', 'block0/norm1/scale']);
  t.deepEqual(decayMask(paths).slice(0, 4), [true, false, false, false]);
  t.false(built(CONFIG, 5).scope.parameters.some(({ path }) => path === 'cls'));
});

/**
 * By PyTorch 2.14, with its own encoder layers:
 *
 *     torch.set_default_dtype(torch.float64)
 *     wave = lambda k, *shape: 0.8 * torch.sin(1.3 * torch.arange(torch.Size(shape).numel()) + k).reshape(shape)
 *     def encoder(ids, d=4, heads=2, layers=2, vocabulary=6, outputs=3):
 *         k = iter(range(100)); take = lambda *shape: wave(next(k), *shape)
 *         x = take(vocabulary, d)[ids] + take(ids.shape[1], d)
 *         real = ids != 0
 *         for _ in range(layers):
 *             layer = nn.TransformerEncoderLayer(d, heads, 4 * d, 0, "gelu", 1e-6, batch_first=True, norm_first=True)
 *             n1, qkv = [take(d), take(d)], [(take(d, d), take(d)) for _ in range(3)]
 *             out, n2 = (take(d, d), take(d)), [take(d), take(d)]
 *             fc1, fc2 = (take(d, 4 * d), take(4 * d)), (take(4 * d, d), take(d))
 *             state = {
 *                 "self_attn.in_proj_weight": torch.cat([kernel.T for kernel, _ in qkv]),
 *                 "self_attn.in_proj_bias": torch.cat([bias for _, bias in qkv]),
 *                 "self_attn.out_proj.weight": out[0].T, "self_attn.out_proj.bias": out[1],
 *                 "norm1.weight": n1[0], "norm1.bias": n1[1], "norm2.weight": n2[0], "norm2.bias": n2[1],
 *                 "linear1.weight": fc1[0].T, "linear1.bias": fc1[1], "linear2.weight": fc2[0].T, "linear2.bias": fc2[1],
 *             }
 *             layer.load_state_dict(state)
 *             x = layer.train()(x, src_key_padding_mask=~real)
 *         x = nn.functional.layer_norm(x, (d,), take(d), take(d), 1e-6)
 *         mean = (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)
 *         return mean @ take(d, outputs) + take(outputs)
 *     print([round(float(v), 7) for v in encoder(torch.tensor([[3, 1, 5], [2, 4, 0]])).detach().flatten()])
 */
test("an encoder gives the numbers of PyTorch's layers", async (t) => {
  const config = { ...CONFIG, vocabulary: 6, width: 4 };
  const { scope, y } = built(config, 3);
  const weights = scope.parameters.map(({ path, shape }, k) => [
    path,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.8 * Math.sin(1.3 * i + k)),
  ]);
  const out = await run({ y }, { ...Object.fromEntries(weights), ids: Int32Array.of(3, 1, 5, 2, 4, 0) });
  const expected = [-0.5854301, -0.1969509, 0.4800618, -0.5033695, -0.2604641, 0.3640218];
  t.is(out.y?.length, expected.length);
  for (const [i, value] of expected.entries()) {
    t.true(Math.abs((out.y?.[i] ?? Number.NaN) - value) < 3e-6, `${out.y}`);
  }
});

for (const pool of ['mean', 'class'] as const) {
  test(`an encoder's output does not depend on padding, and is finite where all is (${pool})`, async (t) => {
    const [short, long] = [built({ ...CONFIG, pool }, 3), built({ ...CONFIG, pool }, 5)];
    const { positions, ...shared } = long.weights;
    const rows = (pool === 'class' ? 4 : 3) * 8;
    const one = await run(
      { y: short.y },
      {
        ...shared,
        positions: positions?.slice(0, rows) ?? new Float32Array(),
        ids: Int32Array.of(4, 10, 2, 7, 1, 0),
      },
    );
    const two = await run(
      { y: long.y },
      { ...long.weights, ids: Int32Array.of(4, 10, 2, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0) },
    );
    t.is(two.y?.length, 9);
    t.true(two.y?.every(Number.isFinite));
    t.true(
      one.y?.every((value, i) => Math.abs(value - (two.y?.[i] ?? Number.NaN)) < 1e-5),
      `${one.y} ${two.y}`,
    );
    // And it does depend on the tokens.
    t.true(Math.abs((one.y?.[0] ?? 0) - (one.y?.[3] ?? 0)) > 1e-3);
  });

  test(`its gradient is finite where an example is all padding, and 0 for what is masked (${pool})`, async (t) => {
    const scope = new Scope();
    const ids = ops.constant(Int32Array.of(4, 10, 0, 0, 0, 0), [2, 3]);
    const y = encoder(scope, ids, 3, { ...CONFIG, pool });
    const gradient = grad(
      ops.reduceSum(ops.mul(y, y)),
      scope.parameters.map(({ value }) => value),
    );
    const named = Object.fromEntries(
      scope.parameters.map(({ path }, i) => [`grad/${path}`, gradient[i] ?? y]),
    );
    const out = await run(named, built({ ...CONFIG, pool }, 3).weights);
    for (const [path, values] of Object.entries(out)) t.true(values.every(Number.isFinite), path);
    const rows = out['grad/tokens/embedding'] ?? new Float32Array();
    const sizes = Array.from({ length: 11 }, (_, id) => Math.hypot(...rows.subarray(id * 8, id * 8 + 8)));
    t.deepEqual(
      sizes.flatMap((norm, id) => (norm > 0 ? [id] : [])),
      [4, 10],
    );
  });
}

for (const pool of ['mean', 'class'] as const) {
  const task = classification({
    fields: { ids: { dtype: 'int32', shape: [24] } },
    classes: 3,
    model: (scope, { ids }) =>
      encoder(scope, ids ?? ops.input('ids', []), 3, { ...CONFIG, pool, dropout: 0.1, stochasticDepth: 0.2 }),
  });

  test(`the training graphs of an encoder run with its masks, cut into slices or not (${pool})`, async (t) => {
    const batch = 128;
    const random = new Random(2, 'sample');
    await expectSlicesToAgree(t, task, batch, {
      // The first example is all padding, the others end in some.
      ids: Int32Array.from({ length: batch * 24 }, (_, i) =>
        i % 24 < Math.floor(i / 24) % 25 ? 1 + random.integer(10) : 0,
      ),
      labels: Int32Array.from({ length: batch }, (_, i) => i % 3),
    });
  });

  test(`an encoder is evaluated and predicts without masks, for any number of examples (${pool})`, async (t) => {
    const graphs = new TaskGraphs(task, { batch: 2 });
    const weights = Object.fromEntries(
      graphs.parameters.map(({ path, shape }, k) => [
        path,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.3 * Math.sin(1.3 * i + k)),
      ]),
    );
    const ids = Int32Array.from({ length: 3 * 24 }, (_, i) => (i < 30 ? 1 + (i % 10) : 0));
    const { logits } = await run(graphs.graph('infer').outputs, { ...weights, ids });
    t.is(logits?.length, 9);
    t.true(logits?.every(Number.isFinite));
    const out = await run(graphs.graph('evaluate').outputs, {
      ...weights,
      ids,
      labels: Int32Array.of(0, 1, 2),
    });
    const rows = [0, 3, 6].map((at) => [...(logits?.subarray(at, at + 3) ?? [])]);
    const expected = rows.reduce(
      (sum, row, label) =>
        sum + Math.log(row.reduce((all, each) => all + Math.exp(each), 0)) - (row[label] ?? Number.NaN),
      0,
    );
    t.true(
      Math.abs((out['total/loss']?.[0] ?? Number.NaN) - expected) < 1e-4,
      `${out['total/loss']} ${expected}`,
    );
  });
}

test('int64 ids, dropout, and what does not fit', (t) => {
  t.deepEqual(built(CONFIG, 4, 'int64').y.shape, ['batch', 3]);
  const scope = new Scope();
  encoder(scope, ops.input('ids', [2, 4], 'int32'), 3, { ...CONFIG, dropout: 0.1, layers: 1 });
  t.deepEqual(
    scope.masks.map(({ name }) => name),
    ['drop', 'block0/attn/out/drop', 'block0/mlp/fc1/drop', 'block0/mlp/fc2/drop'].map(
      (name) => `random/${name}/keep`,
    ),
  );
  const given = (config: object, ids = ops.input('ids', [2, 4], 'int32')) =>
    t.throws(() => encoder(new Scope(), ids, 3, { ...CONFIG, ...config }))?.message;
  t.is(given({ heads: 3 }), 'encoder: expected a width that 3 heads divide, got 8');
  t.is(given({ layers: 1000 }), 'encoder: layers: expected <=128, got 1000');
  t.is(given({}, ops.input('ids', [2], 'int32')), 'encoder: expected ids [batch, length], got [2]');
  t.is(given({}, ops.input('ids', [2, 4])), 'embedding: expected ids int32 or int64, got float32 [2, 4]');
});

test('an MLP on a table: any activation, dropout behind every hidden layer', async (t) => {
  const config: MlpConfig = { kind: 'mlp', hidden: [4, 3], activation: 'tanh', dropout: 0.5 };
  const scope = new Scope();
  t.deepEqual(mlp(scope, ops.input('x', [6, 2]), 1, config).shape, [6, 1]);
  t.deepEqual(
    scope.masks.map(({ name, value }) => [name, value.shape]),
    [
      ['random/fc0/drop/keep', [6, 4]],
      ['random/fc1/drop/keep', [6, 3]],
    ],
  );
  const still = new Scope({ training: false });
  const y = mlp(still, ops.input('x', ['batch', 2]), 1, { kind: 'mlp', hidden: [1], activation: 'tanh' });
  const out = await run(
    { y },
    {
      x: Float32Array.of(1, 2, -1, 0),
      'fc0/kernel': Float32Array.of(0.5, 0.25),
      'fc0/bias': Float32Array.of(0.1),
      'head/kernel': Float32Array.of(2),
      'head/bias': Float32Array.of(1),
    },
  );
  for (const [i, expected] of [2 * Math.tanh(1.1) + 1, 2 * Math.tanh(-0.4) + 1].entries()) {
    t.true(Math.abs((out.y?.[i] ?? Number.NaN) - expected) < 1e-6);
  }
});
