import test from 'ava';
import { groupIndices, groupOf } from '../../../src/run/diagnostics/groups.ts';
import { imageGraphs, imageSpec } from '../../_networks.ts';

const pathsOf = (model: object): string[] => {
  const image = { channels: 1, height: 8, width: 8 };
  const spec = imageSpec({ dataset: 'mnist', image, classes: 3, model, microBatch: 2 });
  return imageGraphs(spec, 2).parameters.map(({ path }) => path);
};

test('a Vision Transformer has five groups, which hold every parameter once', (t) => {
  const paths = pathsOf({ kind: 'vit', patch: 4, width: 8, layers: 2, heads: 2 });
  const groups = groupIndices(paths);
  t.deepEqual([...groups.keys()], ['embedding', 'norms', 'attention', 'mlp', 'head']);
  t.deepEqual(
    [...groups.values()].flat().sort((a, b) => a - b),
    [...paths.keys()],
  );
  t.is(groupOf('block11/attn/key/bias'), 'attention');
  t.is(groupOf('block11/norm2/scale'), 'norms');
  t.is(groupOf('norm/bias'), 'norms');
  t.is(groupOf('stage1/merge/kernel'), 'merging');
  t.is(groupOf('class1/scale2/scale'), 'layer scales');
  t.is(groupOf('stage1/block0/attn/positions'), 'attention');
  t.deepEqual(
    (groups.get('embedding') ?? []).map((i) => paths[i]),
    ['embed/kernel', 'embed/bias', 'cls', 'positions'],
  );
});

test('any other model has groups, too: the parts at its top, without their numbers', (t) => {
  const paths = pathsOf({ kind: 'mlp', hidden: [4, 4] });
  t.deepEqual([...groupIndices(paths).keys()], ['fc', 'head']);
  t.deepEqual(['stage3/conv/kernel', 'scale', '7/kernel', ''].map(groupOf), ['stage', 'scale', '7', '']);
});
