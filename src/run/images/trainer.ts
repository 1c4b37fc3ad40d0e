/**
 * The training step: gradient, regularizer, clipping, update. It is given batches and returns records; files, threads
 * and terminals are its caller's. Also for browsers.
 */
import type { Manifest } from '../../artifacts/image-manifest.ts';
import type { TrainConfig } from '../../config/config.ts';
import { UserError } from '../../errors.ts';
import { expectAt } from '../../expect.ts';
import { FLAGS, type OptionNames, setting } from '../../option-names.ts';
import { type GrSchedule, grSchedule } from '../../step/gr-warmup.ts';
import { type Arrays, type HostPlan, planStep, type Reports } from '../../step/host.ts';
import { ruleOf } from '../../step/optimizer.ts';
import { type Regularizer, traceStep, type UpdateRule } from '../../step/program.ts';
import { exact } from '../../step/regularizers/exact.ts';
import { learningRateSchedule, type Schedule } from '../../step/schedule.ts';
import { type Checkpoint, notFinite } from '../../storage/checkpoint.ts';
import type { EvaluationRecord, TrainRecord } from '../../storage/metrics.ts';
import { score } from '../evaluate.ts';
import {
  type Engine,
  type GradientResult,
  type LabelledImages,
  regularizerOf,
  strengthsOf,
} from './engine.ts';
import type { ParameterArrays, WeightArrays } from './parameters.ts';

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
    }),
  };
}

