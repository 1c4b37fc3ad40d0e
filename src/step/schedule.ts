/** Learning rates as functions of the step. */
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';

/** The value for the optimizer step about to be taken, counted from 0. */
export type Schedule = (step: number) => number;

const KINDS = ['constant', 'cosine', 'step', 'exponential'] as const;
export type ScheduleKind = (typeof KINDS)[number];

export interface LearningRateOptions {
  readonly kind: ScheduleKind;
  /** The rate that warmup ends at. */
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** `step` multiplies by `gamma` every so many steps after warmup; `exponential` has reached `gamma` after so many. */
  readonly stepSize: number;
  readonly gamma: number;
}

/** The linear ramp of warmup: 0 at step 0, 1 from step `warmupSteps` on. */
export function ramp(step: number, warmupSteps: number): number {
  return step < warmupSteps ? step / warmupSteps : 1;
}

/** What follows warmup, as a factor of the peak: `step` and `total` count from the end of warmup. */
const DECAYS: Readonly<
  Record<ScheduleKind, (step: number, total: number, options: LearningRateOptions) => number>
> = {
  constant: () => 1,
  cosine: (step, total) => (total <= 0 ? 1 : 0.5 * (1 + Math.cos((Math.PI * Math.min(step, total)) / total))),
  step: (step, _total, { stepSize, gamma }) => gamma ** Math.floor(step / stepSize),
  exponential: (step, _total, { stepSize, gamma }) => gamma ** (step / stepSize),
};

/**
 * Linear warmup from 0, then the decay: 0 at step 0 (the peak without warmup), the peak at step `warmupSteps`, and for
 * `cosine` 0 at step `totalSteps`, which is one past the last. Throws UserError where an option that the kind needs is
 * no number, and where warmup is longer than the run.
 */
export function learningRateSchedule(options: LearningRateOptions): Schedule {
  const { kind, peak, warmupSteps, totalSteps } = options;
  expectOneOf('learningRateSchedule: kind', kind, KINDS);
  for (const name of ['peak', 'warmupSteps', 'totalSteps'] as const) {
    expectNumber(`learningRateSchedule: ${name}`, options[name], { min: 0 });
  }
  if (kind === 'step' || kind === 'exponential') {
    expectNumber('learningRateSchedule: stepSize', options.stepSize, { min: 1 });
    expectNumber('learningRateSchedule: gamma', options.gamma, { min: 0 });
  }
  if (warmupSteps > totalSteps) {
    throw new UserError(`warmup: expected at most the run's ${totalSteps} steps, got ${warmupSteps}`);
  }
  const decay = DECAYS[kind];
  return (step) =>
    step < warmupSteps
      ? peak * ramp(step, warmupSteps)
      : peak * decay(step - warmupSteps, totalSteps - warmupSteps, options);
}
