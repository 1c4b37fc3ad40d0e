/** torchvision's names of a VGG with batch normalization. */
import type { Naming } from './naming.ts';
import { BATCHES, NORM_PARTS } from './resnet.ts';

/**
 * `features` is one sequence of convolution, norm, relu, with a max pool behind each stage: so the norms of a stage lie
 * three apart, and those around its pool four.
 */
function vggNorms(names: ReadonlySet<string>): number[][] {
  const places = [...names].flatMap((name) => /^features\.(\d+)\.running_mean$/.exec(name)?.[1] ?? []);
  const stages: number[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const place of places.map(Number).sort((a, b) => a - b)) {
    if (place - last > 3) stages.push([]);
    stages.at(-1)?.push(place);
    last = place;
  }
  return stages;
}

/** `stage1/conv0/kernel` of VGG-16 is `features.7.weight`, `fc1/bias` is `classifier.0.bias`, `head` the last classifier. */
export const torchvisionVgg: Naming = {
  name: "torchvision's VGG",
  matches: (names) => names.has('features.0.weight') && names.has('features.1.running_mean'),
  source: (path, names) => {
    const [, fc, kind] = /^(?:fc(\d+)|head)\/(kernel|bias)$/.exec(path) ?? [];
    if (kind !== undefined) {
      const classifiers = [...names].flatMap((name) => /^classifier\.(\d+)\.weight$/.exec(name)?.[1] ?? []);
      // A relu and dropout behind each.
      const place = fc === undefined ? Math.max(...classifiers.map(Number)) : 3 * (Number(fc) - 1);
      const isWeight = kind === 'kernel';
      return { name: `classifier.${place}.${isWeight ? 'weight' : 'bias'}`, isWeight };
    }
    const [, stage, layer, i, part = ''] = /^stage(\d+)\/(conv|norm)(\d+)\/(\w+)$/.exec(path) ?? [];
    const place = vggNorms(names)[Number(stage)]?.[Number(i)];
    if (place === undefined) return undefined;
    if (layer === 'norm') return { name: `features.${place}.${NORM_PARTS[part]}` };
    const isConvolution = part === 'kernel';
    return { name: `features.${place - 1}.${isConvolution ? 'weight' : 'bias'}`, isConvolution };
  },
  unused: BATCHES,
};
