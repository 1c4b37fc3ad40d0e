/**
 * The strength of gradient regularization over a run, and the three warmups that repair it (Zhao, Zhang & Hu, *When
 * Will Gradient Regularization Be Harmful?*, ICML 2024, section 4): over the steps of learning-rate warmup, λ or r
 * grows linearly from 0, or the regularizer stays out until warmup ends.
 */

import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { FLAGS, type OptionNames, setting } from '../option-names.ts';
import { MIXES, type Mix } from './regularizers/finite-difference.ts';
import { ramp } from './schedule.ts';

export const KINDS = ['none', 'exact', 'fd', 'sam', 'asam', 'gsam', 'looksam'] as const;
export type GrKind = (typeof KINDS)[number];
const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const;
export type GrWarmup = (typeof WARMUPS)[number];

/**
 * The regularizer at one step. `exact` has no r and α, which are then 0; `asam`, `gsam` and `looksam` have no λ, which then is r,
 * and `asam` has no α, which is 1.
 */
export interface GrState {
  /** False where the formula gives the plain gradient; the cheaper graph can then run. */
  readonly active: boolean;
  /** Whether `looksam` uses the perturbation of an earlier step again; false where it is left out. */
  readonly reuses?: boolean;
  readonly lambda: number;
  readonly r: number;
  readonly alpha: number;
}

/** By step, counted from 0. */
export type GrSchedule = (step: number) => GrState;

export interface GrOptions {
  readonly kind: GrKind;
  readonly warmup: GrWarmup;
  readonly warmupSteps: number;
  readonly lambda?: number | undefined;
  readonly r?: number | undefined;
  readonly alpha?: number | undefined;
  /** Of `fd`; `plain` where it is left out. */
  readonly mix?: Mix | undefined;
  /** Of `looksam`: perturb at every so many steps, from the first on at which it is active; 5 where it is left out. */
  readonly looksamEvery?: number | undefined;
}

const OFF: GrState = { active: false, lambda: 0, r: 0, alpha: 0 };

/**
 * The regularizer by step. Throws UserError where an option is none, where λ, r and α are missing or contradict each
 * other (λ = α·r), and where the warmup does not apply; `names` says how it names options.
 */
export function grSchedule(options: GrOptions, names: OptionNames = FLAGS): GrSchedule {
  const { kind, warmup, warmupSteps, mix = 'plain', looksamEvery: every = 5 } = options;
  expectOneOf('grSchedule: kind', kind, KINDS);
  expectOneOf('grSchedule: warmup', warmup, WARMUPS);
  expectOneOf('grSchedule: mix', mix, MIXES);
  expectNumber('grSchedule: warmupSteps', warmupSteps, { min: 0 });
  expectNumber('grSchedule: looksamEvery', every, { min: 1, isInteger: true });
  for (const name of ['lambda', 'r', 'alpha'] as const) {
    if (options[name] !== undefined) expectNumber(`grSchedule: ${name}`, options[name], { min: 0 });
  }
  if (kind === 'none') return () => OFF;
  const full = fullStrength(options, names);
  const label = setting(names, 'grWarmup', warmup);
  const use = (a: GrWarmup, b: GrWarmup): string =>
    `use ${names.value('grWarmup', a)} or ${names.value('grWarmup', b)}, or ${setting(names, 'gr', 'fd')}`;
  if (warmup !== 'none' && warmupSteps === 0) {
    throw new UserError(
      `${label}: there is no warmup; set ${names.option('warmupEpochs')}, or ${setting(names, 'grWarmup', 'none')}`,
    );
  }
  if (kind === 'exact' && warmup === 'r') {
    throw new UserError(
      `${label}: exact regularization takes no finite difference, so it has no r to ramp; ${use('lambda', 'zero')}`,
    );
  }
  if (kind === 'sam' && warmup === 'lambda') {
    throw new UserError(
      `${label}: with r fixed it would ramp alpha = lambda/r, which SAM keeps at 1; ${use('r', 'zero')}`,
    );
  }
  if (hasNoLambda(kind) && warmup === 'lambda') {
    throw new UserError(`${label}: ${names.value('gr', kind)} has no lambda to ramp; ${use('r', 'zero')}`);
  }
  // With λ = 0 the normalized mixture still is not the plain gradient.
  const isPlainAtZero = !(kind === 'fd' && mix === 'normalized' && full.r > 0);
  const begin = warmup === 'zero' ? Math.ceil(warmupSteps) : Number(warmup === 'r');
  return (step) => {
    const isWarmingUp = step < warmupSteps;
    const at = state(kind, full, warmup, ramp(step, warmupSteps), isWarmingUp);
    if (kind === 'looksam' && at.active) return { ...at, reuses: (step - begin) % every !== 0 };
    return isPlainAtZero || (warmup === 'zero' && isWarmingUp) ? at : { ...at, active: true };
  };
}

