import test from 'ava';
import type { PassName } from '../../src/passes/finish.ts';
import { matmulFlops } from '../../src/passes/flops.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { graphOf } from '../_run.ts';

test('the forward pass of ViT-Ti on 32 CIFAR images is 23.4 GFLOP of matrix products', (t) => {
  const spec = imageSpec({
    dataset: 'cifar10',
    image: { channels: 3, height: 32, width: 32 },
    classes: 10,
    model: { kind: 'vit', variant: 'ti', patch: 4 },
    microBatch: 32,
  });
  const flops = (without: readonly PassName[]): string => {
    const { loss } = imageGraphs(spec, 32, { without }).graph('loss-grad').outputs;
    return (matmulFlops(graphOf(loss ? { loss } : {})) / 1e9).toFixed(1);
  };
  t.is(flops(['slice-up']), '23.4');
  // Of the last block, all but keys and values is computed for the class token only.
  t.is(flops([]), '21.8');
});
