/** Everything that determines a training run, in one table. Pure: also for browsers. */
import { MEMORY_LEVELS } from '../artifacts/graphs.ts';
import type { HoldOut } from '../data/dataset.ts';
import { show, UserError } from '../errors.ts';
import { expectPatternText } from '../expect.ts';
import { jsonText } from '../json-text.ts';
import { FLAGS, type OptionNames, setting } from '../option-names.ts';
import { DEVICES } from '../runtime/session.ts';
import { grSchedule, hasNoLambda, KINDS } from '../step/gr-warmup.ts';
import { OPTIMIZER_NAMES, type OptimizerName } from '../step/optimizer.ts';
import { DECAY_PLACES } from '../step/program.ts';
import { MIXES } from '../step/regularizers/finite-difference.ts';
import { MOMENT_STARTS } from '../step/rules/adam.ts';
import { AUGMENTATION_FORMS, augmentationText, parseAugmentation } from '../tasks/augmentation.ts';
import { VERSION } from '../version.ts';
import {
  checkOptions,
  choice,
  type GivenOptions,
  integer,
  number,
  type OptionInfo,
  type OptionTable,
  type OptionValues,
  optionLabel,
  parsed,
  text,
  toggle,
  withDefaults,
} from './options.ts';
import { recipeOptions } from './recipes.ts';

const ADAM = ['optimizer', ['adamw', 'adam']] as const;
const WITH_SQUARES = ['optimizer', ['adamw', 'adam', 'radam', 'adabelief']] as const;
const WITH_BETAS = ['optimizer', [...WITH_SQUARES[1], 'lion']] as const;
const DECAYING = ['schedule', ['step', 'exponential']] as const;
const REGULARIZED = ['gr', ['exact', 'fd', 'sam', 'asam', 'gsam', 'looksam']] as const;
const PENALIZED = ['gr', ['exact', 'fd', 'sam']] as const;
const PERTURBED = ['gr', ['fd', 'sam', 'asam', 'gsam', 'looksam']] as const;
const MIXED = ['gr', ['fd', 'sam', 'gsam', 'looksam']] as const;

/**
 * The defaults that differ. Where the decay is decoupled it is subtracted from the weights; the other adaptive optimizers
 * add it to the gradient before they normalize that, and AdamW's value then stops training.
 */
const OWN_DEFAULTS: Readonly<
  Record<OptimizerName, { readonly weightDecay: number; readonly beta2?: number }>
> = {
  adamw: { weightDecay: 0.05 },
  adam: { weightDecay: 0 },
  radam: { weightDecay: 0.05 },
  adabelief: { weightDecay: 0.05 },
  lion: { weightDecay: 0.05, beta2: 0.99 },
  sgd: { weightDecay: 0 },
  rmsprop: { weightDecay: 0 },
};

