/**
 * The recipes of the authors' code (github.com/zhaoyang-0204/gnp), as options that are set together. Pure: also for
 * browsers.
 */
import type { TrainConfig } from './config.ts';
import type { GivenOptions } from './options.ts';

export const RECIPE_NAMES = ['gnp-vit', 'gnp-cnn'] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

/** What all their recipes for CIFAR have. */
const COMMON = {
  batchSize: 256,
  schedule: 'cosine',
  clip: 5,
  augment: 'pad-crop:4:reflect,flip',
  gr: 'fd',
  r: 0.1,
  mix: 'normalized',
} as const;

/**
 * `gnp-vit`: recipes/vit-cifar-basic-grwarmup.sh, ViT-S with zero-warmup. `gnp-cnn`: recipes/wideresnet-cifar.sh,
 * WRN-28-10. The graphs hold what is the model's: dropout, GELU by tanh, the start of the patch embedding.
 */
const RECIPES = {
  'gnp-vit': {
    ...COMMON,
    graph: 'vit-s-gnp-cifar10',
    epochs: 300,
    optimizer: 'adamw',
    learningRate: 1e-3,
    weightDecay: 0.3,
    decayAll: true,
    warmupEpochs: 40,
    grWarmup: 'zero',
    alpha: 1,
  },
  'gnp-cnn': {
    ...COMMON,
    graph: 'wrn-28-10-cifar10',
    epochs: 200,
    optimizer: 'sgd',
    learningRate: 0.1,
    momentum: 0.9,
    nesterov: true,
    weightDecay: 1e-3,
    weightDecayIn: 'loss',
    decayAll: true,
    warmupEpochs: 0,
    alpha: 0.8,
  },
} as const satisfies Record<RecipeName, Partial<Omit<TrainConfig, 'augment'>> & { readonly augment: string }>;

/**
 * A recipe's options beside those that are given, without what would contradict these: another regularizer brings its own
 * strengths, λ takes α's place, no weight decay decays nothing, and without warmup nothing warms up.
 */
export function recipeOptions(name: RecipeName, given: GivenOptions): GivenOptions {
  const recipe: GivenOptions = RECIPES[name];
  const has = (key: string, ...values: readonly unknown[]) => values.includes(given[key]);
  const isOther = (key: string) => given[key] !== undefined && given[key] !== recipe[key];
  const left = new Set<string>([
    ...Object.keys(recipe).filter((key) => given[key] !== undefined),
    ...(given.model === undefined ? [] : ['graph']),
    ...(isOther('gr') ? ['r', 'alpha', 'mix'] : []),
    ...(has('gr', 'none') || has('warmupEpochs', 0) ? ['grWarmup'] : []),
    ...(given.lambda === undefined ? [] : [given.alpha === undefined ? 'alpha' : 'r']),
    ...(isOther('optimizer') ? ['momentum', 'nesterov'] : []),
    ...(has('momentum', 0) ? ['nesterov'] : []),
    ...(has('weightDecay', 0) ? ['decayAll', 'weightDecayIn'] : []),
  ]);
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => !left.has(key)));
}
