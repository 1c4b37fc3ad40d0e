/** Optimizers, regularizers and schedules as `fit` takes them: plain objects, and so are a user's own. */
import { expectNumber, expectOneOf } from '../expect.ts';
import type { OptionNames } from '../option-names.ts';
import { type GrKind, type GrWarmup, grSchedule } from '../step/gr-warmup.ts';
import { type OptimizerConfig, type OptimizerName, ruleOf } from '../step/optimizer.ts';
import { DECAY_PLACES, type DecayPlace, type Regularizer, type UpdateRule } from '../step/program.ts';
import type { Mix } from '../step/regularizers/finite-difference.ts';
import type { AdamOptions, AdamStartOptions } from '../step/rules/adam.ts';
import type { LionOptions } from '../step/rules/lion.ts';
import type { RmspropOptions } from '../step/rules/rmsprop.ts';
import type { SgdOptions } from '../step/rules/sgd.ts';
import type { Schedule, ScheduleKind } from '../step/schedule.ts';

/** An update rule and its rates. One of your own is such an object, too. */
export interface OptimizerChoice {
  readonly rule: UpdateRule;
  /** What a schedule begins with. */
  readonly learningRate: number;
  /** 0 where it is left out. It applies to the variables that `decays` says, or `groups`. */
  readonly weightDecay?: number;
  /** `update`, where it is left out, or `loss`: as wd/2·‖θ‖² in the loss, so that the regularizer and clipping see it. */
  readonly weightDecayIn?: DecayPlace;
  /** The rule by its name and numbers, as a file keeps it; none of a rule of your own. */
  readonly named?: NamedRule;
}

/** An update rule by its name, with the numbers that are not its defaults. */
export interface NamedRule extends Partial<OptimizerConfig> {
  readonly optimizer: OptimizerName;
}

export interface Rates {
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly weightDecayIn?: DecayPlace;
}

/** AdamW (Loshchilov & Hutter, ICLR 2019). Left out, numbers are torch's: rate 1e-3, decay 0.01. */
export function adamw(options: Rates & AdamStartOptions = {}): OptimizerChoice {
  return chosen('adamw', options, { learningRate: 1e-3, weightDecay: 0.01 });
}

/** Adam (Kingma & Ba, ICLR 2015); weight decay is part of the gradient. Left out, numbers are torch's: rate 1e-3. */
export function adam(options: Rates & AdamStartOptions = {}): OptimizerChoice {
  return chosen('adam', options, { learningRate: 1e-3, weightDecay: 0 });
}

/** RAdam (Liu et al., ICLR 2020), with decoupled decay; numbers left out are torch's: rate 1e-3, no decay. */
export function radam(options: Rates & AdamOptions = {}): OptimizerChoice {
  return chosen('radam', options, { learningRate: 1e-3, weightDecay: 0 });
}

/** AdaBelief (Zhuang et al., NeurIPS 2020), with decoupled decay; left out, the rate is 1e-3, the decay 0. */
export function adabelief(options: Rates & AdamOptions = {}): OptimizerChoice {
  return chosen('adabelief', options, { learningRate: 1e-3, weightDecay: 0 });
}

/** Lion (Chen et al., NeurIPS 2023), with decoupled decay; left out, the rate is 1e-4, the decay 0. */
export function lion(options: Rates & LionOptions = {}): OptimizerChoice {
  return chosen('lion', options, { learningRate: 1e-4, weightDecay: 0 });
}

/** Gradient descent with momentum, 0.9 where it is left out; rate 0.01. */
export function sgd(options: Rates & SgdOptions = {}): OptimizerChoice {
  return chosen('sgd', options, { learningRate: 0.01, weightDecay: 0 });
}

/** RMSprop (Hinton 2012), as torch computes it; rate 0.01. */
export function rmsprop(options: Rates & RmspropOptions = {}): OptimizerChoice {
  return chosen('rmsprop', options, { learningRate: 0.01, weightDecay: 0 });
}

