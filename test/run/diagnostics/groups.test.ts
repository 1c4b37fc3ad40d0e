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
  t.is(groupOf('stage1/block0/norm1/scale'), 'norms');
  t.is(groupOf('class1/scale2/scale'), 'layer scales');
  t.is(groupOf('stage1/block0/attn/positions'), 'attention');
  t.deepEqual(
    (groups.get('embedding') ?? []).map((i) => paths[i]),
    ['embed/kernel', 'embed/bias', 'cls', 'positions'],
  );
});

test('a convolutional network has its stem, its stages and its head; norms count with their stage', (t) => {
  for (const [model, last] of [
    [{ kind: 'resnet', variant: 'micro', stem: 'cifar' }, ['head']],
    [{ kind: 'pyramidnet', variant: 'micro' }, ['norms', 'head']],
    [{ kind: 'wide-resnet', variant: 'micro' }, ['norms', 'head']],
  ] as const) {
    const groups = groupIndices(pathsOf(model));
    t.deepEqual([...groups.keys()], ['stem', 'stage0', 'stage1', 'stage2', ...last]);
    t.is(groups.get('norms')?.length ?? 2, 2);
  }
  const vgg = groupIndices(pathsOf({ kind: 'vgg', variant: 'micro', hidden: [4] }));
  t.deepEqual([...vgg.keys()], ['stage0', 'stage1', 'stage2', 'fc', 'head']);
});

test('any other model has groups, too: the parts at its top, without their numbers', (t) => {
  const paths = pathsOf({ kind: 'mlp', hidden: [4, 4] });
  t.deepEqual([...groupIndices(paths).keys()], ['fc', 'head']);
  t.deepEqual(
    ['part3/conv/kernel', 'scale', '7/kernel', ''].map((path) => groupOf(path)),
    ['part', 'scale', '7', ''],
  );
});