/** Whether a regularizer stands for no penalty λ‖∇L‖. */
export function hasNoLambda(kind: GrKind): kind is 'asam' | 'gsam' | 'looksam' {
  return kind === 'asam' || kind === 'gsam' || kind === 'looksam';
}

interface Strength {
  readonly lambda: number;
  readonly r: number;
  readonly alpha: number;
}

function state(kind: GrKind, full: Strength, warmup: GrWarmup, share: number, isWarmingUp: boolean): GrState {
  if (full.lambda === 0 || (warmup !== 'none' && share === 0) || (warmup === 'zero' && isWarmingUp)) {
    // The number that ramps is 0; the one that stays fixed has its value.
    return { ...OFF, r: warmup === 'lambda' ? full.r : 0, alpha: warmup === 'r' ? full.alpha : 0 };
  }
  if (warmup === 'lambda') {
    const lambda = full.lambda * share;
    return { active: true, lambda, r: full.r, alpha: kind === 'exact' ? 0 : lambda / full.r };
  }
  if (warmup === 'r') {
    const r = full.r * share;
    return { active: true, lambda: hasNoLambda(kind) ? r : full.alpha * r, r, alpha: full.alpha };
  }
  return { active: true, ...full };
}

/** The strength after warmup, from the two of λ = α·r that are given. */
function fullStrength({ kind, lambda, r, alpha }: GrOptions, names: OptionNames): Strength {
  const { option } = names;
  const label = setting(names, 'gr', kind);
  if (kind === 'exact') {
    if (lambda === undefined)
      throw new UserError(`${label}: expected ${option('lambda')}, the weight of the penalty`);
    return { lambda, r: 0, alpha: 0 };
  }
  if (hasNoLambda(kind)) {
    if (r === undefined)
      throw new UserError(`${label}: expected ${option('r')}, the radius of the perturbation`);
    if (kind === 'asam') return { lambda: r, r, alpha: 1 };
    if (alpha === undefined)
      throw new UserError(`${label}: expected ${option('alpha')}, the weight of the orthogonal part`);
    return { lambda: r, r, alpha };
  }
  if (kind === 'sam') {
    const radius = r ?? lambda;
    if (radius === undefined)
      throw new UserError(`${label}: expected ${option('r')}, the radius of the perturbation`);
    if (alpha !== undefined && alpha !== 1) {
      throw new UserError(
        `${setting(names, 'alpha', alpha)}: SAM is finite-difference regularization with alpha 1; use ${setting(names, 'gr', 'fd')} for another`,
      );
    }
    return consistent({ lambda: lambda ?? radius, r: radius, alpha: 1 }, names);
  }
  if (r !== undefined && alpha !== undefined)
    return consistent({ lambda: lambda ?? alpha * r, r, alpha }, names);
  if (lambda !== undefined && r !== undefined) return { lambda, r, alpha: lambda / r };
  if (lambda !== undefined && alpha !== undefined && alpha > 0) return { lambda, r: lambda / alpha, alpha };
  throw new UserError(
    `${label}: expected two of ${option('lambda')}, ${option('r')} and ${option('alpha')} (lambda = alpha × r)`,
  );
}

function consistent(strength: Strength, names: OptionNames): Strength {
  const { lambda, r, alpha } = strength;
  if (Math.abs(lambda - alpha * r) > 1e-9 * Math.max(lambda, alpha * r)) {
    throw new UserError(
      `${setting(names, 'lambda', lambda)}: expected alpha × r = ${alpha * r}; leave one of the three out`,
    );
  }
  return strength;
}