function chosen(
  optimizer: OptimizerName,
  options: Rates & AdamStartOptions & SgdOptions & RmspropOptions,
  rates: { readonly learningRate: number; readonly weightDecay: number },
): OptimizerChoice {
  const { learningRate = rates.learningRate, weightDecay = rates.weightDecay, ...more } = options;
  const { weightDecayIn = 'update', ...own } = more;
  expectOneOf(`${optimizer}: weightDecayIn`, weightDecayIn, DECAY_PLACES);
  expectNumber(`${optimizer}: learningRate`, learningRate, { min: 0 });
  expectNumber(`${optimizer}: weightDecay`, weightDecay, { min: 0 });
  const named = { optimizer, ...own };
  return { rule: ruleOf(named), learningRate, weightDecay, weightDecayIn, named };
}

export interface GrWarmupOptions<Warmups extends GrWarmup> {
  /** What warmup does to the penalty: `zero` leaves it out until warmup ends, `lambda` and `r` let that number grow. */
  readonly warmup?: Warmups;
  /** Epochs of that warmup; left out, those of the schedule's warmup, or a tenth of the run where it has none. */
  readonly warmupEpochs?: number;
}

/** Gradient regularization, as a warmup changes it. */
export interface NamedRegularizer extends GrWarmupOptions<GrWarmup> {
  readonly kind: Exclude<GrKind, 'none'>;
  readonly lambda?: number;
  readonly r?: number;
  readonly alpha?: number;
  readonly mix?: Mix;
  /** Of LookSAM: steps from one perturbation to the next. */
  readonly every?: number;
}

/** A regularizer and its strengths, by the names that it asks for. One of your own is such an object. */
export interface OwnRegularizer {
  readonly regularizer: Regularizer;
  /** Numbers, or a function of the step, counted from 0; it returns null where the plain gradient is meant. */
  readonly strength:
    | Readonly<Record<string, number>>
    | ((step: number) => Readonly<Record<string, number>> | null);
}

/** Gradient regularization by name, or of your own. */
export type RegularizerChoice = NamedRegularizer | OwnRegularizer;

/** The gradient of L + λ‖∇L‖ (Zhao, Zhang & Hu, ICML 2022), by differentiating twice. λ is 0.01 where it is left out. */
export function exactGr({
  lambda = 0.01,
  ...warmup
}: { readonly lambda?: number } & GrWarmupOptions<'none' | 'lambda' | 'zero'> = {}): NamedRegularizer {
  return checked({ kind: 'exact', lambda, ...warmup });
}

/**
 * The same by a finite difference: (1 − α)·g + α·∇L(θ + r·g/‖g‖), λ = α·r. Two of the three; else r 0.1 and α 0.5.
 * `mix: 'normalized'` takes g/‖g‖ in place of g in the first term, as the authors' code does.
 */
export function finiteDifferenceGr(
  options: {
    readonly lambda?: number;
    readonly r?: number;
    readonly alpha?: number;
    readonly mix?: Mix;
  } & GrWarmupOptions<GrWarmup> = {},
): NamedRegularizer {
  const { lambda, r, alpha } = options;
  const isGiven = lambda !== undefined || r !== undefined || alpha !== undefined;
  return checked({ kind: 'fd', ...(isGiven ? {} : { r: 0.1, alpha: 0.5 }), ...options });
}

/** Sharpness-aware minimization (Foret et al., ICLR 2021): ∇L(θ + r·g/‖g‖). r is 0.1 where it is left out. */
export function sam({
  r = 0.1,
  ...warmup
}: { readonly r?: number } & GrWarmupOptions<'none' | 'r' | 'zero'> = {}): NamedRegularizer {
  return checked({ kind: 'sam', r, ...warmup });
}

/** ASAM (Kwon et al., ICML 2021): SAM with a perturbation scaled by the weights. r is 0.5 where it is left out. */
export function asam({
  r = 0.5,
  ...warmup
}: { readonly r?: number } & GrWarmupOptions<'none' | 'r' | 'zero'> = {}): NamedRegularizer {
  return checked({ kind: 'asam', r, ...warmup });
}

/**
 * GSAM (Zhuang et al., ICLR 2022): SAM's gradient less α times the part of the clean one that is orthogonal to it. Left
 * out, r is 0.1 and α 0.4.
 */
export function gsam({
  r = 0.1,
  alpha = 0.4,
  ...warmup
}: {
  readonly r?: number;
  readonly alpha?: number;
} & GrWarmupOptions<'none' | 'r' | 'zero'> = {}): NamedRegularizer {
  return checked({ kind: 'gsam', r, alpha, ...warmup });
}

