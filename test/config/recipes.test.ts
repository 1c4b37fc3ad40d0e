/** Recipes: what they set, and that options given beside them win without contradiction. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parseFlags } from '../../src/cli/flags.ts';
import { configFor, OPTIONS, parseConfig } from '../../src/config/config.ts';
import { type GivenOptions, text } from '../../src/config/options.ts';
import { readRecipe } from '../../src/config/recipe-file.node.ts';
import { RECIPE_NAMES, splitRecipe } from '../../src/config/recipes.ts';
import { UserError } from '../../src/errors.ts';
import { augmentationText, parseAugmentation } from '../../src/tasks/augmentation.ts';

const [vit, cnn] = [await readRecipe('gnp-vit'), await readRecipe('gnp-cnn')];
const CIFAR = augmentationText(parseAugmentation('pad-crop:4:reflect,flip', 'test'));

test('gnp-vit is ViT-S with zero-warmup as the authors run it', (t) => {
  const { augment, ...config } = configFor({}, undefined, vit);
  t.is(augmentationText(augment), CIFAR);
  t.is(config.channelStatistics, 'exact');
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
  const { augment, ...config } = configFor({}, undefined, cnn);
  t.is(augmentationText(augment), CIFAR);
  t.like(config, {
    ...{ graph: 'wrn-28-10-cifar10', epochs: 200, batchSize: 256, schedule: 'cosine', clip: 5 },
    ...{ optimizer: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true },
    ...{ weightDecay: 1e-3, weightDecayIn: 'loss', decayAll: true },
    ...{ gr: 'fd', grWarmup: 'none', warmupEpochs: 0, r: 0.1, alpha: 0.8, mix: 'normalized' },
  });
});

test('a recipe sets nothing else, and its config is read again as it was written', (t) => {
  for (const recipe of [vit, cnn]) {
    const config = configFor({}, undefined, recipe);
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
    t.like(configFor(given, undefined, cnn), wanted);
  });
}

test('beside gnp-vit: no warmup at all; another model; a file', (t) => {
  t.like(configFor({ warmupEpochs: 0 }, undefined, vit), { grWarmup: 'none', warmupEpochs: 0 });
  t.is(configFor({ model: 'my.js' }, undefined, vit).graph, configFor({}).graph);
  const file = { values: { epochs: 100, weightDecay: 0.1 }, origin: '--config a.json' };
  t.like(configFor({ epochs: 90 }, file, vit), { epochs: 90, weightDecay: 0.1, decayAll: true });
  t.throws(() => configFor({ epochs: 5 }, undefined, vit), {
    message: '--warmup-epochs: 40 is longer than the run of --epochs 5',
  });
});

test('the commands of the guide are configs, and the augmentation of each is one', async (t) => {
  const page = readFileSync('docs/guide/recipes.md', 'utf8');
  const commands = [...page.matchAll(/^npm run train -- (.*?)(?: +#.*)?$/gm)].map(([, flags = '']) => flags);
  t.is(commands.length, 8);
  const table = {
    ...OPTIONS,
    augment: text(OPTIONS.augment.info),
    recipe: text({ group: 'Run', help: '', placeholder: 'NAME', default: undefined }),
  };
  for (const flags of commands) {
    const { values, given } = parseFlags(flags.split(' '), table);
    const { recipe: _, ...options } = given;
    const { augment, alpha, r, graph } = configFor(
      options,
      undefined,
      values.recipe === undefined ? undefined : await readRecipe(values.recipe),
    );
    t.true(augment === 'auto' || augmentationText(augment).startsWith('pad-crop:4:reflect'), flags);
    t.true(alpha !== undefined && r !== undefined, flags);
    t.true(existsSync(`graphs/${graph}/spec.json`), graph);
  }
});

test('a recipe is one of the folder recipes/, or a file of one’s own', async (t) => {
  t.deepEqual(readdirSync('recipes').sort(), RECIPE_NAMES.map((name) => `${name}.json`).sort());
  const folder = mkdtempSync(path.join(tmpdir(), 'recipe-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'mine.json');
  const write = (value: unknown) => writeFileSync(file, JSON.stringify(value));
  write({ about: 'Mine.', epochs: 7, augment: 'none' });
  t.deepEqual(await readRecipe(file), { epochs: 7, augment: 'none' });
  write({ epochs: 7, epoch: 3 });
  const fails = (recipe: string, message: string) =>
    t.throwsAsync(readRecipe(recipe), { instanceOf: UserError, message });
  await fails(file, `${file}: epoch: unknown option; did you mean epochs?`);
  write([1]);
  await fails(file, `${file}: expected a JSON object of options, got [1]`);
  await fails(
    'gnp-vt',
    '--recipe: expected one of gnp-vit, gnp-cnn, or a JSON file of options, got "gnp-vt"; did you mean gnp-vit?',
  );
});

test('a file of options names its recipe beside them', (t) => {
  t.deepEqual(splitRecipe({ recipe: 'gnp-vit', epochs: 3 }, 'a.json'), {
    recipe: 'gnp-vit',
    options: { epochs: 3 },
  });
  t.deepEqual(splitRecipe([1], 'a.json'), { recipe: undefined, options: [1] });
  t.throws(() => splitRecipe({ recipe: 3 }, '--config a.json'), {
    instanceOf: UserError,
    message: '--config a.json: recipe: expected one of gnp-vit, gnp-cnn, or a JSON file of options, got 3',
  });
});