/** A training batch and where it comes from. */
export interface TrainingBatch extends LabelledImages {
  readonly epoch: number;
  /** Number within the epoch, from 0. */
  readonly step: number;
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

export type StepRecord = Omit<TrainRecord, 'examples_per_second' | 'spike'>;

export interface Trainer {
  readonly rule: UpdateRule;
  /** The optimizer's arrays, by slot. */
  readonly slots: Readonly<Record<string, WeightArrays>>;
  /** Updates the parameters with the batch of step `step`, counted from 0. Throws DivergedError when the loss or the gradient is not finite. */
  step(step: number, batch: TrainingBatch, gauge?: StepGauge): Promise<StepRecord>;
}

/** Loss, gradient, parameters or an evaluation are not finite, so no step is possible. */
export class DivergedError extends UserError {}

export function createTrainer(
  config: TrainConfig,
  plan: Plan,
  { parameters: described, microBatch }: Pick<Manifest, 'parameters' | 'microBatch'>,
  parameters: ParameterArrays,
  engine: Engine,
  names: OptionNames = FLAGS,
): Trainer {
  const rule = ruleOf(config);
  const slots = Object.fromEntries(rule.slots.map((name) => [name, parameters.allocate()]));
  const views = Object.fromEntries(Object.entries(slots).map(([name, arrays]) => [name, arrays.views]));
  const theta = parameters.values.views;
  /** Exact GR is one graph's work where that sees the whole batch. */
  const isWhole = (regularizer: Regularizer): boolean =>
    regularizer === exact && config.batchSize === microBatch;
  const plans = new Map<string, HostPlan>();
  const planOf = (regularizer: Regularizer, observed: boolean): HostPlan => {
    const key = `${regularizer.name} ${observed}`;
    const whole = isWhole(regularizer);
    const made = plans.get(key) ?? planStep(traceStep({ regularizer, rule, observed, whole }));
    plans.set(key, made);
    return made;
  };
  let regularized: Arrays = [];
  const arraysOf = (k: number, count: number): UpdateArrays => ({
    param: expectAt(theta, k),
    grad: expectAt(regularized, k),
    slots: Object.fromEntries(Object.entries(views).map(([name, arrays]) => [name, expectAt(arrays, k)])),
    count,
  });
  let warmupEnded = false;
  return {
    rule,
    slots,
    async step(step, batch, gauge) {
      const strength = plan.regularizer(step);
      const regularizer = regularizerOf(config.gr, strength);
      if (isWhole(regularizer) && !warmupEnded) {
        warmupEnded = true;
        await engine.free('loss-grad'); // its memory is of more use elsewhere
      }
      const pass = engine.pass(batch);
      const { gradNorm, regularizedNorm: grGradNorm } = await planOf(regularizer, gauge !== undefined).run({
        derivatives: pass.derivatives,
        state: { theta, ...views },
        scratch: (index) => parameters.scratch(index),
        scalars: {
          uniform: { ...strengthsOf(strength), ...stepNumbers(config, rule, step) },
          grouped: {
            learningRate: described.map(() => plan.learningRate(step)),
            weightDecay: described.map(({ decay }) => (decay ? config.weightDecay : 0)),
          },
        },
        beforeUpdate(reports, gradients = []) {
          const norms = { gradNorm: reports.gradNorm, grGradNorm: reports.regularizedNorm };
          expectFinite(config, step, batch, { loss: pass.clean().loss, ...norms }, names);
          gauge?.gradient(reports);
          regularized = gradients;
        },
        ...(gauge && {
          aroundUpdate: (k: number, apply: () => void) => gauge.update(k, arraysOf(k, step + 1), apply),
        }),
      });
      const { loss, logits } = pass.clean();
      return stepRecord(config, plan, step, batch, {
        ...score(logits, batch.labels),
        ...{ loss, gradNorm, grGradNorm },
      });
    },
  };
}

/** Stands for no clipping: its quotient by a norm is still a float32. */
const NO_CLIP = 1e30;

/** The numbers of a step that are the same for all parameters, beside the regularizer's. */
export function stepNumbers({ clip }: TrainConfig, rule: UpdateRule, step: number): Record<string, number> {
  return { ...rule.scalars(step + 1), clip: clip > 0 ? clip : NO_CLIP };
}

/** What a step tells of its batch. */
export interface Measured extends Pick<GradientResult, 'loss' | 'gradNorm' | 'grGradNorm'> {
  /** Images whose label came first, and among the first five. */
  readonly top1: number;
  readonly top5: number;
}

export function stepRecord(
  config: TrainConfig,
  plan: Plan,
  step: number,
  batch: TrainingBatch,
  { loss, gradNorm, grGradNorm, top1, top5 }: Measured,
): StepRecord {
  const images = batch.labels.length;
  return {
    step: step + 1,
    epoch: batch.epoch + 1,
    split: 'train',
    loss,
    metrics: { top1: top1 / images, top5: top5 / images },
    grad_norm: gradNorm,
    gr_grad_norm: config.gr === 'none' ? null : grGradNorm,
    lr: plan.learningRate(step),
    ...inForce(config.gr, plan.regularizer(step)),
  };
}

function inForce(
  kind: TrainConfig['gr'],
  { lambda, r, alpha }: { lambda: number; r: number; alpha: number },
) {
  if (kind === 'none') return { lambda: null, r: null, alpha: null };
  return kind === 'exact' ? { lambda, r: null, alpha: null } : { lambda, r, alpha };
}

/** Throws DivergedError, with what to try (options by `names`), where the loss or a gradient of a step is not finite. */
export function expectFinite(
  config: TrainConfig,
  step: number,
  batch: TrainingBatch,
  { loss, gradNorm, grGradNorm }: Pick<GradientResult, 'loss' | 'gradNorm' | 'grGradNorm'>,
  names: OptionNames = FLAGS,
): void {
  if (Number.isFinite(loss) && Number.isFinite(grGradNorm)) return;
  const what = Number.isFinite(loss)
    ? `gradient norm ${Number.isFinite(gradNorm) ? grGradNorm : gradNorm}`
    : `loss ${loss}`;
  throw diverged(
    config,
    step + 1,
    `${what} is not finite, on batch ${batch.step + 1} of epoch ${batch.epoch + 1}`,
    names,
  );
}

/** Throws DivergedError where what was measured after `step` steps is not finite. */
export function expectFiniteScores(
  config: TrainConfig,
  { step, split, loss }: EvaluationRecord,
  names: OptionNames = FLAGS,
): void {
  if (!Number.isFinite(loss)) throw diverged(config, step, `${split} loss ${loss} is not finite`, names);
}

/** Throws DivergedError where the last update left numbers in a checkpoint's tensors that are not finite. */
export function expectFiniteState(config: TrainConfig, checkpoint: Checkpoint): void {
  const broken = notFinite(checkpoint);
  if (broken !== undefined) throw diverged(config, checkpoint.step, `${broken} is not finite`, FLAGS);
}

function diverged({ clip, gr }: TrainConfig, step: number, what: string, names: OptionNames): DivergedError {
  const remedies = [
    `a lower ${names.option('learningRate')}`,
    `more ${names.option('warmupEpochs')}`,
    ...(clip > 0 ? [] : [setting(names, 'clip', 1)]),
    ...(gr === 'none' ? [] : [`a smaller ${names.option('lambda')}`, setting(names, 'grWarmup', 'zero')]),
  ];
  return new DivergedError(
    `step ${step}: ${what}; the last checkpoint is untouched. Try ${remedies.join(', or ')}`,
  );
}
