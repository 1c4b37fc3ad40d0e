/** A ResNet's names in torchvision. */
import type { Naming } from './naming.ts';

export const NORM_PARTS: Readonly<Record<string, string>> = {
  scale: 'weight',
  bias: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
};

/** How many batches a norm has seen, which its mean and variance do not depend on here. */
export const BATCHES = /(^|\.)num_batches_tracked$/;

/** `stage0/block1/conv2/kernel` is `layer1.1.conv2.weight`, `stem/norm/mean` is `bn1.running_mean`. */
export const torchvisionResnet: Naming = {
  name: "torchvision's ResNet",
  matches: (names) => names.has('layer1.0.conv1.weight'),
  source: (path) => {
    if (path === 'head/kernel') return { name: 'fc.weight', isWeight: true };
    if (path === 'head/bias') return { name: 'fc.bias' };
    const [, stage, block, shortcut, layer, index = '', part = ''] =
      /^(?:stem|stage(\d+)\/block(\d+))(\/shortcut)?\/(conv|norm)(\d?)\/(\w+)$/.exec(path) ?? [];
    if (layer === undefined) return undefined;
    const prefix = stage === undefined ? '' : `layer${Number(stage) + 1}.${block}.`;
    const isConvolution = layer === 'conv';
    const named = shortcut
      ? `downsample.${isConvolution ? 0 : 1}`
      : `${isConvolution ? 'conv' : 'bn'}${index || 1}`;
    return { name: `${prefix}${named}.${isConvolution ? 'weight' : NORM_PARTS[part]}`, isConvolution };
  },
  unused: BATCHES,
};
