/** VGG, wide ResNets and PyramidNets: published parameter counts, PyTorch's numbers, and what is refused. */
import test from 'ava';
import { Scope } from '../../src/layers/scope.ts';
import { decayMask } from '../../src/layers/weight-decay.ts';
import { buildModel, type ModelConfig } from '../../src/models/index.ts';
import { PYRAMIDNET_VARIANTS, pyramidnet } from '../../src/models/pyramidnet.ts';
import { VGG_VARIANTS, vgg } from '../../src/models/vgg.ts';
import { WIDE_RESNET_VARIANTS, wideResnet } from '../../src/models/wide-resnet.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { readGoldens } from './_golden-images.ts';
import { torchTests } from './_torch.ts';

const images = (side: number) => input('images', [2, 3, side, side]);

function built(config: ModelConfig, side = 32, classes = 10): Scope {
  const scope = new Scope();
  buildModel(scope, images(side), classes, config);
  return scope;
}

const count = (scope: Scope): number => scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * For ImageNet of torchvision 0.29's vgg11_bn() and so on. With one linear layer for CIFAR-10 they are those less the
 * classifier's, sum(p.numel() for p in vgg16_bn().features.parameters()), and 5,130. micro by scripts/peers/torch_cnns.py.
 */
const VGG: Readonly<Record<keyof typeof VGG_VARIANTS, readonly [cifar: number, imagenet: number]>> = {
  micro: [34_058, 226_427_112],
  11: [9_231_114, 132_868_840],
  13: [9_416_010, 133_053_736],
  16: [14_728_266, 138_365_992],
  19: [20_040_522, 143_678_248],
};

for (const variant of ['micro', '11', '13', '16', '19'] as const) {
  test(`VGG-${variant} has as many parameters as published, with one linear layer or three`, (t) => {
    const [cifar, imagenet] = VGG[variant];
    t.is(count(built({ kind: 'vgg', variant })), cifar);
    t.is(count(built({ kind: 'vgg', variant, hidden: [4096, 4096], dropout: 0.5 }, 224, 1000)), imagenet);
  });
}

/**
 * WRN-28-10 and 40-10 as published (36.5 and 55.8 million), the first as pytorchcv 0.0.74 counts wrn28_10_cifar10(); all by scripts/peers/torch_cnns.py --counts.
 */
const WIDE: Readonly<Record<keyof typeof WIDE_RESNET_VARIANTS, number>> = {
  micro: 77_850,
  '16-4': 2_748_890,
  '28-10': 36_479_194,
  '40-10': 55_841_754,
};

for (const variant of ['micro', '16-4', '28-10', '40-10'] as const) {
  test(`WRN-${variant} has as many parameters as published`, (t) => {
    t.is(count(built({ kind: 'wide-resnet', variant })), WIDE[variant]);
  });
}

/**
 * As pytorchcv 0.0.74 counts pyramidnet110_a84_cifar10() and pyramidnet272_a200_bn_cifar10(); all by
 * scripts/peers/torch_cnns.py --counts.
 */
const PYRAMID: Readonly<Record<keyof typeof PYRAMIDNET_VARIANTS, number>> = {
  micro: 30_874,
  '110-84': 3_904_446,
  '164-48': 1_715_442,
  '272-200': 26_210_842,
};

for (const variant of ['micro', '110-84', '164-48', '272-200'] as const) {
  test(`PyramidNet-${variant} has as many parameters as published, whether it is shaken or not`, (t) => {
    t.is(count(built({ kind: 'pyramidnet', variant })), PYRAMID[variant]);
    t.is(count(built({ kind: 'pyramidnet', variant, shakeDrop: 0.5 })), PYRAMID[variant]);
  });
}

test('every variant has a published count', (t) => {
  for (const [variants, counts] of [
    [VGG_VARIANTS, VGG],
    [WIDE_RESNET_VARIANTS, WIDE],
    [PYRAMIDNET_VARIANTS, PYRAMID],
  ] as const) {
    t.deepEqual(Object.keys(variants).sort(), Object.keys(counts).sort());
  }
});

for (const [name, golden] of Object.entries(readGoldens('cnns'))) torchTests(`a ${name}`, golden);

