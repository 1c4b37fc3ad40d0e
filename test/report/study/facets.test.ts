import test from 'ava';
import { facetsOf } from '../../../src/report/study/facets.ts';
import { settingName } from '../../../src/report/study/settings.ts';
import { type Made, madeCell, studyOf } from './_study.ts';

const facets = (...made: readonly Made[]) =>
  facetsOf(studyOf(made.map((each) => madeCell({ steps: 16, ...each }))));
const conditions = (...made: readonly Made[]) => facets(...made).conditions.map(({ name }) => name);
const settings = (...made: readonly Made[]) =>
  facets(...made).settings.map((setting) => settingName(setting));

test('conditions are in one order, under short names', (t) => {
  t.deepEqual(
    conditions(
      { gr: 'fd', grWarmup: 'zero' },
      { gr: 'fd', grWarmup: 'r' },
      { gr: 'fd' },
      { gr: 'none' },
      { gr: 'fd', grWarmup: 'lambda' },
    ),
    ['none', 'GR', 'GR + λ-warmup', 'GR + r-warmup', 'GR + zero-warmup'],
  );
});

test('kinds and strengths are named only where there are several', (t) => {
  t.deepEqual(conditions({ gr: 'exact' }), ['GR']);
  t.deepEqual(conditions({ gr: 'exact', grWarmup: 'zero' }, { gr: 'fd' }), ['exact GR + zero-warmup', 'GR']);
  t.deepEqual(conditions({ gr: 'fd', r: 0.1 }, { gr: 'fd', r: 0.05, grWarmup: 'zero' }), [
    'GR (r = 0.1)',
    'GR (r = 0.05) + zero-warmup',
  ]);
});

test('what a variant is, is told in full', (t) => {
  t.deepEqual(facets({ gr: 'fd' }, { gr: 'exact' }).meanings, [
    { name: 'GR', text: 'regularization by finite differences with r = 0.1, α = 1' },
    { name: 'exact GR', text: 'exact regularization by double backward with λ = 0.01' },
  ]);
});

test('settings are named by what differs, and told what they share', (t) => {
  t.deepEqual(settings({ gr: 'none' }, { gr: 'fd' }), ['all runs']);
  t.deepEqual(settings({ hasWarmup: false }, {}, { optimizer: 'sgd' }), [
    'AdamW · LR warmup',
    'AdamW · no LR warmup',
    'SGD · LR warmup',
  ]);
  t.is(facets({}, { hasWarmup: false }).common, 'vit-micro · CIFAR-10 · 50,000 images · AdamW');
});

test('a run that has not begun is in the setting of those that have', (t) => {
  const { settings } = facets(
    { seed: 0, fraction: 0.2 },
    { seed: 1, fraction: 0.2, steps: 0 },
    { fraction: 1 },
  );
  t.deepEqual(
    settings.map((setting) => [settingName(setting), setting.arms[0]?.cells.length]),
    [
      ['50,000 images', 1],
      ['10,000 images', 2],
    ],
  );
});
