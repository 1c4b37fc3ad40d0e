/** The update rule and the regularizer of a session: what may be asked for, and how files name it. Also for browsers. */
import { show, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import {
  adabelief,
  adam,
  adamw,
  asam,
  exactGr,
  finiteDifferenceGr,
  gsam,
  lion,
  type NamedRegularizer,
  type OptimizerChoice,
  type RegularizerChoice,
  radam,
  rmsprop,
  sam,
  sgd,
  strengthOf,
} from '../fit/optimizers.ts';
import { expectOptimizer, ownRegularizer } from '../fit/plan.ts';
import { planRegularizer } from '../run/plan.ts';
import type { StepPlan } from '../run/trainer.ts';
import { OPTIMIZER_NAMES, type OptimizerName, ruleOf } from '../step/optimizer.ts';
import { none } from '../step/regularizers/none.ts';
import { type OptimizerDocument, SESSION_KINDS, type SessionKind } from './document.ts';

const OPTIMIZERS: Readonly<Record<OptimizerName, () => OptimizerChoice>> = {
  ...{ adamw, adam, radam, adabelief, lion, sgd, rmsprop },
};

const REGULARIZERS: Readonly<Record<SessionKind, () => NamedRegularizer>> = {
  exact: exactGr,
  fd: finiteDifferenceGr,
  ...{ sam, asam, gsam },
};

/** `none`, a regularizer by the name of its kind with its usual strength, or one with numbers: `exactGr({ lambda })`. */
export type GrChoice = 'none' | SessionKind | RegularizerChoice;
/** An update rule by its name with its usual numbers, or one with numbers: `sgd({ learningRate: 0.1 })`. */
export type OptimizerOption = OptimizerName | OptimizerChoice;

const KINDS = ['none', ...SESSION_KINDS] as const;

export function optimizerOf(given: OptimizerOption): OptimizerChoice {
  if (typeof given === 'string') {
    expectOneOf('optimizer', given, OPTIMIZER_NAMES);
    return OPTIMIZERS[given]();
  }
  expectOptimizer(given);
  return given;
}

/** The regularizer that is asked for; undefined stands for none. Throws UserError for what is none. */
export function regularizerOf(given: GrChoice): RegularizerChoice | undefined {
  if (typeof given === 'string') {
    expectOneOf('gr', given, KINDS);
    return given === 'none' ? undefined : REGULARIZERS[given]();
  }
  if (typeof given === 'object' && given !== null && ('kind' in given || 'regularizer' in given)) {
    if ('kind' in given) kindOf(given);
    return given;
  }
  throw new UserError(
    `gr: expected one of ${KINDS.join(', ')}, exactGr(…) or another of these, or {regularizer, strength}, got ${show(given)}`,
  );
}

/** Throws UserError for a kind that a session cannot have. */
export function kindOf({ kind }: NamedRegularizer): SessionKind {
  if (kind !== 'looksam') return kind;
  throw new UserError(
    'gr: looksam: expected a regularizer that keeps nothing between steps in a training session; use fit or `ortgrad train` for it',
  );
}

/** How strong it is by optimizer step. Throws UserError where strengths or warmup do not fit together. */
export function planGr(
  choice: RegularizerChoice | undefined,
  warmupSteps: number,
): Pick<StepPlan, 'regularizer' | 'strength'> {
  expectNumber('warmupSteps', warmupSteps, { min: 0, isInteger: true });
  if (choice === undefined) {
    return { regularizer: none, strength: () => ({ active: false, scalars: {} }) };
  }
  if ('regularizer' in choice) return ownRegularizer(choice);
  if (choice.warmupEpochs !== undefined)
    throw new UserError('gr: warmupEpochs: a session has no epochs; give its option warmupSteps');
  if (choice.warmup !== undefined && choice.warmup !== 'none' && warmupSteps === 0) {
    throw new UserError(
      `gr: warmup ${choice.warmup}: there is no warmup; give the session's option warmupSteps`,
    );
  }
  const schedule = strengthOf(choice, warmupSteps);
  return planRegularizer(choice.kind, schedule, choice.mix);
}

/** A regularizer as files name it. Throws UserError for one of a user's own, which is given to the session instead. */
export function namedGr(choice: RegularizerChoice | undefined): NamedRegularizer | null {
  if (choice === undefined) return null;
  if ('kind' in choice) return choice;
  throw new UserError(
    'gr: a regularizer of your own cannot be written into a file; give it to TrainingSession.create as its gr',
  );
}

/** The optimizer that a file names. Throws UserError where it names none that there is. */
export function optimizerIn(
  { named, learningRate, weightDecay, weightDecayIn }: OptimizerDocument,
  origin: string,
): OptimizerChoice {
  const { optimizer, ...numbers } = named;
  expectOneOf(`${origin}: optimizer`, optimizer, OPTIMIZER_NAMES);
  const rule = { optimizer, ...numbers };
  return { rule: ruleOf(rule), learningRate, weightDecay, weightDecayIn, named: rule };
}