test('a PyramidNet drops its last block with the rate, those before more rarely, each example for itself', (t) => {
  const { masks, uniforms } = built({ kind: 'pyramidnet', variant: '272-200', shakeDrop: 0.5 });
  t.is(masks.length, 90);
  t.is(uniforms.length, 180);
  masks.forEach(({ keep, per, value }, i) => {
    t.true(Math.abs(keep - (1 - (0.5 * (i + 1)) / 90)) < 1e-12);
    t.deepEqual([per, value.shape], ['example', [2, 1, 1, 1]]);
  });
  t.deepEqual(built({ kind: 'pyramidnet', variant: 'micro' }).masks, []);
});

test('dropout is of the hidden layers of a VGG, and of every block of a wide ResNet', (t) => {
  const names = (config: ModelConfig) => built(config).masks.map(({ name, keep }) => [name, keep]);
  t.deepEqual(names({ kind: 'vgg', variant: 'micro', hidden: [8, 8], dropout: 0.5 }), [
    ['random/fc1/drop/keep', 0.5],
    ['random/fc2/drop/keep', 0.5],
  ]);
  t.deepEqual(
    names({ kind: 'wide-resnet', variant: 'micro', dropout: 0.3 }),
    [0, 1, 2].map((stage) => [`random/stage${stage}/block0/drop/keep`, 0.7]),
  );
});

test('kernels decay, and nothing else', (t) => {
  for (const config of [
    { kind: 'vgg', variant: 'micro', hidden: [8] },
    { kind: 'wide-resnet', variant: 'micro' },
    { kind: 'pyramidnet', variant: 'micro' },
  ] satisfies ModelConfig[]) {
    const paths = built(config).parameters.map(({ path }) => path);
    t.deepEqual(
      decayMask(paths),
      paths.map((path) => path.endsWith('kernel')),
    );
  }
});

test('what does not fit is refused in one line', (t) => {
  const message = (f: () => unknown) => t.throws(f)?.message;
  const scope = () => new Scope();
  t.is(
    message(() => vgg(scope(), images(16), 10, { kind: 'vgg', variant: '16' })),
    'maxPool: expected an image of at least 2 × 2 pixels with its padding, got 1 × 1 with padding 0 × 0',
  );
  t.is(
    message(() => vgg(scope(), images(32), 10, { kind: 'vgg', blocks: [1, 2] })),
    'vgg: expected a variant, or blocks and widths',
  );
  t.is(
    message(() => vgg(scope(), images(32), 10, { kind: 'vgg', variant: '16', blocks: [1, 2] })),
    'vgg: expected as many blocks as widths, one for each stage',
  );
  t.is(
    message(() => wideResnet(scope(), images(32), 10, { kind: 'wide-resnet', depth: 27, widen: 2 })),
    'wideResnet: depth: expected 10, 16, 22, 28 or so on, by steps of 6',
  );
  t.is(
    message(() => wideResnet(scope(), images(32), 10, { kind: 'wide-resnet', depth: 28 })),
    'wideResnet: expected a variant, or depth and widen',
  );
  t.is(
    message(() => pyramidnet(scope(), images(32), 10, { kind: 'pyramidnet', variant: 'micro', depth: 100 })),
    'pyramidnet: expected a depth of 2 + 6n with basic blocks, 2 + 9n with bottlenecks',
  );
  t.is(
    message(() => pyramidnet(scope(), images(30), 10, { kind: 'pyramidnet', variant: 'micro' })),
    'pyramidnet: expected images whose rows and columns 4 divides, got 30 × 30',
  );
  t.is(
    message(() =>
      pyramidnet(scope(), images(32), 10, { kind: 'pyramidnet', variant: 'micro', shakeDrop: 1 }),
    ),
    'pyramidnet: shakeDrop: expected <1, got 1',
  );
});

test("a spec's error names its file and the field", (t) => {
  const spec = (model: object) => ({
    ...{ dataset: 'cifar10', image: { channels: 3, height: 32, width: 32 }, classes: 10 },
    ...{ microBatch: 8, model },
  });
  const message = (model: object) => t.throws(() => parseSpec(spec(model), 'spec.json'))?.message;
  t.is(
    message({ kind: 'wide-resnet', variant: '28-12' }),
    'spec.json: model.variant: expected ("micro" | "16-4" | "28-10" | "40-10"), got "28-12"',
  );
  t.is(
    message({ kind: 'pyramidnet', variant: 'micro', shakedrop: 0.5 }),
    'spec.json: model.shakedrop: unknown field; did you mean shakeDrop?; remove it or correct its name',
  );
});
