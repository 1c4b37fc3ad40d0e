/** Training steps: what they are asked for and what they tell, whoever takes them. Also for browsers. */
import type { ManifestVariable } from '../artifacts/manifest.ts';
import type { Batch } from '../data/batch.ts';
import { UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import type { Arrays, Reports } from '../step/host.ts';
import type { DecayPlace, Regularizer, UpdateRule, Use } from '../step/program.ts';
import type { Schedule } from '../step/schedule.ts';
import type { VariableArrays } from './variables.ts';

/** How strong a regularizer is at a step. */
export interface Strength {
  /** False where the plain gradient is what the formula gives: the cheaper graph runs. */
  readonly active: boolean;
  /** Whether an active regularizer uses what it kept of an earlier step; false where it is left out. */
  readonly reuses?: boolean;
  /** By the names that the regularizer asks for. */
  readonly scalars: Readonly<Record<string, number>>;
}

/** What a step does, and what varies over the steps: counted from 0. */
export interface StepPlan {
  readonly regularizer: Regularizer;
  readonly strength: (step: number) => Strength;
  readonly rule: UpdateRule;
  readonly learningRate: Schedule;
  readonly weightDecay: number;
  /** `update` where it is left out. */
  readonly weightDecayIn?: DecayPlace;
  /** The parts of the batch that are regularized by themselves; 1 where it is left out. Only on the host. */
  readonly groups?: number;
  /** The largest norm of what is stepped along; 0 does not clip. */
  readonly clip: number;
  /** Scalars of the task, by name; others have their defaults. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** What to try when it diverges, at the end of the error's line. */
  readonly remedies?: string;
}

/** What a step tells of its batch. */
export interface StepTold {
  /** The clean loss: before any perturbation, without the penalty. */
  readonly loss: number;
  /** ‖∇L‖ at the unperturbed parameters. With a decay in the loss, of the loss with it. */
  readonly gradNorm: number;
  /** The norm of what is stepped along, before clipping. */
  readonly regularizedNorm: number;
  /** Of the task's metrics, by `<metric>/<sum>`. */
  readonly sums: Readonly<Record<string, Float64Array>>;
}

/** Measures a step. */
export interface StepGauge {
  /** Called before the update, with the norms of the clean and the regularized gradient and their inner product. */
  gradient(reports: Reports): void;
  /** Called in place of each parameter's update, which is `apply`; `count` steps are taken with it. */
  update(index: number, arrays: UpdateArrays, apply: () => void): void;
}

/** What an update of a parameter reads and changes. */
export interface UpdateArrays {
  readonly param: Float32Array;
  /** Of the regularized gradient. */
  readonly grad: Float32Array;
  readonly slots: Readonly<Record<string, Float32Array>>;
  readonly count: number;
}

export interface Trainer {
  readonly variables: VariableArrays;
  readonly rule: UpdateRule;
  /** What the update rule and the regularizer keep of each parameter, by slot; step 0 fills those that start as copies of the parameters. */
  readonly slots: Readonly<Record<string, Arrays>>;
  /**
   * Updates parameters and state with the batch of step `step`, counted from 0. Throws DivergedError before any change.
   * A trainer on a device takes no gauge.
   */
  step(step: number, batch: Batch, gauge?: StepGauge): Promise<StepTold>;
  /** The Hessian of L times a vector, on the batch. Throws on a device. */
  hessianTimes(batch: Batch, vector: Arrays): Promise<Arrays>;
  /** Releases a graph that the next steps do not need, where one is held for something else. */
  freeHessian(): Promise<void>;
  /** Copies what lies on a device into the arrays of `slots` and of the variables. */
  pull(): Promise<void>;
  release(): Promise<void>;
}

/** The loss, a gradient, a parameter or an evaluation is not finite: there is nothing to go on from. */
export class DivergedError extends UserError {}

export function expectFinite(
  step: number,
  batch: Pick<Batch, 'epoch' | 'step'>,
  { loss, gradNorm, regularizedNorm }: Pick<StepTold, 'loss' | 'gradNorm' | 'regularizedNorm'>,
  remedies = '',
): void {
  if (Number.isFinite(loss) && Number.isFinite(regularizedNorm)) return;
  const what = Number.isFinite(loss)
    ? `gradient norm ${Number.isFinite(gradNorm) ? regularizedNorm : gradNorm}`
    : `loss ${loss}`;
  throw new DivergedError(
    `step ${step + 1}: ${what} is not finite, on batch ${batch.step + 1} of epoch ${batch.epoch + 1}${remedies}`,
  );
}

/** What of the regularizer a step of this strength takes. */
export function useOf({ active, reuses = false }: Strength): Use {
  if (!active) return 'none';
  return reuses ? 'kept' : 'full';
}

/** Stands for no clipping: its quotient by a norm is still a float32. */
const NO_CLIP = 1e30;

/** The numbers of a step that are the same for all parameters. */
export function stepNumbers({ rule, clip }: StepPlan, step: number): Record<string, number> {
  return { ...rule.scalars(step + 1), clip: clip > 0 ? clip : NO_CLIP };
}

/** Gives the slots that start as copies of the parameters what they start with, when the first step is to be taken. */
export function startCopies(
  { copies = [] }: UpdateRule,
  step: number,
  theta: Arrays,
  slots: Readonly<Record<string, Arrays>>,
): void {
  if (step > 0) return;
  for (const slot of copies) {
    slots[slot]?.forEach((array, k) => {
      array.set(expectAt(theta, k));
    });
  }
}

/** The rates of every parameter at a step. */
export function ratesAt(
  parameters: readonly ManifestVariable[],
  { learningRate, weightDecay }: StepPlan,
  step: number,
): Readonly<Record<'learningRate' | 'weightDecay', readonly number[]>> {
  const rate = learningRate(step);
  return {
    learningRate: parameters.map((parameter) => rate * parameter.learningRate),
    weightDecay: parameters.map((parameter) => weightDecay * parameter.weightDecay),
  };
}
