/** What a run of `fit` does at each step, from its options. Also for browsers. */
import type { ParameterRates } from '../artifacts/graphs.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import type { Variable } from '../layers/scope.ts';
import { decays } from '../layers/weight-decay.ts';
import type { Plan } from '../run/plan.ts';
import { planRegularizer } from '../run/plan.ts';
import type { RunSettings } from '../run/run.ts';
import type { StepPlan } from '../run/trainer.ts';
import { DECAY_PLACES, type UpdateRule } from '../step/program.ts';
import { none } from '../step/regularizers/none.ts';
import { ema } from '../step/rules/ema.ts';
import { learningRateSchedule, type Schedule } from '../step/schedule.ts';
import {
  adamw,
  type NamedRegularizer,
  type OptimizerChoice,
  type OwnRegularizer,
  type ScheduleInfo,
  strengthOf,
} from './optimizers.ts';
import type { AnyFitOptions, RateGroup } from './types.ts';

export interface FitPlan {
  readonly plan: Plan;
  readonly step: StepPlan;
  readonly gr: RunSettings['gr'];
}

const REMEDIES = '; try a lower learningRate, a clip of 1, or data on a scale near 1';

/** Throws UserError where options are not valid. */
export function planFit(options: AnyFitOptions, stepsPerEpoch: number): FitPlan {
  const { optimizer = adamw(), clip = 0, ema: keep = 0, epochs } = options;
  expectNumber('epochs', epochs, { min: 1, isInteger: true });
  expectNumber('clip', clip, { min: 0 });
  expectNumber('ema', keep, { min: 0 });
  if (keep >= 1) throw new UserError(`ema: expected a share below 1, got ${keep}`);
  expectOptimizer(optimizer);
  const { learningRate: rate, weightDecay = 0, weightDecayIn = 'update' } = optimizer;
  expectOneOf('optimizer: weightDecayIn', weightDecayIn, DECAY_PLACES);
  const totalSteps = epochs * stepsPerEpoch;
  const { learningRate, warmupSteps } = scheduled(options, { learningRate: rate, stepsPerEpoch, totalSteps });
  const regularized = regularizerOf(options, { stepsPerEpoch, totalSteps, warmupSteps });
  const rule: UpdateRule = keep > 0 ? ema(optimizer.rule, keep) : optimizer.rule;
  return {
    gr: regularized.gr,
    plan: {
      ...{ stepsPerEpoch, totalSteps, learningRate },
      warmupSteps: regularized.warmupSteps,
      regularizer: regularized.schedule,
    },
    step: {
      regularizer: regularized.regularizer,
      strength: regularized.strength,
      ...{ rule, learningRate, weightDecay, weightDecayIn, clip },
      remedies: REMEDIES,
    },
  };
}

/** Throws UserError for what is no update rule with its rates. */
export function expectOptimizer(optimizer: OptimizerChoice): void {
  const { rule, learningRate, weightDecay = 0 }: Partial<OptimizerChoice> = optimizer ?? {};
  if (typeof rule !== 'object' || typeof rule?.next !== 'function') {
    throw new UserError(
      `optimizer: expected adamw(), sgd(), … or {rule, learningRate}, got ${show(optimizer)}`,
    );
  }
  expectNumber('optimizer: learningRate', learningRate, { min: 0 });
  expectNumber('optimizer: weightDecay', weightDecay, { min: 0 });
}

function scheduled(
  { schedule }: AnyFitOptions,
  info: ScheduleInfo,
): { readonly learningRate: Schedule; readonly warmupSteps: number } {
  const { learningRate: peak, stepsPerEpoch, totalSteps } = info;
  if (typeof schedule === 'function') {
    return {
      warmupSteps: 0,
      learningRate(step) {
        const rate = schedule(step, info);
        expectNumber(`schedule: step ${step}`, rate, { min: 0 });
        return rate;
      },
    };
  }
  if (schedule === undefined) return { warmupSteps: 0, learningRate: () => peak };
  if (typeof schedule !== 'object' || schedule === null) {
    throw new UserError(
      `schedule: expected cosine(), stepDecay(), exponentialDecay(), constantRate() or a function of the step, got ${show(schedule)}`,
    );
  }
  const warmupSteps = Math.round(schedule.warmup * stepsPerEpoch);
  const stepSize = Math.max(1, Math.round(schedule.decayEpochs * stepsPerEpoch));
  const { kind, gamma } = schedule;
  return {
    warmupSteps,
    learningRate: learningRateSchedule({ kind, peak, warmupSteps, totalSteps, stepSize, gamma }),
  };
}

type Regularized = Pick<StepPlan, 'regularizer' | 'strength'> & {
  readonly gr: RunSettings['gr'];
  readonly schedule: Plan['regularizer'];
  readonly warmupSteps: number;
};

