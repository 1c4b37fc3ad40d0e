/**
 * `metrics.jsonl`: what a run measured, one JSON object a line, in the order of the steps. It is the one source that
 * the report draws from; TensorBoard's file and the terminal show the same records.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { systemErrorMessage } from '../system-error.ts';
import { openAppendFile } from './append-file.ts';

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
  readonly images_per_second: number;
}

/** One pass over the test set. */
export interface TestRecord extends Position {
  readonly split: 'test';
  /** Mean over the test set. */
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  readonly images_per_second: number;
}

export type MetricsRecord = TrainRecord | TestRecord;

/** Takes each record of a run as it comes: the metrics file, TensorBoard's file. */
export interface RecordSink {
  write(record: MetricsRecord): void;
  flush(): void;
  close(): void;
}

const measurement = v.nullable(v.number());

/** A line as it is in the file. JSON has no NaN or infinity: a number that was not finite is null there. */
const Line = v.object({
  step: v.number(),
  epoch: v.number(),
  split: v.picklist(['train', 'test']),
  loss: measurement,
  top1: measurement,
  top5: measurement,
  grad_norm: measurement,
  gr_grad_norm: measurement,
  lr: measurement,
  lambda: measurement,
  r: measurement,
  alpha: measurement,
  images_per_second: measurement,
});
export type MetricsLine = Readonly<v.InferOutput<typeof Line>>;

/** Every key, in the order of the file. */
const KEYS = Object.keys(Line.entries);
const NOTHING = Object.fromEntries(KEYS.map((key) => [key, null]));

/**
 * Opens a run's metrics file for writing. A new run wants no file there. A resumed one names the step of its
 * checkpoint, and every line past it goes, as does a last line that a crash cut in half: together with a `flush()`
 * before each checkpoint, the log then reads as if the run had never stopped (`images_per_second` apart).
 *
 * @throws UserError where a new run finds a file, or a resumed one a broken line
 */
export function openMetricsLog(path: string, { resumeAtStep }: { resumeAtStep?: number } = {}): RecordSink {
  if (resumeAtStep !== undefined) keepUntil(path, resumeAtStep);
  else if (existsSync(path)) {
    throw new UserError(
      `${path}: already holds the metrics of a run; resume that run or choose another folder`,
    );
  }
  const file = openAppendFile(path);
  return {
    write: (record) => file.append(Buffer.from(`${JSON.stringify({ ...NOTHING, ...record }, KEYS)}\n`)),
    flush: file.flush,
    close: file.close,
  };
}

/** All complete lines of a metrics file, also of one still being written. @throws UserError naming a broken line */
export function readMetrics(path: string): MetricsLine[] {
  return readLines(path).map(({ record }) => record);
}

/** Writes the kept lines beside the file and renames, so that a crash leaves either the old file or the new one. */
function keepUntil(path: string, step: number): void {
  if (!existsSync(path)) return;
  const kept = readLines(path).filter(({ record }) => record.step <= step);
  writeFileSync(`${path}.tmp`, kept.map(({ text }) => `${text}\n`).join(''), { flush: true });
  renameSync(`${path}.tmp`, path);
}

function readLines(path: string): { text: string; record: MetricsLine }[] {
  const lines = readText(path).split('\n');
  const unfinished = lines.pop();
  if (unfinished !== undefined && isJson(unfinished)) lines.push(unfinished);
  return lines.map((text, i) => ({ text, record: parseLine(text, `${path}: line ${i + 1}`) }));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(systemErrorMessage(error) ?? `${path}: cannot be read: ${String(error)}`);
  }
}

function parseLine(text: string, where: string): MetricsLine {
  if (!isJson(text))
    throw new UserError(`${where}: expected a JSON object, got \`${text.slice(0, 60)}\`; delete the line`);
  const result = v.safeParse(Line, JSON.parse(text));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(`${where}: ${v.getDotPath(issue) ?? 'line'}: ${issue.message}; delete the line`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
