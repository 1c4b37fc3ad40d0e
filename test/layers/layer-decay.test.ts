/** Layer-wise decay of the learning rate: timm's factors, and what steps make of them. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import * as og from '../../src/index.ts';
import { layerFactors } from '../../src/layers/layer-decay.ts';
import { createResidentSession, createSession } from '../../src/runtime/ort.node.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { type Steps, start, stepsInTrainer, stepsOnDevice } from '../_steps.ts';

/**
 * timm 1.0.31:
 *
 *     model = timm.create_model('vit_tiny_patch16_224', depth=3)    # and those of the lines below
 *     for g in timm.optim.param_groups_layer_decay(model, layer_decay=0.75):
 *         print(g['lr_scale'], …)                                   # the names of g['params']
 *
 * swin_tiny_patch4_window7_224 with depths=(1, 2), num_heads=(3, 6), embed_dim=24; cait_xxs24_224 with depth=3,
 * depth_token_only=2; resnet18. Names are those of the same parameters here.
 */
const TIMM: Readonly<Record<string, { readonly model: object; readonly scales: Record<string, number> }>> = {
  'ViT of 3 blocks': {
    model: { kind: 'vit', patch: 8, width: 16, layers: 3, heads: 2 },
    scales: {
      ...{ cls: 0.31640625, positions: 0.31640625, embed: 0.31640625 },
      ...{ block0: 0.421875, block1: 0.5625, block2: 0.75, norm: 0.75, head: 1 },
    },
  },
  'Swin of 1 and 2 blocks': {
    model: { kind: 'swin', patch: 4, width: 24, blocks: [1, 2], heads: [3, 6], window: 4 },
    scales: {
      ...{ embed: 0.31640625, 'stage0/block0': 0.421875 },
      ...{ 'stage1/merge': 0.5625, 'stage1/block0': 0.5625, 'stage1/block1': 0.75, norm: 0.75, head: 1 },
    },
  },
  'CaiT of 3 blocks and 2 of class attention': {
    model: { kind: 'cait', patch: 8, width: 16, layers: 3, classLayers: 2, heads: 2 },
    scales: {
      ...{ cls: 0.31640625, positions: 0.31640625, embed: 0.31640625, block0: 0.421875, block1: 0.5625 },
      ...{ class0: 0.5625, block2: 0.75, class1: 0.75, norm: 0.75, head: 1 },
    },
  },
  'ResNet-18': {
    model: { kind: 'resnet', variant: '18', stem: 'cifar' },
    scales: {
      ...{ 'stem/conv': 0.075084686, 'stem/norm': 0.075084686 },
      ...{ 'stage0/block0': 0.100112915, 'stage0/block1': 0.133483887, 'stage1/block0': 0.177978516 },
      ...{ 'stage1/block1': 0.237304688, 'stage2/block0': 0.31640625, 'stage2/block1': 0.421875 },
      ...{ 'stage3/block0': 0.5625, 'stage3/block1': 0.75, head: 1 },
    },
  },
};

const image = { channels: 3, height: 32, width: 32 };
const specOf = (model: object) => imageSpec({ dataset: 'cifar10', image, classes: 10, model, microBatch: 4 });

for (const [name, { model, scales }] of Object.entries(TIMM)) {
  test(`${name}: the factors of every parameter are timm's`, (t) => {
    const paths = imageGraphs(specOf(model), 4).parameters.map(({ path }) => path);
    const used = new Set<string>();
    layerFactors(paths, 0.75).forEach((factor, i) => {
      const path = paths[i] ?? '';
      const key = Object.keys(scales).find((each) => path === each || path.startsWith(`${each}/`)) ?? '';
      used.add(key);
      t.true(Math.abs(factor - (scales[key] ?? Number.NaN)) < 1e-8, `${path}: ${factor}`);
    });
    t.deepEqual([...used].sort(), Object.keys(scales).sort());
  });
}

test('stages without blocks, recurrent layers, a trunk under a name, no head', (t) => {
  t.deepEqual(layerFactors(['stage0/conv0/kernel', 'stage1/norm0/bias', 'head/kernel'], 0.5), [0.25, 0.5, 1]);
  t.deepEqual(
    layerFactors(['tokens/embedding', 'gru/layer0/forward/kernel', 'head/bias'], 0.5),
    [0.25, 0.5, 1],
  );
  const trunk = [
    'trunk/embed/kernel',
    'trunk/embed/norm/scale',
    'trunk/block0/w',
    'trunk/block1/w',
    'trunk/norm/scale',
  ];
  t.deepEqual(layerFactors(trunk, 0.5), [0.25, 0.25, 0.5, 1, 1]);
  t.deepEqual(layerFactors([...trunk, 'own/head/kernel'], 0.5), [0.125, 0.125, 0.25, 0.5, 0.5, 1]);
});

