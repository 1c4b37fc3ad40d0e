/** Recipes: what they set, and that options given beside them win without contradiction. */
import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { parseFlags } from '../../src/cli/flags.ts';
import { configFor, OPTIONS, parseConfig } from '../../src/config/config.ts';
import { choice, type GivenOptions, text } from '../../src/config/options.ts';
import { RECIPE_NAMES } from '../../src/config/recipes.ts';
import { augmentationText, parseAugmentation } from '../../src/tasks/augmentation.ts';

const CIFAR = augmentationText(parseAugmentation('pad-crop:4:reflect,flip', 'test'));

test('gnp-vit is ViT-S with zero-warmup as the authors run it', (t) => {
  const { augment, ...config } = configFor({}, undefined, 'gnp-vit');
  t.is(augmentationText(augment), CIFAR);
  t.like(config, {
    ...{ graph: 'vit-s-gnp-cifar10', epochs: 300, batchSize: 256, schedule: 'cosine', clip: 5 },
    ...{ optimizer: 'adamw', learningRate: 1e-3, weightDecay: 0.3, weightDecayIn: 'update', decayAll: true },
    ...{
      gr: 'fd',
      grWarmup: 'zero',
      warmupEpochs: 40,
      r: 0.1,
      alpha: 1,
      lambda: undefined,
      mix: 'normalized',
    },
  });
});

test('gnp-cnn is WRN-28-10 as the authors run it', (t) => {
  const { augment, ...config } = configFor({}, undefined, 'gnp-cnn');
  t.is(augmentationText(augment), CIFAR);
  t.like(config, {
    ...{ graph: 'wrn-28-10-cifar10', epochs: 200, batchSize: 256, schedule: 'cosine', clip: 5 },
    ...{ optimizer: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true },
    ...{ weightDecay: 1e-3, weightDecayIn: 'loss', decayAll: true },
    ...{ gr: 'fd', grWarmup: 'none', warmupEpochs: 0, r: 0.1, alpha: 0.8, mix: 'normalized' },
  });
});

test('a recipe sets nothing else, and its config is read again as it was written', (t) => {
  for (const name of RECIPE_NAMES) {
    const config = configFor({}, undefined, name);
    t.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)), 'config.json'), config);
    const plain: GivenOptions = configFor({});
    const untouched = ['seed', 'device', 'trainFraction', 'ema', 'labelSmoothing', 'beta1', 'keep'];
    const set: GivenOptions = config;
    for (const key of untouched) t.is(set[key], plain[key], key);
  }
});

const BESIDE: readonly (readonly [GivenOptions, GivenOptions])[] = [
  [
    { epochs: 50, learningRate: 0.02 },
    { epochs: 50, learningRate: 0.02, alpha: 0.8 },
  ],
  [{ gr: 'none' }, { gr: 'none', r: undefined, alpha: undefined, weightDecayIn: 'loss' }],
  [{ gr: 'sam' }, { gr: 'sam', r: 0.1, alpha: undefined }],
  [{ gr: 'exact' }, { gr: 'exact', lambda: 0.01, r: undefined, mix: 'plain' }],
  [{ lambda: 0.05 }, { lambda: 0.05, r: 0.1, alpha: undefined }],
  [
    { lambda: 0.05, alpha: 0.5 },
    { lambda: 0.05, r: undefined, alpha: 0.5 },
  ],
  [{ optimizer: 'adamw' }, { optimizer: 'adamw', nesterov: false, weightDecay: 1e-3 }],
  [{ momentum: 0 }, { momentum: 0, nesterov: false }],
  [{ weightDecay: 0 }, { weightDecay: 0, decayAll: false, weightDecayIn: 'update' }],
  [{ decayAll: false }, { decayAll: false, weightDecayIn: 'loss' }],
  [
    { warmupEpochs: 5, grWarmup: 'r' },
    { warmupEpochs: 5, grWarmup: 'r' },
  ],
];

for (const [given, wanted] of BESIDE) {
  test(`beside gnp-cnn, ${JSON.stringify(given)} wins`, (t) => {
    t.like(configFor(given, undefined, 'gnp-cnn'), wanted);
  });
}

test('beside gnp-vit: no warmup at all; another model; a file', (t) => {
  t.like(configFor({ warmupEpochs: 0 }, undefined, 'gnp-vit'), { grWarmup: 'none', warmupEpochs: 0 });
  t.is(configFor({ model: 'my.js' }, undefined, 'gnp-vit').graph, configFor({}).graph);
  const file = { values: { epochs: 100, weightDecay: 0.1 }, origin: '--config a.json' };
  t.like(configFor({ epochs: 90 }, file, 'gnp-vit'), { epochs: 90, weightDecay: 0.1, decayAll: true });
  t.throws(() => configFor({ epochs: 5 }, undefined, 'gnp-vit'), {
    message: '--warmup-epochs: 40 is longer than the run of --epochs 5',
  });
});

test('the commands of the guide are configs, and the augmentation of each is one', (t) => {
  const page = readFileSync('docs/guide/recipes.md', 'utf8');
  const commands = [...page.matchAll(/^npm run train -- (.*?)(?: +#.*)?$/gm)].map(([, flags = '']) => flags);
  t.is(commands.length, 8);
  const table = {
    ...OPTIONS,
    augment: text(OPTIONS.augment.info),
    recipe: choice(RECIPE_NAMES, { group: 'Run', help: '', default: undefined }),
  };
  for (const flags of commands) {
    const { values, given } = parseFlags(flags.split(' '), table);
    const { recipe: _, ...options } = given;
    const { augment, alpha, r, graph } = configFor(options, undefined, values.recipe);
    t.true(augment === 'auto' || augmentationText(augment).startsWith('pad-crop:4:reflect'), flags);
    t.true(alpha !== undefined && r !== undefined, flags);
    t.true(existsSync(`graphs/${graph}/spec.json`), graph);
  }
});