/** The options of a run. Keys are those of a `--config` file; `flagName` gives the flags. */
export const OPTIONS = {
  graph: text({
    group: 'Run',
    help: 'What to train: a folder under graphs/, or the path of a folder with a spec.json.',
    placeholder: 'NAME',
    default: 'vit-micro-mnist',
  }),
  model: text({
    group: 'Run',
    help: 'A module of your own that exports a task, in place of a graph. TypeScript runs in node from 22.18 on, and before with tsx installed and NODE_OPTIONS=--import=tsx.',
    placeholder: 'FILE.js',
    default: undefined,
    unset: 'the model of the graph',
  }),
  out: text({
    group: 'Run',
    help: 'Run folder to create, for checkpoints, metrics and the report.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'runs/<graph>-<gr>-<time>',
  }),
  seed: integer(
    { min: 0, max: 2 ** 32 - 1 },
    {
      group: 'Run',
      help: 'Determines initial parameters, order of examples and augmentation.',
      default: 0,
    },
  ),
  device: choice(DEVICES, { group: 'Run', help: 'Where to compute.', default: 'cpu', resumable: true }),
  threads: integer(
    { min: 0, max: 1024 },
    { group: 'Run', help: 'CPU threads; 0 uses all cores.', default: 0, resumable: true },
  ),
  epochs: integer({ min: 1 }, { group: 'Run', help: 'Passes over the training examples.', default: 3 }),
  maxSteps: integer(
    { min: 0 },
    {
      group: 'Run',
      help: 'Stop after so many optimizer steps; schedules still span all epochs. 0 never stops early.',
      default: 0,
      resumable: true,
    },
  ),

  data: text({
    group: 'Data',
    help: 'Folder of the dataset that the graph names.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'the MNIST that comes with the project',
  }),
  dataset: text({
    group: 'Data',
    help: 'With --model: a dataset by its name, or a module of your own that exports open.',
    placeholder: 'NAME|FILE.js',
    default: undefined,
    unset: 'what the module of --model exports as open',
  }),
  trainFraction: number(
    { above: 0, max: 1 },
    { group: 'Data', help: 'Share of the training examples to use.', default: 1 },
  ),
  validation: number(
    { above: 0, below: 1 },
    {
      group: 'Data',
      help: 'Share of the training examples in use to hold out, drawn by the seed, the same share of each class where there are classes. Evaluations between epochs measure them, and best is picked by them; the test set is measured once, at the end.',
      default: undefined,
      unset: "an image folder's val/ beside test/; otherwise best is picked on the test set",
    },
  ),
  validationImages: integer(
    { min: 1 },
    { group: 'Data', help: 'The same, as a number of examples.', default: undefined },
  ),
  augment: parsed(parseAugmentation, augmentationText, 'auto', {
    group: 'Data',
    help: 'What training images go through: none, crop, crop-flip; steps, pad-crop:4:reflect,flip,cutout:16; or a JSON file with a list of them. auto takes what suits the graph and its dataset. docs/guide/augmentation.md lists the steps.',
    placeholder: 'STEPS|FILE.json',
    expected: AUGMENTATION_FORMS,
    alias: 'augmentation',
  }),
  channelStatistics: choice(['rounded', 'exact'], {
    group: 'Data',
    help: "Digits of the channels' means and deviations by which images are normalised: exact takes 8 with CIFAR, as the authors' code does. Other datasets have one form of them.",
    default: undefined,
    unset: 'rounded: 4 digits with CIFAR',
  }),
  onBroken: choice(['fail', 'skip'], {
    group: 'Data',
    help: 'What a broken picture does: end the run, or be skipped and counted. In training the next one takes its place; an evaluation leaves it out.',
    default: 'fail',
    resumable: true,
  }),
  batchSize: integer({ min: 1 }, { group: 'Data', help: 'Examples per optimizer step.', default: 64 }),
  microBatch: integer(
    { min: 0 },
    {
      group: 'Data',
      help: 'Examples per run of the graph, a divisor of the batch size: bounds memory. 0 chooses it.',
      default: 0,
    },
  ),
  memory: choice(MEMORY_LEVELS, {
    group: 'Data',
    help: 'How much time to trade for memory: fast trades none, lean computes some values twice, remat keeps nothing between the passes of exact regularization.',
    default: undefined,
    unset: 'the fastest that fits',
  }),

  optimizer: choice(OPTIMIZER_NAMES, {
    group: 'Optimizer',
    help: 'Update rule.',
    default: 'adamw',
  }),
  learningRate: number(
    { above: 0 },
    { group: 'Optimizer', help: 'Peak learning rate.', default: 2e-3, alias: 'lr' },
  ),
  beta1: number(
    { min: 0, below: 1 },
    { group: 'Optimizer', help: 'Decay of the mean of gradients.', default: 0.9, only: WITH_BETAS },
  ),
  beta2: number(
    { min: 0, below: 1 },
    {
      group: 'Optimizer',
      help: 'Decay of the mean of squared gradients; of the mean that is kept, with lion.',
      default: 0.999,
      unset: '0.999; 0.99 for lion',
      only: WITH_BETAS,
    },
  ),
  epsilon: number(
    { above: 0 },
    {
      group: 'Optimizer',
      help: 'Added to the root of the mean of squares.',
      default: 1e-8,
      only: ['optimizer', [...WITH_SQUARES[1], 'rmsprop']],
    },
  ),
  momentStart: choice(MOMENT_STARTS, {
    group: 'Optimizer',
    help: 'What is done about moments that start at 0: corrected divides by what they lack, uncorrected does nothing, second-corrected divides the second alone, so that steps grow over the first ten or so, first-gradient lets the second moment start as the square of the first gradient.',
    default: 'corrected',
    only: ADAM,
  }),
  momentum: number(
    { min: 0, below: 1 },
    { group: 'Optimizer', help: 'Momentum.', default: 0.9, only: ['optimizer', ['sgd', 'rmsprop']] },
  ),
  nesterov: toggle({
    group: 'Optimizer',
    help: 'Nesterov momentum, as --recipe gnp-cnn has it.',
    default: false,
    only: ['optimizer', ['sgd']],
  }),
  decay: number(
    { min: 0, below: 1 },
    {
      group: 'Optimizer',
      help: 'Decay of the mean of squared gradients.',
      default: 0.99,
      only: ['optimizer', ['rmsprop']],
    },
  ),
  weightDecay: number(
    { min: 0 },
    {
      group: 'Optimizer',
      help: 'Weight decay. adam, sgd and rmsprop add it to the gradient; the others apply it to the weights.',
      default: OWN_DEFAULTS.adamw.weightDecay,
      unset: '0.05; 0 for adam, sgd and rmsprop',
    },
  ),
  weightDecayIn: choice(DECAY_PLACES, {
    group: 'Optimizer',
    help: 'Where weight decay acts: update, as the optimizer does it, after clipping; loss, as weight decay / 2 × the sum of squares in the loss, so that the regularizer perturbs along it and clipping sees it, as with --recipe gnp-cnn. Norms of gradients that are told then have it, losses do not.',
    default: 'update',
  }),
  decayAll: toggle({
    group: 'Optimizer',
    help: 'Weight decay for every trained parameter, as with --recipe: biases, norms, class token and positions too. Otherwise kernels and embeddings decay.',
    default: false,
  }),
  clip: number(
    { min: 0 },
    {
      group: 'Optimizer',
      help: 'Largest global norm of the (regularized) gradient; 0 does not clip.',
      default: 1,
    },
  ),
  ema: number(
    { min: 0, below: 1 },
    {
      group: 'Optimizer',
      help: 'Share that an average of the weights keeps of itself at each step, near 1: 0.9999. The average is saved, evaluated and exported beside the weights. 0 keeps none.',
      default: 0,
    },
  ),
  labelSmoothing: number(
    { min: 0, below: 1 },
    { group: 'Optimizer', help: 'Share of the label spread over all classes.', default: 0 },
  ),

  initFrom: text({
    group: 'Weights',
    help: "Weights to begin from, a .safetensors file: ortgrad's, or a ViT of timm or Hugging Face. A head of another size begins anew.",
    placeholder: 'FILE',
    default: undefined,
    unset: 'random weights',
  }),
  freeze: text({
    group: 'Weights',
    help: 'Regular expression: weights whose path it finds stay as they are. For example ^(embed|block[0-7])/',
    placeholder: 'PATTERN',
    default: undefined,
    unset: 'all are trained',
  }),
  layerDecay: number(
    { above: 0, max: 1 },
    {
      group: 'Weights',
      help: 'Layer-wise decay of the learning rate, for fine-tuning: 0.75 leaves the head its rate and gives every block 0.75 of the rate of the next; what stands below the blocks is the last.',
      default: undefined,
      unset: 'one rate',
    },
  ),
  headLrScale: number(
    { above: 0 },
    { group: 'Weights', help: "Factor of the learning rate for the head's weights.", default: 1 },
  ),

  schedule: choice(['cosine', 'constant', 'step', 'exponential'], {
    group: 'Schedule',
    help: 'Course of the learning rate after warmup.',
    default: 'cosine',
  }),
  warmupEpochs: number(
    { min: 0 },
    {
      group: 'Schedule',
      help: 'Epochs, or a fraction of one, in which the learning rate grows linearly from 0. --gr-warmup acts in the same epochs. A whole number ends with an epoch.',
      default: 0.3,
    },
  ),
  stepEpochs: number(
    { above: 0 },
    {
      group: 'Schedule',
      help: 'Epochs until the learning rate has decayed by gamma.',
      default: 30,
      only: DECAYING,
    },
  ),
  gamma: number(
    { above: 0, max: 1 },
    { group: 'Schedule', help: 'Factor of each decay.', default: 0.1, only: DECAYING },
  ),

  gr: choice(KINDS, {
    group: 'Gradient regularization',
    help: "Penalty on the norm of the gradient: exact differentiates twice, fd by a finite difference. Its kin: sam, the second gradient alone; asam, whose perturbation is scaled by the weights; gsam, without a share of the first gradient's part that is orthogonal to the second; looksam, which perturbs at some steps only.",
    default: 'exact',
  }),
  grWarmup: choice(['none', 'lambda', 'r', 'zero'], {
    group: 'Gradient regularization',
    help: 'What warmup does to the penalty: lambda lets lambda grow from 0, r lets r grow from 0, zero leaves the penalty out until warmup ends.',
    default: 'zero',
    unset: 'zero; none without warmup',
    only: REGULARIZED,
  }),
  lambda: number(
    { min: 0 },
    {
      group: 'Gradient regularization',
      help: 'Weight of the penalty.',
      default: undefined,
      unset: 'alpha × r; 0.01 for exact',
      only: PENALIZED,
    },
  ),
  r: number(
    { above: 0 },
    {
      group: 'Gradient regularization',
      help: 'Distance at which the second gradient is taken.',
      default: undefined,
      unset: 'lambda / alpha; 0.1 if none of the three is given; 0.5 for asam, 0.1 for gsam and looksam',
      only: PERTURBED,
    },
  ),
  alpha: number(
    { min: 0 },
    {
      group: 'Gradient regularization',
      help: 'Share of the second gradient in the mixture; with gsam, the share that is taken away; with looksam, that of the part which is used again.',
      default: undefined,
      unset:
        'lambda / r; 0.5 for fd if none of the three is given, always 1 for sam; 0.4 for gsam, 0.7 for looksam',
      only: MIXED,
    },
  ),
  mix: choice(MIXES, {
    group: 'Gradient regularization',
    help: 'What the second gradient is mixed with: plain, the first gradient g; normalized, its direction g/‖g‖, as with --recipe. With alpha 1 both are the same.',
    default: 'plain',
    only: ['gr', ['fd']],
  }),
  looksamEvery: integer(
    { min: 1 },
    {
      group: 'Gradient regularization',
      help: 'Steps from one second gradient to the next. The steps between use again what of the last one is orthogonal to the first.',
      default: undefined,
      unset: '5',
      only: ['gr', ['looksam']],
    },
  ),
  perturbationGroups: integer(
    { min: 1 },
    {
      group: 'Gradient regularization',
      help: "Parts of the batch that are perturbed by themselves, each along the gradient of its own examples, as on so many devices of the authors' code (m-sharpness); a divisor of the batch size. --recipe leaves it at 1. Running statistics of a batch norm are then the mean of the parts' own.",
      default: 1,
      only: PERTURBED,
    },
  ),

  checkpointEvery: integer(
    { min: 0 },
    {
      group: 'Output',
      help: 'Steps between checkpoints; 0 saves at the end of each epoch only.',
      default: 0,
      resumable: true,
    },
  ),
  keep: integer(
    { min: 1 },
    { group: 'Output', help: 'Newest checkpoints to keep, beside the best.', default: 2, resumable: true },
  ),
  evalEvery: integer(
    { min: 1 },
    {
      group: 'Output',
      help: 'Epochs between evaluations on the validation set or, without one, on the test set.',
      default: 1,
    },
  ),
  samples: integer(
    { min: 0 },
    { group: 'Output', help: 'Test images to show with their predictions.', default: 16 },
  ),

  diagnosticsEvery: integer(
    { min: 0 },
    {
      group: 'Diagnostics',
      help: 'Steps between records of diagnostics.jsonl: norms and the second moment by group of parameters, and the angle of regularization. 0 takes none.',
      default: 0,
      resumable: true,
    },
  ),
  hessianEvery: integer(
    { min: 0 },
    {
      group: 'Diagnostics',
      help: "Steps between measurements of the Hessian's largest eigenvalue and trace on a fixed batch, each of up to 50 products with a vector. 0 takes none.",
      default: 0,
      resumable: true,
    },
  ),
} as const satisfies OptionTable;