/**
 * LookSAM (Liu et al., CVPR 2022): SAM's gradient at one of `every` steps; the others add α times its part that is
 * orthogonal to the clean one, brought to their own gradient's length. Left out, r is 0.1, α 0.7, `every` 5.
 */
export function lookSam({
  r = 0.1,
  alpha = 0.7,
  every = 5,
  ...warmup
}: {
  readonly r?: number;
  readonly alpha?: number;
  readonly every?: number;
} & GrWarmupOptions<'none' | 'r' | 'zero'> = {}): NamedRegularizer {
  return checked({ kind: 'looksam', r, alpha, every, ...warmup });
}

/** How messages name what `fit` is given. */
export const IN_CODE: OptionNames = {
  option: (key) => ({ gr: 'regularizer', grWarmup: 'warmup', looksamEvery: 'every' })[key] ?? key,
  value: (_key, value) => String(value),
};

/** Throws UserError where strengths or warmup do not fit together. */
function checked(choice: NamedRegularizer): NamedRegularizer {
  if (choice.every !== undefined)
    expectNumber('regularizer: every', choice.every, { min: 1, isInteger: true });
  strengthOf(choice, 1);
  if (choice.warmupEpochs !== undefined)
    expectNumber('regularizer: warmupEpochs', choice.warmupEpochs, { min: 0 });
  return choice;
}

export function strengthOf(
  { kind, warmup = 'none', lambda, r, alpha, mix, every }: NamedRegularizer,
  warmupSteps: number,
): ReturnType<typeof grSchedule> {
  return grSchedule({ kind, warmup, warmupSteps, lambda, r, alpha, mix, looksamEvery: every }, IN_CODE);
}

/** A course of the learning rate by name. */
export interface NamedSchedule {
  readonly kind: ScheduleKind;
  /** Epochs, or a fraction of one, in which the rate grows linearly from 0. */
  readonly warmup: number;
  readonly decayEpochs: number;
  readonly gamma: number;
}

/** What a schedule of your own may look at. */
export interface ScheduleInfo {
  /** The optimizer's. */
  readonly learningRate: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
}

/** A schedule by name, or a function that gives the learning rate of a step, counted from 0. */
export type ScheduleChoice = NamedSchedule | ((step: number, info: ScheduleInfo) => ReturnType<Schedule>);

export interface WarmupOptions {
  /** Epochs, or a fraction of one, in which the rate grows linearly from 0; 0 where it is left out. */
  readonly warmup?: number;
}

/** The same rate throughout, after a warmup. */
export function constantRate({ warmup = 0 }: WarmupOptions = {}): NamedSchedule {
  return schedule({ kind: 'constant', warmup, decayEpochs: 1, gamma: 1 });
}

/** Half a cosine from the optimizer's rate to 0 at the end of the run. */
export function cosine({ warmup = 0 }: WarmupOptions = {}): NamedSchedule {
  return schedule({ kind: 'cosine', warmup, decayEpochs: 1, gamma: 1 });
}

export interface DecayOptions extends WarmupOptions {
  /** Epochs until the rate has decayed by `gamma`. */
  readonly epochs: number;
  /** 0.1 where it is left out. */
  readonly gamma?: number;
}

/** The rate times `gamma` after every so many epochs. */
export function stepDecay({ warmup = 0, epochs, gamma = 0.1 }: DecayOptions): NamedSchedule {
  return schedule({ kind: 'step', warmup, decayEpochs: epochs, gamma });
}

/** The rate falls by the same factor at each step, to `gamma` after so many epochs. */
export function exponentialDecay({ warmup = 0, epochs, gamma = 0.1 }: DecayOptions): NamedSchedule {
  return schedule({ kind: 'exponential', warmup, decayEpochs: epochs, gamma });
}

function schedule(named: NamedSchedule): NamedSchedule {
  expectNumber('schedule: warmup', named.warmup, { min: 0 });
  expectNumber('schedule: epochs', named.decayEpochs, { min: 0 });
  expectNumber('schedule: gamma', named.gamma, { min: 0 });
  return named;
}
