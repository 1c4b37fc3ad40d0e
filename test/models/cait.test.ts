/** CaiT: published parameter counts, where LayerScale starts, its masks, and what a config that does not fit is told. */
import test from 'ava';
import { Scope } from '../../src/layers/scope.ts';
import { CAIT_VARIANTS, type CaitConfig, cait } from '../../src/models/cait.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import { expectSlicesToAgree } from './_sliced.ts';

type Config = Omit<CaitConfig, 'kind'>;

function built(config: Config, side: number, classes: number, training = true) {
  const scope = new Scope({ training });
  cait(scope, input('images', [2, 3, side, side]), classes, { kind: 'cait', ...config });
  return scope;
}

/** By timm 1.0.31: cait_xxs24_224 and so on; micro by Cait(img_size=32, patch_size=4, num_classes=10, embed_dim=64, depth=3, num_heads=4). */
const PUBLISHED: Readonly<
  Record<keyof typeof CAIT_VARIANTS, readonly [side: number, patch: number, classes: number, count: number]>
> = {
  micro: [32, 4, 10, 258_754],
  'xxs-24': [224, 16, 1000, 11_956_264],
  'xxs-36': [224, 16, 1000, 17_299_720],
  'xs-24': [384, 16, 1000, 26_670_088],
  's-24': [224, 16, 1000, 46_916_200],
  's-36': [384, 16, 1000, 68_366_632],
};

for (const variant of ['micro', 'xxs-24', 'xxs-36', 'xs-24', 's-24', 's-36'] as const) {
  test(`CaiT-${variant} has as many parameters as published`, (t) => {
    const [side, patch, classes, count] = PUBLISHED[variant];
    const { parameters } = built({ variant, patch }, side, classes);
    t.is(
      parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
      count,
    );
  });
}

test('every variant has a published count', (t) => {
  t.deepEqual(Object.keys(CAIT_VARIANTS).sort(), Object.keys(PUBLISHED).sort());
});

test('LayerScale starts as the variant or the config says, in all blocks', (t) => {
  const starts = (config: Config) => {
    const scales = built(config, 32, 10).parameters.filter(({ path }) => /scale[12]\/scale$/.test(path));
    return [scales.length, ...new Set(scales.map(({ init }) => JSON.stringify(init)))];
  };
  t.deepEqual(starts({ variant: 'xxs-24', patch: 4 }), [52, '{"kind":"constant","value":0.00001}']);
  t.deepEqual(starts({ variant: 's-36', patch: 4 }), [76, '{"kind":"constant","value":0.000001}']);
  t.deepEqual(starts({ variant: 'micro', patch: 4, layerScale: 0.5, classLayers: 1 }), [
    8,
    '{"kind":"constant","value":0.5}',
  ]);
});

const RANDOM = {
  ...{ patch: 4, width: 8, layers: 2, heads: 2, mlpRatio: 2, layerScale: 1 },
  ...{ dropout: 0.1, attentionDropout: 0.2, stochasticDepth: 0.3 },
} as const;

/** timm's Cait: pos_drop_rate, proj_drop_rate, attn_drop_rate and drop_path_rate, which its class blocks do not have. */
test('a CaiT with dropout and stochastic depth has the masks that timm has', (t) => {
  const block = (i: number) => [
    [`random/block${i}/attn/drop/keep`, [2, 2, 4, 4], 0.8],
    [`random/block${i}/attn/out/drop/keep`, [2, 4, 8], 0.9],
    [`random/block${i}/attn/out/depth/keep`, [2, 1, 1], 0.7],
    [`random/block${i}/mlp/fc1/drop/keep`, [2, 4, 16], 0.9],
    [`random/block${i}/mlp/fc2/drop/keep`, [2, 4, 8], 0.9],
    [`random/block${i}/mlp/fc2/depth/keep`, [2, 1, 1], 0.7],
  ];
  t.deepEqual(
    built(RANDOM, 8, 3).masks.map(({ name, keep, value }) => [name, value.shape, keep]),
    [['random/drop/keep', [2, 4, 8], 0.9], ...block(0), ...block(1)],
  );
  t.deepEqual(built(RANDOM, 8, 3, false).masks, []);
});

test('the graphs of a CaiT with dropout run with its masks, cut into slices or not', async (t) => {
  const batch = 128;
  const task = classification({
    fields: { images: { dtype: 'float32', shape: [1, 16, 16] } },
    classes: 3,
    model: (scope, { images }) => cait(scope, images ?? input('images', []), 3, { kind: 'cait', ...RANDOM }),
  });
  const random = new Random(1, 'sample');
  await expectSlicesToAgree(t, task, batch, {
    images: Float32Array.from({ length: batch * 256 }, () => random.uniform()),
    labels: Int32Array.from({ length: batch }, (_, i) => i % 3),
  });
});

test('what does not fit is told', (t) => {
  const told = (config: Partial<Config>) =>
    t.throws(() => built({ variant: 'xxs-24', patch: 4, ...config }, 32, 10))?.message;
  t.is(told({ heads: 5 }), 'cait: expected a width that 5 heads divide, got 192');
  t.is(told({ patch: 5 }), 'cait: expected an image size that patch 5 divides, got [32, 32]');
  t.is(told({ variant: undefined }), 'cait: expected a variant, or width, layers and heads');
  t.is(told({ classLayers: 0 }), 'cait: classLayers: expected >=1, got 0');
});