/** A value for each of `OPTIONS`. */
export type TrainConfig = OptionValues<typeof OPTIONS>;

/**
 * The defaults if none of lambda, r and alpha is given, and of the kinds without a λ where one is not. r = 0.1 is the value of both
 * papers, on fd and on sam; asam's is its paper's for CIFAR-10, and gsam's share that of its authors' code. LookSAM's
 * are those of github.com/Leminhbinh0209/LookSAM, since its authors published no code.
 */
const REGULARIZATION = {
  none: {},
  exact: { lambda: 0.01 },
  fd: { r: 0.1, alpha: 0.5 },
  sam: { r: 0.1 },
  asam: { r: 0.5 },
  gsam: { r: 0.1, alpha: 0.4 },
  looksam: { r: 0.1, alpha: 0.7, looksamEvery: 5 },
} as const satisfies Record<TrainConfig['gr'], GivenOptions>;

/**
 * A config from one JSON value. Errors name the option at fault by its key in the file `origin` (`--config a.json`) or,
 * without a file, as `names` says. `names` also names the other options in an error. Throws a UserError.
 */
export function parseConfig(input: unknown, origin?: string, names: OptionNames = FLAGS): TrainConfig {
  const label = (key: string) => optionLabel(key, origin, names);
  return resolve(checkOptions(OPTIONS, withoutVersion(input), origin, names), label, names);
}

