/** What a run has told, epoch by epoch. Also for browsers. */

import { stepMetrics } from '../metrics/finish.ts';
import type { MetricInfo } from '../metrics/info.ts';
import { metricValue } from '../metrics/info.ts';
import { type Norms, SPIKE_WINDOW } from '../run/diagnostics/spikes.ts';
import { added } from '../run/measure.ts';
import type { RunEvent } from '../run/run.ts';
import type { EvaluationRecord, TrainRecord } from '../storage/metrics.ts';
import type { Metric } from '../tasks/task.ts';
import type { SavedDocument } from './saved.ts';
import type { EpochRecord, Evaluated } from './types.ts';

interface Partial {
  readonly steps: number;
  readonly loss: number;
  readonly sums: Readonly<Record<string, Float64Array>>;
}

const EMPTY: Partial = { steps: 0, loss: 0, sums: {} };

export class History {
  readonly #epochs: EpochRecord[];
  readonly #metrics: Readonly<Record<string, Metric>>;
  readonly #stepsPerEpoch: number;
  /** How many evaluations follow an epoch. */
  readonly #evaluations: number;
  #partial: Partial;
  /** An epoch whose steps are taken, and what was evaluated of it so far. */
  #waiting: EpochRecord | undefined;
  #evaluated = 0;
  readonly #norms: Norms[];

  constructor(
    metrics: Readonly<Record<string, Metric>>,
    { stepsPerEpoch, evaluations }: { readonly stepsPerEpoch: number; readonly evaluations: number },
    saved?: Pick<SavedDocument, 'history' | 'partial' | 'norms'>,
  ) {
    this.#metrics = metrics;
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#evaluations = evaluations;
    this.#epochs = [...(saved?.history ?? [])];
    this.#norms = [...(saved?.norms ?? [])];
    const { steps, loss, sums } = saved?.partial ?? { steps: 0, loss: 0, sums: {} };
    this.#partial = {
      steps,
      loss,
      sums: Object.fromEntries(
        Object.entries(sums).map(([name, values]) => [name, Float64Array.from(values)]),
      ),
    };
  }

  /** Whole epochs. */
  get epochs(): readonly EpochRecord[] {
    return this.#epochs;
  }

  /** Norms of the last steps. */
  get norms(): readonly Norms[] {
    return this.#norms;
  }

  /** Takes a run's event. Returns the epoch that is whole with it. */
  take(event: RunEvent): EpochRecord | undefined {
    if (event.kind === 'step') this.#step(event.record, event.sums);
    if (event.kind === 'evaluated') this.#evaluation(event.record);
    if (!this.#waiting || this.#evaluated < this.#evaluations) return undefined;
    const whole = this.#waiting;
    this.#epochs.push(whole);
    this.#waiting = undefined;
    return whole;
  }

  /** What is saved of it. An epoch that was not evaluated yet counts as one that is not. */
  saved(): Pick<SavedDocument, 'history' | 'partial' | 'norms'> {
    const { steps, loss, sums } = this.#partial;
    return {
      history: [...this.#epochs, ...(this.#waiting ? [this.#waiting] : [])].map((epoch) => ({ ...epoch })),
      partial: {
        steps,
        loss,
        sums: Object.fromEntries(Object.entries(sums).map(([name, values]) => [name, [...values]])),
      },
      norms: this.#norms.map(({ grad_norm, gr_grad_norm }) => ({ grad_norm, gr_grad_norm })),
    };
  }

  #step({ step, epoch, loss, lr, grad_norm, gr_grad_norm }: TrainRecord, sums: Partial['sums']): void {
    this.#norms.push({ grad_norm, gr_grad_norm });
    if (this.#norms.length > SPIKE_WINDOW) this.#norms.shift();
    const before = this.#partial;
    this.#partial = {
      steps: before.steps + 1,
      loss: before.loss + loss,
      sums: added(before.sums, sums),
    };
    if (step % this.#stepsPerEpoch !== 0) return;
    const metrics = stepMetrics(this.#metrics, this.#partial.sums);
    this.#waiting = {
      epoch,
      step,
      loss: this.#partial.loss / this.#partial.steps,
      metrics,
      learningRate: lr,
    };
    this.#partial = EMPTY;
    this.#evaluated = 0;
  }

  #evaluation({ split, loss, metrics }: EvaluationRecord): void {
    if (!this.#waiting) return;
    this.#evaluated++;
    const key = split === 'validation_ema' ? 'averaged' : 'validation';
    this.#waiting = { ...this.#waiting, [key]: { loss, metrics } satisfies Evaluated };
  }
}

/** Epochs since a metric was last better than ever before, on the validation examples. */
export function epochsSinceBest(
  epochs: readonly EpochRecord[],
  info: Pick<MetricInfo, 'name' | 'better'>,
): number {
  let best: number | undefined;
  let since = 0;
  for (const { validation } of epochs) {
    const value = validation ? metricValue(info, validation) : null;
    const isBetter =
      value !== null &&
      Number.isFinite(value) &&
      (best === undefined || (info.better === 'lower' ? value < best : value > best));
    if (isBetter) [best, since] = [value, 0];
    else since++;
  }
  return since;
}
