/**
 * The strength of gradient regularization over a run, and the three warmups that repair it (Zhao, Zhang & Hu, *When
 * Will Gradient Regularization Be Harmful?*, ICML 2024, section 4): over the steps of learning-rate warmup, λ or r
 * grows linearly from 0, or the regularizer stays out until warmup ends.
 */
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { ramp } from './schedule.ts';

const KINDS = ['none', 'exact', 'fd', 'sam'] as const;
export type GrKind = (typeof KINDS)[number];
const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const;
export type GrWarmup = (typeof WARMUPS)[number];

/** The regularizer at one step. `exact` has no r and α, which are then 0. */
export interface GrState {
  /** False where the formula gives the plain gradient; the cheaper graph can then run. */
  readonly active: boolean;
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
}

const OFF: GrState = { active: false, lambda: 0, r: 0, alpha: 0 };

/**
 * The regularizer by step. Throws UserError where an option is none, where λ, r and α are missing or contradict each
 * other (λ = α·r), and where the warmup does not apply.
 */
export function grSchedule(options: GrOptions): GrSchedule {
  const { kind, warmup, warmupSteps } = options;
  expectOneOf('grSchedule: kind', kind, KINDS);
  expectOneOf('grSchedule: warmup', warmup, WARMUPS);
  expectNumber('grSchedule: warmupSteps', warmupSteps, { min: 0 });
  for (const name of ['lambda', 'r', 'alpha'] as const) {
    if (options[name] !== undefined) expectNumber(`grSchedule: ${name}`, options[name], { min: 0 });
  }
  if (kind === 'none') return () => OFF;
  const full = fullStrength(options);
  if (warmup !== 'none' && warmupSteps === 0) {
    throw new UserError(
      `--gr-warmup ${warmup}: there is no warmup; pass --warmup-epochs, or --gr-warmup none`,
    );
  }
  if (kind === 'exact' && warmup === 'r') {
    throw new UserError(
      '--gr-warmup r: exact regularization takes no finite difference, so it has no r to ramp; use lambda or zero, or --gr fd',
    );
  }
  if (kind === 'sam' && warmup === 'lambda') {
    throw new UserError(
      '--gr-warmup lambda: with r fixed it would ramp alpha = lambda/r, which SAM keeps at 1; use r or zero, or --gr fd',
    );
  }
  return (step) => state(kind, full, warmup, ramp(step, warmupSteps), step < warmupSteps);
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
    return { active: true, lambda: full.alpha * r, r, alpha: full.alpha };
  }
  return { active: true, ...full };
}

/** The strength after warmup, from the two of λ = α·r that are given. */
function fullStrength({ kind, lambda, r, alpha }: GrOptions): Strength {
  if (kind === 'exact') {
    if (lambda === undefined) throw new UserError('--gr exact: expected --lambda, the weight of the penalty');
    return { lambda, r: 0, alpha: 0 };
  }
  if (kind === 'sam') {
    const radius = r ?? lambda;
    if (radius === undefined) throw new UserError('--gr sam: expected --r, the radius of the perturbation');
    if (alpha !== undefined && alpha !== 1) {
      throw new UserError(
        `--alpha ${alpha}: SAM is finite-difference regularization with alpha 1; use --gr fd for another`,
      );
    }
    return consistent({ lambda: lambda ?? radius, r: radius, alpha: 1 });
  }
  if (r !== undefined && alpha !== undefined) return consistent({ lambda: lambda ?? alpha * r, r, alpha });
  if (lambda !== undefined && r !== undefined) return { lambda, r, alpha: lambda / r };
  if (lambda !== undefined && alpha !== undefined && alpha > 0) return { lambda, r: lambda / alpha, alpha };
  throw new UserError('--gr fd: expected two of --lambda, --r and --alpha (lambda = alpha × r)');
}

function consistent(strength: Strength): Strength {
  const { lambda, r, alpha } = strength;
  if (Math.abs(lambda - alpha * r) > 1e-9 * Math.max(lambda, alpha * r)) {
    throw new UserError(`--lambda ${lambda}: expected alpha × r = ${alpha * r}; leave one of the three out`);
  }
  return strength;
}