/** The text of a run's `config.json`, which also names the version of ortgrad that wrote it. */
export function configText(config: GivenOptions): string {
  return jsonText({ version: VERSION, ...config });
}

/** The options without `version`, which `configText` adds. Old files have none. */
function withoutVersion(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('version' in input)) return input;
  const { version: _, ...options } = input;
  return options;
}

/**
 * The config of a new run: defaults, overridden by a recipe, by the `--config` file, and by flags. Throws a UserError.
 */
export function configFor(
  flags: GivenOptions,
  file?: { readonly values: unknown; readonly origin: string },
  recipe?: GivenOptions,
): TrainConfig {
  const fromFlags = checkOptions(OPTIONS, flags);
  const fromFile = file === undefined ? {} : checkOptions(OPTIONS, withoutVersion(file.values), file.origin);
  const given = { ...fromFile, ...fromFlags };
  const all = recipe ? { ...checkOptions(OPTIONS, recipeOptions(recipe, given)), ...given } : given;
  return resolve(all, (key) =>
    optionLabel(
      key,
      Object.hasOwn(fromFlags, key) || !Object.hasOwn(fromFile, key) ? undefined : file?.origin,
    ),
  );
}

/**
 * The config of a resumed run: that of its checkpoint, which `origin` names, with flags. Flags may change only options
 * that do not enter the computation. Throws a UserError.
 */