const OFF = { active: false, lambda: 0, r: 0, alpha: 0 };

function regularizerOf(
  { regularizer: choice }: AnyFitOptions,
  length: Pick<Plan, 'stepsPerEpoch' | 'totalSteps' | 'warmupSteps'>,
): Regularized {
  const { warmupSteps } = length;
  const plain = { gr: 'none', warmupSteps, schedule: () => OFF } as const;
  if (choice === undefined) {
    return { ...plain, regularizer: none, strength: () => ({ active: false, scalars: {} }) };
  }
  if (typeof choice === 'object' && choice !== null && 'regularizer' in choice) {
    return { ...plain, ...ownRegularizer(choice) };
  }
  if (typeof choice !== 'object' || choice === null || !('kind' in choice)) {
    throw new UserError(
      `regularizer: expected exactGr(), finiteDifferenceGr(), sam(), asam(), gsam(), lookSam() or {regularizer, strength}, got ${show(choice)}`,
    );
  }
  const steps = regularizerWarmup(choice, length);
  const schedule = strengthOf(choice, steps);
  return {
    gr: choice.kind,
    warmupSteps: steps,
    schedule,
    ...planRegularizer(choice.kind, schedule, choice.mix),
  };
}

/** Its own warmup, or the learning rate's, or a tenth of the run. */
function regularizerWarmup(
  { warmup = 'none', warmupEpochs }: NamedRegularizer,
  { stepsPerEpoch, totalSteps, warmupSteps }: Pick<Plan, 'stepsPerEpoch' | 'totalSteps' | 'warmupSteps'>,
): number {
  if (warmup === 'none') return warmupSteps;
  if (warmupEpochs !== undefined) return Math.round(warmupEpochs * stepsPerEpoch);
  return warmupSteps > 0 ? warmupSteps : Math.ceil(totalSteps / 10);
}

/** A regularizer of a user's own, with its strengths checked at each step. Throws UserError where it is none. */
export function ownRegularizer({
  regularizer,
  strength,
}: OwnRegularizer): Pick<Regularized, 'regularizer' | 'strength'> {
  if (typeof regularizer !== 'object' || typeof regularizer?.gradient !== 'function') {
    throw new UserError(
      `regularizer: expected {name, scalars, gradient} as its regularizer, got ${show(regularizer)}`,
    );
  }
  const strengths = (given: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
    for (const name of regularizer.scalars) {
      const hint = nearestName(name, Object.keys(given ?? {}));
      const what = `regularizer: strength: ${name}${hint && hint !== name ? ` (for ${hint}?)` : ''}`;
      expectNumber(what, given?.[name]);
    }
    return given;
  };
  if (typeof strength !== 'function') {
    const scalars = strengths(strength);
    return { regularizer, strength: () => ({ active: true, scalars }) };
  }
  return {
    regularizer,
    strength(step) {
      const given = strength(step);
      return given === null ? { active: false, scalars: {} } : { active: true, scalars: strengths(given) };
    },
  };
}

/** The rates of each variable. Throws UserError for a group that no trainable variable is in. */
export function ratesOf(
  groups: readonly RateGroup[] = [],
  trainable: readonly Pick<Variable, 'path'>[],
): (variable: Variable) => ParameterRates {
  for (const { match, learningRate = 1, weightDecay = 1 } of groups) {
    expectPattern('groups: match', match);
    expectNumber(`groups: ${match}: learningRate`, learningRate, { min: 0 });
    expectNumber(`groups: ${match}: weightDecay`, weightDecay, { min: 0 });
    expectFound(
      `groups: ${match}`,
      match,
      trainable.map(({ path }) => path),
    );
  }
  return (variable) => {
    const group = groups.find(({ match }) => finds(match, variable.path));
    return {
      learningRate: group?.learningRate ?? 1,
      weightDecay: group?.weightDecay ?? Number(decays(variable)),
    };
  };
}

export function expectPattern(what: string, pattern: unknown): asserts pattern is RegExp {
  if (!(pattern instanceof RegExp))
    throw new UserError(`${what}: expected a regular expression, got ${show(pattern)}`);
}

/** Throws UserError where a pattern finds none of the paths. */
export function expectFound(what: string, pattern: RegExp, paths: readonly string[]): void {
  if (paths.some((path) => finds(pattern, path))) return;
  const shown = paths.slice(0, 6).join(', ');
  throw new UserError(
    `${what}: finds none of the model's variables; their paths are ${shown}${paths.length > 6 ? ', …' : ''}`,
  );
}

/** Whether a pattern finds a path, whatever it found before: `test` of a global one begins where it last ended. */
export function finds(pattern: RegExp, path: string): boolean {
  return path.search(pattern) >= 0;
}
