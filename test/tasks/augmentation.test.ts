import test from 'ava';
import fc from 'fast-check';
import { configFor, hyperparametersOf, resumedConfig } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import { augmentationOf, datasetSource, specInUse } from '../../src/inference/source.ts';
import {
  type Augmentation,
  augmentationText,
  mixesLabels,
  parseAugmentation,
  STEP_NAMES,
  stepsOf,
} from '../../src/tasks/augmentation.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { expectImageSpec } from '../../src/tasks/spec.ts';

const read = (given: unknown) => parseAugmentation(given, '--augment');

test('a text of steps is the list that JSON gives, with defaults', (t) => {
  const list = [
    { step: 'pad-crop', pad: 4, mode: 'reflect' },
    { step: 'flip' },
    { step: 'auto-augment', policy: 'cifar' },
    { step: 'cutout', size: 16, per: 'batch' },
    { step: 'mixup', alpha: 0.2, partner: 'reversed' },
  ];
  t.deepEqual(read('pad-crop:4:reflect, flip,auto-augment,cutout:per=batch,mixup:0.2'), list);
  t.deepEqual(read(list), list);
  t.deepEqual(read([{ step: 'random-resized-crop' }]), [
    { step: 'random-resized-crop', scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
  ]);
  t.deepEqual(read('random-resized-crop:0.25-1,random-erasing:0.25:0.1-0.2'), [
    { step: 'random-resized-crop', scale: [0.25, 1], ratio: [3 / 4, 4 / 3] },
    { step: 'random-erasing', p: 0.25, scale: [0.1, 0.2], ratio: [0.3, 3.3] },
  ]);
  t.deepEqual(read(STEP_NAMES.join(',')), read(STEP_NAMES.map((step) => ({ step }))));
});

test('short names stay as they were', (t) => {
  for (const name of ['auto', 'none', 'crop', 'crop-flip'] as const) t.is(read(name), name);
  t.deepEqual(stepsOf('none'), []);
  t.deepEqual(stepsOf('crop-flip'), read('pad-crop:4,flip'));
});

test('the text of a list reads as the same list', (t) => {
  const step = fc.oneof(
    fc.record({
      step: fc.constant('pad-crop'),
      pad: fc.integer({ min: 1, max: 9 }),
      mode: fc.constantFrom('constant', 'reflect'),
    }),
    fc.record({ step: fc.constantFrom('flip', 'random-resized-crop', 'auto-augment') }),
    fc.record({
      step: fc.constant('rand-augment'),
      n: fc.integer({ min: 1, max: 9 }),
      m: fc.integer({ min: 0, max: 30 }),
    }),
    fc.record({ step: fc.constant('random-resized-crop'), scale: fc.constantFrom([0.25, 1], [0.08, 0.5]) }),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (list) => {
      const parsed = read(list);
      t.deepEqual(read(augmentationText(parsed)), parsed);
    }),
  );
  t.is(
    augmentationText(read('pad-crop:4:reflect,cutout:8:image,mixup:1:permuted')),
    'pad-crop:4:reflect,cutout:8,mixup:1:permuted',
  );
  t.is(augmentationText(read([])), 'none');
});