export function resumedConfig(saved: unknown, origin: string, flags: GivenOptions): TrainConfig {
  const config = parseConfig(saved, origin);
  const values: GivenOptions = config;
  const changed = checkOptions(OPTIONS, flags);
  const changeable = Object.entries<OptionTable[string]>(OPTIONS).filter(([, { info }]) => info.resumable);
  for (const [key, value] of Object.entries(changed)) {
    if (key === 'epochs') {
      expectExtension(config, value, optionLabel(key));
      continue;
    }
    // Where a module lies says nothing of what it computes: its graphs are compared (run.node.ts).
    const isModule = (key === 'model' || key === 'dataset') && config.model !== undefined;
    const isSame = JSON.stringify(value) === JSON.stringify(values[key]);
    if (isSame || isModule || changeable.some(([name]) => name === key)) continue;
    const before = values[key] === undefined ? 'without it' : `with ${show(values[key])}`;
    throw new UserError(
      `${optionLabel(key)}: the run was begun ${before}, and --resume cannot change that; ` +
        `with --resume only ${alternatives(
          [...changeable.map(([name]) => name), 'epochs'].map((name) => optionLabel(name)),
          'and',
        )} can change`,
    );
  }
  return resolve({ ...config, ...changed }, FLAGS.option);
}

/** Throws a UserError where a run cannot be given another number of epochs: the steps taken must stay as they were. */
function expectExtension({ epochs, schedule }: TrainConfig, value: unknown, label: string): void {
  if (value === epochs || typeof value !== 'number') return;
  if (value < epochs) {
    throw new UserError(
      `${label}: ${value} is fewer than the ${epochs} epochs that the run was begun with; to end it early, give --max-steps`,
    );
  }
  if (schedule !== 'cosine') return;
  throw new UserError(
    `${label}: the cosine schedule spans the ${epochs} epochs that the run was begun with, so more epochs would change the steps that are taken; begin a new run with --init-from, or with --schedule constant, step or exponential, which can be extended`,
  );
}

