/**
 * `metrics.jsonl`: what a run measured, one JSON object a line, in the order of the steps. It is the one source that
 * the report draws from; TensorBoard's file and the terminal show the same records. Pure: also for browsers.
 */
import * as v from 'valibot';
import type { MetricInfo, RECORD_KEYS } from '../metrics/info.ts';
import { parseLines } from './parse-lines.ts';

/** Where a measurement was taken: after `step` updates (1 is the first), in epoch `epoch` (1 is the first). */
interface Position {
  readonly step: number;
  readonly epoch: number;
}

/** By the names that the task gives its metrics. In a file they stand between the loss and what follows it. */
export type MetricValues = Readonly<Record<string, number>>;

/** One optimizer step. */
export interface TrainRecord extends Position {
  readonly split: 'train';
  /** The clean loss of the batch: before any perturbation, without the penalty. */
  readonly loss: number;
  /** Of the batch. */
  readonly metrics: MetricValues;
  /** ‖∇L‖ at the unperturbed parameters. */
  readonly grad_norm: number;
  /** Norm of the regularized gradient, before clipping; null without regularization. */
  readonly gr_grad_norm: number | null;
  readonly lr: number;
  /** Values in force at this step; null where the method has none (exact regularization has no `r`). */
  readonly lambda: number | null;
  readonly r: number | null;
  readonly alpha: number | null;
  /**
   * At a spike (diagnostics/spikes.ts), the gradient norm over its running median: the clean norm's or the regularized
   * norm's ratio, whichever is larger. Null at other steps.
   */
  readonly spike: number | null;
  readonly examples_per_second: number;
}

/**
 * What was evaluated. `validation`: the validation set. `test`: the test set. `test_best`: the test set too, but with the
 * best checkpoint so far instead of the parameters after `step` updates. `…_ema`: with the averaged parameters after
 * `step` updates, beside the raw ones; these choose no checkpoint.
 */
export const EVALUATIONS = ['validation', 'test', 'test_best', 'validation_ema', 'test_ema'] as const;
export type EvaluationSplit = (typeof EVALUATIONS)[number];

/** One pass over a whole split. */
export interface EvaluationRecord extends Position {
  readonly split: EvaluationSplit;
  readonly loss: number;
  readonly metrics: MetricValues;
  readonly examples_per_second: number;
}

export type MetricsRecord = TrainRecord | EvaluationRecord;

/** Takes each record of a run as it comes: the metrics file, TensorBoard's file. */
export interface RecordSink {
  write(record: MetricsRecord): void;
  flush(): void;
  close(): void;
}

const measurement = v.nullable(v.number());

/** The keys of a line that are not metrics. A training step has them all, an evaluation null for what it has not. */
const FIXED = {
  step: v.number(),
  epoch: v.number(),
  split: v.picklist(['train', ...EVALUATIONS]),
  loss: measurement,
  grad_norm: measurement,
  gr_grad_norm: measurement,
  lr: measurement,
  lambda: measurement,
  r: measurement,
  alpha: measurement,
  /** Missing in old files. */
  spike: v.optional(measurement, null),
  examples_per_second: v.optional(measurement),
  /** In old files, instead of `examples_per_second`. */
  images_per_second: v.optional(measurement),
} satisfies Record<(typeof RECORD_KEYS)[number], v.GenericSchema>;

/** A line of the file. JSON has no NaN or infinity: a number that was not finite is null there. */
export const MetricsLine = v.pipe(
  v.objectWithRest(FIXED, measurement),
  v.transform((line) => {
    const { step, epoch, split, loss, grad_norm, gr_grad_norm, lr, lambda, r, alpha, spike, ...rest } = line;
    const { examples_per_second, images_per_second = null, ...metrics } = rest;
    return {
      ...{ step, epoch, split, loss, metrics, grad_norm, gr_grad_norm, lr, lambda, r, alpha, spike },
      examples_per_second: examples_per_second ?? images_per_second,
    };
  }),
);
export type MetricsLine = Readonly<v.InferOutput<typeof MetricsLine>>;

/** What an evaluation does not have. */
const NOTHING = {
  grad_norm: null,
  gr_grad_norm: null,
  lr: null,
  lambda: null,
  r: null,
  alpha: null,
  spike: null,
};

/** A record as the text of its line, whose keys are in the order of the file; what is not finite becomes null. */
export function metricsText(record: MetricsRecord | MetricsLine): string {
  const { step, epoch, split, loss, metrics, examples_per_second, ...rest } = record;
  return JSON.stringify({ step, epoch, split, loss, ...metrics, ...NOTHING, ...rest, examples_per_second });
}

/** All complete lines of a metrics file. Throws a UserError that names the file, `path`, and the broken line. */
export function parseMetrics(content: string, path: string): MetricsLine[] {
  return parseLines(content, MetricsLine, path);
}

/** A record as it is read back from its line. */
export function metricsLine(record: MetricsRecord): MetricsLine {
  return v.parse(MetricsLine, JSON.parse(metricsText(record)));
}

export const Better = v.picklist(['higher', 'lower']);

/** `MetricInfo` as it is in files. */
export const Info = v.object({
  name: v.string(),
  label: v.string(),
  short: v.exactOptional(v.string()),
  isShare: v.boolean(),
  unit: v.exactOptional(v.string()),
  better: Better,
  isMinor: v.exactOptional(v.boolean()),
}) satisfies v.GenericSchema<unknown, MetricInfo>;