const STEPS = STEP_NAMES.join(', ');
const WRONG: readonly (readonly [unknown, string])[] = [
  [
    'flp',
    `--augment: expected a step (${STEPS}) or one of none, crop, crop-flip, got "flp"; did you mean flip?`,
  ],
  [
    [{ step: 'cut-out' }],
    `--augment: step 1: expected a step (${STEPS}) or one of none, crop, crop-flip, got "cut-out"; did you mean cutout?`,
  ],
  [['flip'], `--augment: step 1: expected a step (${STEPS}) or one of none, crop, crop-flip, got "flip"`],
  ['flip,', `--augment: expected a step (${STEPS}) or one of none, crop, crop-flip, got ""`],
  [
    3,
    '--augment: expected auto, none, crop, crop-flip, or steps such as pad-crop:4:reflect,flip,cutout:16, or a list of steps, got 3',
  ],
  ['flip:3', '--augment: flip: expected no parameters, got "3" as well'],
  ['mixup:1:reversed:2', '--augment: mixup: expected at most alpha, partner, got "2" as well'],
  ['flip,cutout:0', '--augment: step 2: cutout: size: expected >=1, got 0'],
  ['cutout:8.5', '--augment: step 1: cutout: size: expected a whole number'],
  ['mixup:0', '--augment: step 1: mixup: alpha: expected >=0.001, got 0'],
  ['pad-crop:4:mirror', '--augment: step 1: pad-crop: mode: expected ("constant" | "reflect"), got "mirror"'],
  ['rand-augment:2:31', '--augment: step 1: rand-augment: m: expected <=30, got 31'],
  [
    'random-resized-crop:1-0.5',
    '--augment: step 1: random-resized-crop: scale: expected the smaller number first',
  ],
  ['random-resized-crop:0.5', '--augment: step 1: random-resized-crop: scale: expected Array, got 0.5'],
  [[{ step: 'cutout', sise: 3 }], '--augment: step 1: cutout: sise: unknown parameter; expected size, per'],
  [
    'cutout,flip',
    '--augment: step 2: flip works on bytes and cutout before it on normalised images: put flip before cutout',
  ],
  [
    'mixup,cutout',
    '--augment: step 2: cutout works on normalised images and mixup before it on whole batches: put cutout before mixup',
  ],
];
for (const [given, message] of WRONG) {
  test(`an augmentation that is none is named: ${JSON.stringify(given)}`, (t) => {
    t.throws(() => read(given), { instanceOf: UserError, message });
  });
}

const SPEC = {
  dataset: 'mnist',
  image: { channels: 1, height: 28, width: 28 },
  classes: 10,
  model: { kind: 'vit', variant: 'micro', patch: 7 },
  microBatch: 4,
};

test('what a run says goes before what the spec says, and that before what suits the dataset', (t) => {
  const plain = parseSpec(SPEC, 'spec.json');
  const own = parseSpec({ ...SPEC, augmentation: 'pad-crop:2,flip' }, 'spec.json');
  const augmentation = (augment: Augmentation, spec = own) =>
    datasetSource(configFor({ augment }), { spec, task: taskOf(expectImageSpec(spec, '')) }).augmentation;
  t.deepEqual(augmentation('auto'), read('pad-crop:2,flip'));
  t.is(augmentation('none'), 'none');
  t.is(augmentation('auto', plain), 'auto');
  t.deepEqual(augmentationOf({ augment: read('cutout:4') }, own), read('cutout:4'));
  t.throws(() => parseSpec({ ...SPEC, augmentation: [{ step: 'flop' }] }, 'spec.json'), {
    instanceOf: UserError,
    message: /^spec\.json: augmentation: step 1: expected a step .* got "flop"; did you mean flip\?$/,
  });
});

test('where images are mixed, the task reads distributions as labels', (t) => {
  const spec = expectImageSpec(parseSpec(SPEC, 'spec.json'), '');
  const labels = (augment: Augmentation) => taskOf(specInUse(spec, { augment })).fields.labels;
  t.deepEqual(labels('auto'), { dtype: 'int32', shape: [] });
  t.deepEqual(labels(read('cutout:4')), { dtype: 'int32', shape: [] });
  t.deepEqual(labels(read('flip,mixup')), { dtype: 'float32', shape: [10] });
  t.true(mixesLabels(stepsOf([{ step: 'cutmix', alpha: 1, partner: 'reversed' }])));
  t.is(specInUse(spec, { augment: 'none' }), spec);
});

test('a config holds the list, whatever form it was given in; resuming compares lists', (t) => {
  const config = configFor({ augment: 'flip,cutout:8' });
  t.deepEqual(config.augment, read('flip,cutout:8'));
  t.deepEqual(configFor({}, { values: { augment: [{ step: 'flip' }] }, origin: 'a.json' }).augment, [
    { step: 'flip' },
  ]);
  t.is(configFor({ augment: 'crop' }).augment, 'crop');
  t.is(hyperparametersOf(config).augment, 'flip,cutout:8');
  const saved: unknown = JSON.parse(JSON.stringify(config));
  t.deepEqual(resumedConfig(saved, 'runs/a', { augment: 'flip,cutout:8:image' }).augment, config.augment);
  t.throws(() => resumedConfig(saved, 'runs/a', { augment: 'flip' }), {
    instanceOf: UserError,
    message: /^--augment: the run was begun with \[\{"step":"flip"\}/,
  });
  t.throws(() => configFor({}, { values: { augment: 'flipp' }, origin: 'a.json' }), {
    instanceOf: UserError,
    message: /^a\.json: augment: expected a step .*; did you mean flip\?$/,
  });
});
