/** A run's length, and what varies over its steps, from its options. Also for browsers. */
import type { GraphName } from '../artifacts/graphs.ts';
import type { TrainConfig } from '../config/config.ts';
import { UserError } from '../errors.ts';
import { FLAGS, type OptionNames, setting } from '../option-names.ts';
import { type GrSchedule, type GrState, grSchedule, hasNoLambda } from '../step/gr-warmup.ts';
import { ruleOf } from '../step/optimizer.ts';
import type { Regularizer } from '../step/program.ts';
import { asam } from '../step/regularizers/asam.ts';
import { exact } from '../step/regularizers/exact.ts';
import {
  finiteDifference,
  type Mix,
  normalizedDifference,
  sam,
} from '../step/regularizers/finite-difference.ts';
import { gsam } from '../step/regularizers/gsam.ts';
import { looksam } from '../step/regularizers/looksam.ts';
import { none } from '../step/regularizers/none.ts';
import { ema } from '../step/rules/ema.ts';
import { learningRateSchedule, type Schedule } from '../step/schedule.ts';
import type { StepPlan } from './trainer.ts';

/** The length of a run, and what varies in it as functions of the step. */
export interface Plan {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  /** Of the learning rate and of the regularizer alike. */
  readonly warmupSteps: number;
  readonly learningRate: Schedule;
  readonly regularizer: GrSchedule;
}

export function planRun(config: TrainConfig, stepsPerEpoch: number): Plan {
  const totalSteps = config.epochs * stepsPerEpoch;
  const warmupSteps = Math.round(config.warmupEpochs * stepsPerEpoch);
  return {
    stepsPerEpoch,
    totalSteps,
    warmupSteps,
    learningRate: learningRateSchedule({
      kind: config.schedule,
      peak: config.learningRate,
      warmupSteps,
      totalSteps,
      stepSize: Math.max(1, Math.round(config.stepEpochs * stepsPerEpoch)),
      gamma: config.gamma,
    }),
    regularizer: grSchedule({
      kind: config.gr,
      warmup: config.grWarmup,
      warmupSteps,
      lambda: config.lambda,
      r: config.r,
      alpha: config.alpha,
      mix: config.mix,
      looksamEvery: config.looksamEvery,
    }),
  };
}

const REGULARIZERS: Readonly<Record<TrainConfig['gr'], Regularizer>> = {
  none,
  exact,
  fd: finiteDifference,
  sam,
  asam,
  gsam,
  looksam,
};

/** A regularizer by its kind. `mix` is that of `fd`. */
export function regularizerOf(kind: TrainConfig['gr'], mix: Mix = 'plain'): Regularizer {
  return kind === 'fd' && mix === 'normalized' ? normalizedDifference : REGULARIZERS[kind];
}

/** A regularizer, and its strengths as the trainer asks for them. */
export function planRegularizer(
  kind: TrainConfig['gr'],
  schedule: GrSchedule,
  mix: Mix = 'plain',
): Pick<StepPlan, 'regularizer' | 'strength'> {
  return {
    regularizer: regularizerOf(kind, mix),
    strength(step) {
      const { active, reuses, ...scalars } = schedule(step);
      return { active, ...(reuses !== undefined && { reuses }), scalars };
    },
  };
}

/** What the trainer is asked for in a run of these options. */
export function stepPlanOf(
  config: TrainConfig,
  { learningRate, regularizer }: Plan,
  names: OptionNames = FLAGS,
): StepPlan {
  const rule = ruleOf(config);
  return {
    ...planRegularizer(config.gr, regularizer, config.mix),
    rule: config.ema > 0 ? ema(rule, config.ema) : rule,
    learningRate,
    weightDecay: config.weightDecay,
    weightDecayIn: config.weightDecayIn,
    groups: config.perturbationGroups,
    clip: config.clip,
    scalars: { labelSmoothing: config.labelSmoothing },
    remedies: remediesOf(config, names),
  };
}

/** What of the regularizer is in force at a step, as a record tells it: null where the method has no such number. */
export function inForce(
  kind: TrainConfig['gr'],
  { lambda, r, alpha }: Omit<GrState, 'active' | 'reuses'>,
): { readonly lambda: number | null; readonly r: number | null; readonly alpha: number | null } {
  if (kind === 'none') return { lambda: null, r: null, alpha: null };
  if (kind === 'asam') return { lambda: null, r, alpha: null };
  if (hasNoLambda(kind)) return { lambda: null, r, alpha };
  return kind === 'exact' ? { lambda, r: null, alpha: null } : { lambda, r, alpha };
}

/** The graphs that a run of a config loads for its steps, where these are taken on the host. */
export function graphsToRun({
  gr,
  grWarmup,
  lambda,
  batchSize,
  microBatch,
  diagnosticsEvery,
  hessianEvery,
  weightDecayIn,
}: Pick<
  TrainConfig,
  'gr' | 'grWarmup' | 'lambda' | 'batchSize' | 'microBatch' | 'diagnosticsEvery' | 'hessianEvery'
> &
  Partial<Pick<TrainConfig, 'weightDecayIn'>>): GraphName[] {
  const curvature: readonly GraphName[] = hessianEvery > 0 ? ['hvp'] : [];
  if (gr !== 'exact') return ['loss-grad', ...curvature];
  // The graph of exact regularization as a whole has no decay in its loss.
  if (microBatch !== batchSize || weightDecayIn === 'loss') return ['loss-grad', 'hvp'];
  // The plain gradient is needed while warmup leaves the penalty out, and for diagnostics beside the regularized one.
  const steps: readonly GraphName[] =
    grWarmup === 'none' && lambda !== 0 && diagnosticsEvery === 0 ? ['gr-exact'] : ['loss-grad', 'gr-exact'];
  return [...steps, ...curvature];
}

/** What to try where a run diverges, at the end of an error's line. */
export function remediesOf({ clip, gr }: TrainConfig, names: OptionNames = FLAGS): string {
  const strength = hasNoLambda(gr) ? 'r' : 'lambda';
  const remedies = [
    `a lower ${names.option('learningRate')}`,
    `more ${names.option('warmupEpochs')}`,
    ...(clip > 0 ? [] : [setting(names, 'clip', 1)]),
    ...(gr === 'none' ? [] : [`a smaller ${names.option(strength)}`, setting(names, 'grWarmup', 'zero')]),
  ];
  return `; the last checkpoint is untouched. Try ${remedies.join(', or ')}`;
}

/** Throws UserError for options that a step on the device does not have. */
export function expectDeviceOptions(config: TrainConfig, names: OptionNames = FLAGS): void {
  const { batchSize, microBatch, diagnosticsEvery, hessianEvery } = config;
  const elsewhere = setting(names, 'device', 'cpu');
  if (microBatch !== 0 && microBatch !== batchSize) {
    throw new UserError(
      `${setting(names, 'microBatch', microBatch)}: a step on the device takes the whole batch of ${batchSize} at once; leave it out, lower ${names.option('batchSize')}, or take ${elsewhere}`,
    );
  }
  if (config.perturbationGroups > 1) {
    throw new UserError(
      `${setting(names, 'perturbationGroups', config.perturbationGroups)}: a step on the device takes the whole batch at once; leave it out, or take ${elsewhere}`,
    );
  }
  for (const [key, every] of Object.entries({ diagnosticsEvery, hessianEvery })) {
    if (every > 0) {
      throw new UserError(
        `${setting(names, key, every)}: the gradient of a step on the device stays there, where diagnostics cannot read it; leave it out, or take ${elsewhere}`,
      );
    }
  }
}