/** The default name of a run's folder: `vit-micro-mnist-exact-20240131-235959`. */
export function runName({ graph, gr }: TrainConfig, now: Date): string {
  return `${graphName(graph)}-${gr === 'none' ? 'plain' : gr}-${timestamp(now)}`;
}

/** The name of a graph, from its name or from the path of its folder. */
export function graphName(graph: string): string {
  return graph.split(/[\\/]/).findLast((part) => part !== '' && part !== '.' && part !== '..') ?? 'graph';
}

/** `20240131-235959`, local time. */
export function timestamp(now: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${day}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('')}`;
}

/** Fills in defaults and checks options against each other; in errors, `label` names the option at fault. */
function resolve(
  given: GivenOptions,
  label: (key: string) => string,
  names: OptionNames = FLAGS,
): TrainConfig {
  const unforced = { ...withDefaults(OPTIONS, {}), ...derivedDefaults(given) };
  const config = withDefaults(OPTIONS, { ...unforced, ...given });
  checkUsed(config, unforced, label, names);
  checkTogether(config, label, names);
  return config;
}

/** Defaults that depend on other options. */
function derivedDefaults(given: GivenOptions): GivenOptions {
  const { gr, warmupEpochs, optimizer } = withDefaults(OPTIONS, given);
  // With sam, alpha is always 1, so an alpha that is given does not set the strength.
  const strengths = gr === 'sam' ? ['lambda', 'r'] : ['lambda', 'r', 'alpha'];
  const isStrengthGiven = strengths.some((key) => given[key] !== undefined);
  return {
    ...(isStrengthGiven && !hasNoLambda(gr) ? {} : REGULARIZATION[gr]),
    ...(gr === 'none' || warmupEpochs === 0 ? { grWarmup: 'none' } : {}),
    ...OWN_DEFAULTS[optimizer],
  };
}

/** The given options that have an effect beside the other options, given or default. */
export function optionsInEffect(given: GivenOptions): GivenOptions {
  const all = { ...withDefaults(OPTIONS, {}), ...given };
  const options: OptionTable = OPTIONS;
  return Object.fromEntries(
    Object.entries(given).filter(([key]) => {
      const option = Object.hasOwn(options, key) ? options[key] : undefined;
      return option === undefined || isInEffect(option.info, all);
    }),
  );
}

/** The options that determine what a run computes, lists as text. */
export function hyperparametersOf({ out: _, ...config }: TrainConfig): GivenOptions {
  const options: OptionTable = OPTIONS;
  return Object.fromEntries(
    Object.entries(optionsInEffect(config)).flatMap(([key, value]) => {
      const info = options[key]?.info;
      if (info?.resumable || info?.group === 'Output') return [];
      return [[key, value === undefined ? value : (info?.text?.(value) ?? value)]];
    }),
  );
}

/** Which training examples a run holds out for validation; undefined where it asks for none. */
export function holdOutOf({ validation, validationImages, seed }: TrainConfig): HoldOut | undefined {
  if (validation !== undefined) return { fraction: validation, seed };
  return validationImages === undefined ? undefined : { examples: validationImages, seed };
}

/** Whether the other options let this one have an effect. */
export function isInEffect({ only }: OptionInfo, config: GivenOptions): boolean {
  return only === undefined || only[1].includes(String(config[only[0]]));
}

/** Throws a UserError for an option that has no effect beside the others: it must not be ignored silently. */
function checkUsed(
  config: GivenOptions,
  unforced: GivenOptions,
  label: (key: string) => string,
  { option, value }: OptionNames,
): void {
  for (const [key, { info }] of Object.entries<OptionTable[string]>(OPTIONS)) {
    if (info.only === undefined || config[key] === unforced[key] || isInEffect(info, config)) continue;
    const [other, values] = info.only;
    const named = values.map((each) => value(other, each));
    throw new UserError(
      `${label(key)}: has an effect only with ${option(other)} ${alternatives(named, 'or')}, but ${option(other)} is ${value(other, config[other])}`,
    );
  }
}

function checkTogether(config: TrainConfig, label: (key: string) => string, names: OptionNames): void {
  const { batchSize, microBatch, warmupEpochs, epochs, nesterov, momentum, validation, validationImages } =
    config;
  if (validation !== undefined && validationImages !== undefined) {
    throw new UserError(
      `${label('validationImages')}: ${names.option('validation')} holds out a share of the examples already; give one of the two`,
    );
  }
  if (microBatch > 0 && batchSize % microBatch !== 0) {
    const below = Math.min(microBatch, batchSize);
    const divisor = Array.from({ length: below }, (_, i) => below - i).find((n) => batchSize % n === 0);
    throw new UserError(
      `${label('microBatch')}: ${microBatch} does not divide ${setting(names, 'batchSize', batchSize)}; ` +
        `take ${divisor}, or 0 to have it chosen`,
    );
  }
  const { perturbationGroups: groups } = config;
  if (batchSize % groups !== 0) {
    throw new UserError(
      `${label('perturbationGroups')}: ${groups} does not divide ${setting(names, 'batchSize', batchSize)}`,
    );
  }
  if (microBatch > 0 && (batchSize / groups) % microBatch !== 0) {
    throw new UserError(
      `${label('microBatch')}: ${microBatch} does not divide the ${batchSize / groups} examples of each of the ${groups} groups of ${names.option('perturbationGroups')}`,
    );
  }
  if (warmupEpochs > epochs) {
    throw new UserError(
      `${label('warmupEpochs')}: ${warmupEpochs} is longer than the run of ${setting(names, 'epochs', epochs)}`,
    );
  }
  if (nesterov && momentum === 0) {
    throw new UserError(`${label('nesterov')}: needs a momentum, but ${names.option('momentum')} is 0`);
  }
  if (config.weightDecay === 0 && (config.decayAll || config.weightDecayIn === 'loss')) {
    const key = config.decayAll ? 'decayAll' : 'weightDecayIn';
    throw new UserError(`${label(key)}: needs a weight decay, but ${names.option('weightDecay')} is 0`);
  }
  if (config.freeze !== undefined) expectPatternText(label('freeze'), config.freeze);
  // `grSchedule` checks whether lambda, r and alpha fit together. Called here, it fails before anything is opened.
  const { gr, grWarmup, lambda, r, alpha, mix, looksamEvery } = config;
  const warmupSteps = warmupEpochs > 0 ? 1 : 0;
  grSchedule({ kind: gr, warmup: grWarmup, warmupSteps, lambda, r, alpha, mix, looksamEvery }, names);
}

/** `a, b or c`. */
function alternatives(names: readonly string[], conjunction: 'and' | 'or'): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} ${conjunction} ${names.at(-1)}`;
}
