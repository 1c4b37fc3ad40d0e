import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import * as v from 'valibot';
import { type GraphName, TaskGraphs } from '../../src/artifacts/graphs.ts';
import { initialize, Scope } from '../../src/layers/scope.ts';
import { VIT_VARIANTS, vit, vitSchema } from '../../src/models/vit.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { finish } from '../../src/passes/finish.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { isOwnSpec } from '../../src/tasks/spec.ts';
import { expectSlicesToAgree } from './_sliced.ts';

type Variant = keyof typeof VIT_VARIANTS;

/** Published counts at 224×224, patch 16, 1,000 classes (timm's vit_*_patch16_224); micro by the formula below. */
const PUBLISHED: Readonly<Record<Variant, number>> = {
  micro: 0,
  ti: 5_717_416,
  s: 22_050_664,
  b: 86_567_656,
  l: 304_326_632,
};

function count(config: object, image: readonly [number, number, number], classes: number): number {
  const scope = new Scope();
  vit(scope, input('images', [1, ...image]), classes, v.parse(vitSchema, { kind: 'vit', ...config }));
  return scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Patch embedding, class token and positions, blocks of 12d² + 13d, final norm, head. */
function formula(
  { width: d, layers }: { width: number; layers: number },
  tokens: number,
  patch: number,
  classes: number,
) {
  return patch * d + d + (tokens + 2) * d + layers * (12 * d * d + 13 * d) + 2 * d + d * classes + classes;
}

for (const variant of ['micro', 'ti', 's', 'b', 'l'] as const) {
  test(`ViT-${variant} has as many parameters as published`, (t) => {
    const got = count({ variant, patch: 16 }, [3, 224, 224], 1000);
    t.is(got, formula(VIT_VARIANTS[variant], 196, 768, 1000));
    if (PUBLISHED[variant] > 0) t.is(got, PUBLISHED[variant]);
  });
}

test('every variant has a published count', (t) => {
  t.deepEqual(Object.keys(VIT_VARIANTS), Object.keys(PUBLISHED));
});

test('ViT-Ti on CIFAR-10; with mean pooling the class token and its position are gone', (t) => {
  const cifar = [3, 32, 32] as const;
  t.is(count({ variant: 'ti', patch: 4 }, cifar, 10), 5_362_762);
  t.is(count({ variant: 'ti', patch: 4, pool: 'mean' }, cifar, 10), 5_362_762 - 2 * 192);
});

test('embedInit is how the kernel of the patch embedding starts, and nothing else', (t) => {
  const starts = (config: object) => {
    const scope = new Scope();
    const given = v.parse(vitSchema, { kind: 'vit', variant: 'micro', patch: 4, ...config });
    vit(scope, input('images', [1, 3, 32, 32]), 10, given);
    return Object.fromEntries(scope.parameters.map(({ path, init }) => [path, init.kind]));
  };
  const usual = starts({});
  t.is(usual['embed/kernel'], 'xavier-uniform');
  t.deepEqual(starts({ embedInit: 'xavier-uniform' }), usual);
  t.deepEqual(starts({ embedInit: 'lecun-normal' }), { ...usual, 'embed/kernel': 'lecun-normal' });
});

test('gelu-tanh takes the place of each GELU, and nothing else changes', (t) => {
  const built = (activation: 'gelu' | 'gelu-tanh') => {
    const scope = new Scope();
    const images = input('images', [1, 3, 8, 8]);
    const logits = vit(scope, images, 3, { kind: 'vit', ...RANDOM, activation });
    const inputs = [images, ...[...scope.variables, ...scope.masks].map(({ value }) => value)];
    const graph = finish({ name: 'vit', inputs, outputs: { logits } }, { target: 'cpu' });
    const counts: Record<string, number> = {};
    for (const { op } of topologicalOrder(Object.values(graph.outputs))) counts[op] = (counts[op] ?? 0) + 1;
    // What either formula is made of.
    const { Erf = 0, Tanh = 0, Add, Mul, Constant, ...rest } = counts;
    return { Erf, Tanh, rest, starts: scope.parameters.map(({ path, init }) => [path, init]) };
  };
  const [erf, tanh] = [built('gelu'), built('gelu-tanh')];
  const { layers } = RANDOM;
  t.like(erf, { Erf: layers, Tanh: 0 });
  t.deepEqual(tanh, { ...erf, Erf: 0, Tanh: layers });
});

test('every committed spec builds all its graphs', (t) => {
  const names = readdirSync('graphs');
  t.true(names.length >= 28);
  for (const name of names) {
    const file = `graphs/${name}/spec.json`;
    const spec = parseSpec(JSON.parse(readFileSync(file, 'utf8')), file);
    if (!isOwnSpec(spec)) throw new Error(`test: ${name} is not of ours`);
    const graphs = new TaskGraphs(taskOf(spec), { batch: 2, target: spec.target });
    const outputs = (graph: GraphName) => Object.keys(graphs.graph(graph).outputs);
    const { parameters, pass } = graphs;
    const gradients = parameters.map(({ path }) => `grad/${path}`);
    const sums = Object.keys(pass.sums).map((sum) => `sums/${sum}`);
    const states = [...pass.nextState.keys()].map((path) => `state/${path}`);
    t.true(sums.length > 0);
    t.deepEqual(outputs('loss-grad'), ['loss', ...sums, ...gradients, ...states]);
    t.deepEqual(outputs('gr-exact'), ['loss', 'grad_norm', ...sums, ...gradients, ...states]);
    t.deepEqual(
      outputs('hvp'),
      parameters.map(({ path }) => `hvp/${path}`),
    );
    t.deepEqual(outputs('infer'), [spec.task === 'table' ? 'output' : 'logits']);
    t.deepEqual(outputs('evaluate').slice(0, 1), ['total/loss']);
  }
});

test('parameters start as their init says, from seed and path alone', (t) => {
  const start = (path: string, shape: number[], init: Parameters<typeof initialize>[3], seed = 0) => {
    const out = new Float32Array(sizeOf(shape));
    initialize(out, path, shape, init, seed);
    return out;
  };
  const xavier = start('a/kernel', [300, 100], { kind: 'xavier-uniform' });
  const limit = Math.sqrt(6 / 400);
  t.true(xavier.every((x) => Math.abs(x) <= limit));
  t.true(Math.max(...xavier) > 0.99 * limit && Math.min(...xavier) < -0.99 * limit);
  const normal = start('positions', [100, 100], { kind: 'normal', std: 0.02 });
  const deviation = Math.sqrt(normal.reduce((sum, x) => sum + x * x, 0) / normal.length);
  t.true(Math.abs(deviation / 0.02 - 1) < 0.03);
  t.deepEqual(start('a/kernel', [300, 100], { kind: 'xavier-uniform' }), xavier);
  t.notDeepEqual(start('b/kernel', [300, 100], { kind: 'xavier-uniform' }), xavier);
  t.notDeepEqual(start('a/kernel', [300, 100], { kind: 'xavier-uniform' }, 1), xavier);
});

const RANDOM = { width: 8, layers: 3, heads: 2, patch: 4, dropout: 0.1, attentionDropout: 0.2 } as const;

/** timm's VisionTransformer: pos_drop, attn_drop, proj_drop, drop1, drop2 (all but attn_drop of drop_rate), drop_path1 and 2. */
test('a ViT with dropout and stochastic depth has the masks that timm has', (t) => {
  const scope = new Scope();
  const images = input('images', [2, 1, 8, 8]);
  vit(scope, images, 3, { kind: 'vit', ...RANDOM, stochasticDepth: 0.4 });
  const block = (i: number, depth: number) => [
    [`random/block${i}/attn/drop/keep`, [2, 2, 5, 5], 0.8],
    [`random/block${i}/attn/out/drop/keep`, [2, 5, 8], 0.9],
    ...(depth > 0 ? [[`random/block${i}/attn/out/depth/keep`, [2, 1, 1], 1 - depth]] : []),
    [`random/block${i}/mlp/fc1/drop/keep`, [2, 5, 32], 0.9],
    [`random/block${i}/mlp/fc2/drop/keep`, [2, 5, 8], 0.9],
    ...(depth > 0 ? [[`random/block${i}/mlp/fc2/depth/keep`, [2, 1, 1], 1 - depth]] : []),
  ];
  t.deepEqual(
    scope.masks.map(({ name, keep, value }) => [name, value.shape, keep]),
    [['random/drop/keep', [2, 5, 8], 0.9], ...block(0, 0), ...block(1, 0.2), ...block(2, 0.4)],
  );
  const still = new Scope({ training: false });
  vit(still, images, 3, { kind: 'vit', ...RANDOM, stochasticDepth: 0.4 });
  t.deepEqual(still.masks, []);
  t.deepEqual(
    still.parameters.map(({ path }) => path),
    scope.parameters.map(({ path }) => path),
  );
});

test('the graphs of a ViT with dropout run with its masks, cut into slices or not', async (t) => {
  const batch = 128;
  const task = classification({
    fields: { images: { dtype: 'float32', shape: [1, 20, 20] } },
    classes: 3,
    model: (scope, { images }) =>
      vit(scope, images ?? input('images', []), 3, { kind: 'vit', ...RANDOM, stochasticDepth: 0.3 }),
  });
  const random = new Random(1, 'sample');
  await expectSlicesToAgree(t, task, batch, {
    images: Float32Array.from({ length: batch * 400 }, () => random.uniform()),
    labels: Int32Array.from({ length: batch }, (_, i) => i % 3),
  });
});

test('rates have bounds', (t) => {
  const scope = new Scope();
  const images = input('images', [2, 1, 8, 8]);
  t.throws(() => vit(scope, images, 3, { kind: 'vit', variant: 'ti', patch: 4, dropout: 1 }), {
    message: 'vit: dropout: expected <1, got 1',
  });
});
