/** ResNets: published parameter counts; PyTorch's loss, gradient, exact regularization and running statistics. */
import test from 'ava';
import { Scope } from '../../src/layers/scope.ts';
import { RESNET_VARIANTS, type ResnetConfig, resnet } from '../../src/models/resnet.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { readGoldens } from './_golden-images.ts';
import { torchTests } from './_torch.ts';

const build = (config: Omit<ResnetConfig, 'kind'>, side: number, classes: number) => {
  const scope = new Scope();
  const logits = resnet(scope, input('images', [2, 3, side, side]), classes, { kind: 'resnet', ...config });
  return { scope, logits };
};

const count = (config: Omit<ResnetConfig, 'kind'>, side: number, classes: number): number =>
  build(config, side, classes).scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * Of torchvision 0.29's resnet18() and so on, 1,000 classes; and of these with a first convolution 3×3 and 10 classes.
 * micro by scripts/peers/torch_resnet.py.
 */
const PUBLISHED: Readonly<Record<keyof typeof RESNET_VARIANTS, readonly [imagenet: number, cifar: number]>> =
  {
    micro: [144_312, 78_042],
    18: [11_689_512, 11_173_962],
    34: [21_797_672, 21_282_122],
    50: [25_557_032, 23_520_842],
    101: [44_549_160, 42_512_970],
  };

for (const variant of ['micro', '18', '34', '50', '101'] as const) {
  test(`ResNet-${variant} has as many parameters as published, with either stem`, (t) => {
    const [imagenet, cifar] = PUBLISHED[variant];
    t.is(count({ variant, stem: 'imagenet' }, 64, 1000), imagenet);
    t.is(count({ variant, stem: 'cifar' }, 32, 10), cifar);
  });
}

test('every variant has a published count', (t) => {
  t.deepEqual(Object.keys(RESNET_VARIANTS).sort(), Object.keys(PUBLISHED).sort());
});

for (const [name, golden] of Object.entries(readGoldens('resnet'))) torchTests(`a ${name} ResNet`, golden);
