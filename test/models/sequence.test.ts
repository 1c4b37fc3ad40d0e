/** Recurrent text classifiers and FT-Transformer: PyTorch's logits, loss, gradient and exact regularization. */
import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { Scope } from '../../src/layers/scope.ts';
import { decayMask } from '../../src/layers/weight-decay.ts';
import { type FtTransformerConfig, ftTransformer } from '../../src/models/ft-transformer.ts';
import { buildTableModel, buildTextModel } from '../../src/models/index.ts';
import { type RecurrentConfig, recurrentText } from '../../src/models/recurrent.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import type { Task } from '../../src/tasks/task.ts';
import { run } from '../_run.ts';
import { differences } from '../_steps.ts';
import { GOLDENS, type Golden, weightsOf } from './_golden-sequence.ts';
import { expectSlicesToAgree } from './_sliced.ts';

function taskOf({ model, length, classes }: Golden): Task {
  if (model.kind === 'mlp' || model.kind === 'ft-transformer') {
    const features = model.kind === 'mlp' ? 0 : model.columns.reduce((sum, each) => sum + each, 0);
    // Without its rates, which PyTorch's numbers are without.
    const config = model.kind === 'mlp' ? model : { ...model, dropout: 0, attentionDropout: 0 };
    return classification({
      fields: { x: { dtype: 'float32', shape: [features] } },
      classes,
      model: (scope, { x }) => buildTableModel(scope, x ?? ops.input('x', []), classes, config),
    });
  }
  return classification({
    fields: { tokens: { dtype: 'int32', shape: [length] } },
    classes,
    model: (scope, { tokens }) => buildTextModel(scope, tokens ?? ops.input('x', []), classes, model),
  });
}

function feedsOf(golden: Golden): Record<string, Float32Array | Int32Array> {
  const { batch, classes, x, model } = golden;
  return {
    ...weightsOf(golden),
    ...(model.kind === 'ft-transformer' ? { x: Float32Array.from(x) } : { tokens: Int32Array.from(x) }),
    labels: Int32Array.from({ length: batch }, (_, i) => i % classes),
    'scalar/labelSmoothing': Float32Array.of(0),
    'weight/loss': Float32Array.of(batch),
    lambda: Float32Array.of(golden.lambda),
  };
}

for (const [name, golden] of Object.entries(GOLDENS)) {
  const task = taskOf(golden);

  for (const [kind, graph] of [
    ['gradient', 'loss-grad'],
    ['exact', 'gr-exact'],
  ] as const) {
    test(`${name}: PyTorch's loss and ${kind === 'exact' ? 'exact regularization' : 'gradient'}`, async (t) => {
      const graphs = new TaskGraphs(task, { batch: golden.batch });
      const out = await run(graphs.graph(graph).outputs, feedsOf(golden));
      t.true(Math.abs((out.loss?.[0] ?? Number.NaN) / golden.loss - 1) < 1e-5, String(out.loss));
      const paths = graphs.parameters.map(({ path }) => path);
      t.deepEqual(paths.toSorted(), Object.keys(golden[kind]).sort());
      const got = paths.map((path) => out[`grad/${path}`] ?? new Float32Array());
      const expected = paths.map((path) => Float32Array.from(golden[kind][path] ?? []));
      const [worst] = differences(got, expected, paths);
      t.true((worst?.error ?? 1) < 1e-4, `${worst?.name}: ${worst?.error}`);
    });
  }

  test(`${name}: PyTorch's logits by the graph that is exported`, async (t) => {
    const graphs = new TaskGraphs(task, { batch: 1 });
    const { logits } = await run(graphs.graph('infer').outputs, feedsOf(golden));
    t.is(logits?.length, golden.logits.length);
    golden.logits.forEach((value, i) => {
      t.true(Math.abs((logits?.[i] ?? Number.NaN) - value) < 1e-5, `${logits}`);
    });
  });
}

const parametersOf = (scope: Scope): number =>
  scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * Of `FTTransformer(n_cont_features=6, cat_cardinalities=[5, 7, 8], d_out=1, **FTTransformer.get_default_kwargs(layers))`
 * in rtdl_revisiting_models 0.0.2, whose predictions are also ours: `python scripts/peers/torch_sequence.py authors`.
 */
const PUBLISHED = [78_401, 269_353, 898_561, 2_117_545, 4_123_301, 7_118_977];
const DIAMONDS = [1, 1, 1, 1, 1, 1, 5, 7, 8];

test("an FT-Transformer has as many parameters as the authors', and a decay for each", (t) => {
  const counts = ([1, 2, 3, 4, 5, 6] as const).map((layers) => {
    const scope = new Scope();
    ftTransformer(scope, ops.input('x', [2, 26]), 1, { kind: 'ft-transformer', columns: DIAMONDS, layers });
    const decays = decayMask(scope.parameters.map(({ path }) => path));
    t.deepEqual(decays.slice(0, 4), [false, false, false, true]);
    return parametersOf(scope);
  });
  t.deepEqual(counts, PUBLISHED);
});

