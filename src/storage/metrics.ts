/**
 * `metrics.jsonl`: what a run measured, one JSON object a line, in the order of the steps. It is the one source that
 * the report draws from; TensorBoard's file and the terminal show the same records. Pure: also for browsers.
 */
import * as v from 'valibot';
import { parseLines } from './parse-lines.ts';

/** Where a measurement was taken: after `step` updates (1 is the first), in epoch `epoch` (1 is the first). */
interface Position {
  readonly step: number;
  readonly epoch: number;
}

/** One optimizer step. */
export interface TrainRecord extends Position {
  readonly split: 'train';
  /** The clean loss of the batch: before any perturbation, without the penalty. */
  readonly loss: number;
  /** Fractions of the batch, 0 to 1. */
  readonly top1: number;
  readonly top5: number;
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
  readonly images_per_second: number;
}

/**
 * What was evaluated. `validation`: the validation images. `test`: the test images. `test_best`: the test images too, but
 * with the best checkpoint so far instead of the parameters after `step` updates.
 */
const EVALUATIONS = ['validation', 'test', 'test_best'] as const;

/** One pass over all images of a split. */
export interface EvaluationRecord extends Position {
  readonly split: (typeof EVALUATIONS)[number];
  /** Mean over the images. */
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  readonly images_per_second: number;
}

export type MetricsRecord = TrainRecord | EvaluationRecord;

/** Takes each record of a run as it comes: the metrics file, TensorBoard's file. */
export interface RecordSink {
  write(record: MetricsRecord): void;
  flush(): void;
  close(): void;
}

const measurement = v.nullable(v.number());

/** A line as it is in the file. JSON has no NaN or infinity: a number that was not finite is null there. */
export const MetricsLine = v.object({
  step: v.number(),
  epoch: v.number(),
  split: v.picklist(['train', ...EVALUATIONS]),
  loss: measurement,
  top1: measurement,
  top5: measurement,
  grad_norm: measurement,
  gr_grad_norm: measurement,
  lr: measurement,
  lambda: measurement,
  r: measurement,
  alpha: measurement,
  /** Missing in old files. */
  spike: v.optional(measurement, null),
  images_per_second: measurement,
});
export type MetricsLine = Readonly<v.InferOutput<typeof MetricsLine>>;

/** Every key, in the order of the file. */
const KEYS = Object.keys(MetricsLine.entries);
const NOTHING = Object.fromEntries(KEYS.map((key) => [key, null]));

/** A record as the text of its line; what is not finite in it becomes null. */
export function metricsText(record: MetricsRecord | MetricsLine): string {
  return JSON.stringify({ ...NOTHING, ...record }, KEYS);
}

/** All complete lines of a metrics file. Throws a UserError that names the file, `path`, and the broken line. */
export function parseMetrics(content: string, path: string): MetricsLine[] {
  return parseLines(content, MetricsLine, path);
}

/** A record as it is read back from its line. */
export function metricsLine(record: MetricsRecord): MetricsLine {
  return v.parse(MetricsLine, JSON.parse(metricsText(record)));
}