test('without blocks there is one clear line', (t) => {
  t.throws(() => layerFactors(['fc0/kernel', 'fc0/bias', 'head/kernel'], 0.5, '--layer-decay'), {
    instanceOf: UserError,
    message:
      '--layer-decay: the model has no blocks or stages by which layers are counted; its variables are fc0/kernel, fc0/bias, head/kernel; leave it out',
  });
});

test('a step moves every parameter by its factor of what it would, on host and device', async (t) => {
  const spec = imageSpec({
    ...{ dataset: 'mnist', image: { channels: 1, height: 8, width: 8 }, classes: 7, microBatch: 8 },
    model: { kind: 'vit', patch: 4, width: 16, layers: 2, heads: 2 },
  });
  const sgd = { optimizer: 'sgd', momentum: 0, gr: 'none', warmupEpochs: 0, schedule: 'constant' };
  const steps = (more: object): Steps => ({ spec, batch: 8, count: 1, options: { ...sgd, ...more } });
  const cpu = { device: 'cpu', threads: 1 } as const;
  const ways = [
    (of: Steps) => stepsInTrainer(of, (model) => createSession(model, cpu)),
    (of: Steps) => stepsOnDevice(of, (model, next) => createResidentSession(model, cpu, next)),
  ];
  const { manifest } = start(steps({ layerDecay: 0.5 }));
  for (const taken of ways) {
    const [still, plain, decayed] = await Promise.all(
      [{ learningRate: 1e-30 }, {}, { layerDecay: 0.5 }].map(
        async (more) => (await taken(steps(more))).arrays.parameters,
      ),
    );
    const length = (k: number, of = plain) =>
      Math.hypot(...(of?.[k] ?? []).map((x, i) => x - (still?.[k]?.[i] ?? Number.NaN)));
    let compared = 0;
    manifest.variables.forEach(({ path, learningRate }, k) => {
      if (length(k) < 1e-4) return; // rounding, as a key's bias
      compared++;
      const ratio = length(k, decayed) / length(k);
      t.true(Math.abs(ratio - learningRate) < 2e-2 * learningRate, `${path}: ${ratio}, not ${learningRate}`);
    });
    t.true(compared > 20);
  }
});

test('fit has it, times the factors of groups', async (t) => {
  const options = {
    data: { x: Float32Array.of(0.1, 0.7, -0.4, 1), y: Float32Array.of(1, 2, 3, 4) },
    model: (scope: og.Scope, { x }: { x: og.Value }) =>
      og.dense(scope.sub('head'), og.tanh(og.dense(scope.sub('block0').sub('w'), x, 3)), 1),
    loss: (out: og.Value, { y }: { y: og.Value }) => og.mse(out, y),
    ...{ epochs: 1, batchSize: 4, verbose: false },
    optimizer: og.sgd({ learningRate: 1e-3, momentum: 0 }),
  };
  const still = (await og.fit({ ...options, optimizer: og.sgd({ learningRate: 0 }) })).weights;
  const plain = (await og.fit(options)).weights;
  const groups = [{ match: /bias/, learningRate: 3 }];
  const decayed = (await og.fit({ ...options, groups, layerDecay: 0.25 })).weights;
  for (const [path, factor] of [
    ['block0/w/kernel', 0.25],
    ['block0/w/bias', 0.75],
    ['head/kernel', 1],
    ['head/bias', 3],
  ] as const) {
    const moved = (of: og.Weights) =>
      (of[path]?.data[0] ?? Number.NaN) - (still[path]?.data[0] ?? Number.NaN);
    t.true(
      Math.abs(moved(decayed) / moved(plain) - factor) < 1e-2,
      `${path}: ${moved(decayed) / moved(plain)}`,
    );
  }
  await t.throwsAsync(og.fit({ ...options, layerDecay: 2 }), {
    instanceOf: UserError,
    message: 'layerDecay: expected a factor above 0 and at most 1, got 2',
  });
});