test('an FT-Transformer drops where the authors do, at their rates or those given', (t) => {
  const rates = (config: Partial<FtTransformerConfig>) => {
    const scope = new Scope();
    const columns = [1, 2];
    ftTransformer(scope, ops.input('x', [2, 3]), 1, { kind: 'ft-transformer', columns, ...config });
    return Object.fromEntries(scope.masks.map(({ name, keep }) => [name, Math.round(100 * (1 - keep))]));
  };
  t.deepEqual(rates({ layers: 2 }), {
    'random/block0/attn/drop/keep': 15,
    'random/block0/mlp/fc1/drop/keep': 5,
    'random/block1/attn/drop/keep': 15,
    'random/block1/mlp/fc1/drop/keep': 5,
  });
  t.deepEqual(rates({ layers: 1, attentionDropout: 0, dropout: 0.3, residualDropout: 0.2 }), {
    'random/drop/keep': 20,
    'random/block0/attn/out/drop/keep': 20,
    'random/block0/mlp/fc1/drop/keep': 30,
    'random/block0/mlp/fc2/drop/keep': 20,
  });
});

test('the training graphs of an FT-Transformer run with its masks, cut into slices or not', async (t) => {
  const task = classification({
    fields: { x: { dtype: 'float32', shape: [26] } },
    classes: 3,
    model: (scope, { x }) =>
      ftTransformer(scope, x ?? ops.input('x', []), 3, {
        ...{ kind: 'ft-transformer', columns: DIAMONDS, layers: 2, width: 32, heads: 2 },
        ...{ dropout: 0.2, residualDropout: 0.1 },
      }),
  });
  const random = new Random(4, 'sample');
  await expectSlicesToAgree(t, task, 256, {
    x: Float32Array.from({ length: 256 * 26 }, () => random.normal()),
    labels: Int32Array.from({ length: 256 }, (_, i) => i % 3),
  });
});

const RECURRENT: Omit<Extract<RecurrentConfig, { kind: 'lstm' }>, 'kind'> = { vocabulary: 11, width: 4 };

for (const kind of ['lstm', 'gru'] as const) {
  for (const pool of ['last', 'mean'] as const) {
    const built = (length: number, batch: number | 'batch' = 'batch') => {
      const scope = new Scope({ training: false });
      const ids = ops.input('ids', [batch, length], 'int32');
      const y = recurrentText(scope, ids, 3, { kind, ...RECURRENT, layers: 2, bidirectional: true, pool });
      return { scope, y };
    };
    test(`${kind}, ${pool}: padding changes nothing, and nothing but padding is finite`, async (t) => {
      const [short, long, fixed] = [built(3), built(5), built(5, 3)];
      const weights = Object.fromEntries(
        long.scope.parameters.map(({ path, shape }, k) => [
          path,
          Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.5 * Math.sin(1.7 * i + k)),
        ]),
      );
      const one = await run({ y: short.y }, { ...weights, ids: Int32Array.of(4, 10, 2, 7, 1, 0) });
      const ids = Int32Array.of(4, 10, 2, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0);
      const two = await run({ y: long.y }, { ...weights, ids });
      const three = await run({ y: fixed.y }, { ...weights, ids });
      t.is(two.y?.length, 9);
      const near = (a = Number.NaN, b = Number.NaN) => Math.abs(a - b) < 1e-6;
      t.true(two.y?.every((value, i) => near(value, three.y?.[i])));
      t.true(
        one.y?.every((value, i) => near(value, two.y?.[i])),
        `${one.y} ${two.y}`,
      );
      // An example of nothing but padding leaves the head its bias.
      const bias = weights['head/bias'];
      t.true(two.y?.subarray(6).every((value, i) => near(value, bias?.[i])));
      t.false(near(one.y?.[0], one.y?.[3]));
    });
  }

  test(`${kind}: dropout, and what does not fit`, (t) => {
    const scope = new Scope();
    const ids = ops.input('ids', [2, 4], 'int32');
    recurrentText(scope, ids, 3, { kind, ...RECURRENT, layers: 2, dropout: 0.1 });
    t.deepEqual(
      scope.masks.map(({ name }) => name),
      ['tokens', `${kind}/layer0`, 'head'].map((name) => `random/${name}/drop/keep`),
    );
    const given = (config: object, at = ids) =>
      t.throws(() => recurrentText(new Scope(), at, 3, { kind, ...RECURRENT, ...config }))?.message;
    t.is(
      given({}, ops.input('ids', [2], 'int32')),
      `${kind}: expected ids int32 or int64 [batch, length], got int32 [2]`,
    );
    t.is(
      given({}, ops.input('ids', [2, 4])),
      `${kind}: expected ids int32 or int64 [batch, length], got float32 [2, 4]`,
    );
    t.is(given({ width: 0 }), 'recurrent: width: expected >=1, got 0');
    t.is(given({ pool: 'first' }), 'recurrent: pool: expected ("last" | "mean"), got "first"');
  });
}

test('what does not fit an FT-Transformer', (t) => {
  const given = (config: object, x = ops.input('x', [2, 3])) =>
    t.throws(() => ftTransformer(new Scope(), x, 1, { kind: 'ft-transformer', columns: [1, 2], ...config }))
      ?.message;
  t.is(
    given({ columns: [1, 1] }),
    'ft-transformer: columns: expected [1, 1] to add up to the 3 features, got 2',
  );
  t.is(given({ heads: 7 }), 'ft-transformer: expected a width that 7 heads divide, got 192');
  t.is(given({ layers: 7 }), 'ft-transformer: layers: expected (1 | 2 | 3 | 4 | 5 | 6), got 7');
  t.is(
    given({}, ops.input('x', [2, 3, 1])),
    'ft-transformer: expected x float32 [batch, features], got float32 [2, 3, 1]',
  );
});
