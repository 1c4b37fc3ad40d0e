/** Numbers that the report takes from a run, and their differences between runs of one seed. */

import type { MetricsLine } from '../../storage/metrics.ts';
import type { CellResult } from '../../study/results.node.ts';
import { chosenOn, quantile, series, smooth } from '../series.ts';
import type { Judged } from './judged.ts';
import type { Arm } from './settings.ts';
import { type Spread, spread } from './statistics.ts';

/** Takes a number from a run; null where the run does not have it. */
export type Measure = (cell: CellResult) => number | null;

/** A number for each seed. */
export type BySeed = ReadonlyMap<number, number>;

/** The judged number of every evaluation of a split. */
function errors(judged: Judged, { metrics }: CellResult, split: MetricsLine['split']): readonly number[] {
  return series(metrics, split, judged.value).flatMap(({ value }) => (value === null ? [] : [value]));
}

/** What a run is judged by: the average of its weights, where it keeps one (`--ema`), else its weights. */
function judgedSplit({ metrics }: CellResult): 'test' | 'test_ema' {
  return metrics.some(({ split }) => split === 'test_ema') ? 'test_ema' : 'test';
}

/** Of the last evaluation on the test set; null for a run that did not finish. */
export function finalError(judged: Judged): Measure {
  return (cell) => (cell.state === 'done' ? (errors(judged, cell, judgedSplit(cell)).at(-1) ?? null) : null);
}

/** The final number as one of which less is better: where more is, it is turned round. */
export function finalShortfall(judged: Judged): Measure {
  const final = finalError(judged);
  if (judged.better === 'lower') return final;
  return (cell) => {
    const value = final(cell);
    return value === null ? null : -value;
  };
}

/** On the test set, of the checkpoint that the validation set chose; without one, the best on the test set. */
export function bestError(judged: Judged): Measure {
  return (cell) => {
    const all = errors(
      judged,
      cell,
      chosenOn(cell.metrics) === 'validation' ? 'test_best' : judgedSplit(cell),
    );
    const best = judged.better === 'lower' ? Math.min(...all) : Math.max(...all);
    return cell.state === 'done' && all.length > 0 ? best : null;
  };
}

/** The fewest steps of warmup that a standard deviation is taken of. */
const FEWEST_STEPS = 10;
/** The steps of the running median: enough to be steady, and few compared with a warmup. */
const MEDIAN_STEPS = 11;

/**
 * How restless the gradient is in the warmup of the learning rate: the standard deviation of the logarithm of its norm
 * about the running median of that logarithm over 11 steps. It is the gradient that the optimizer gets, so with
 * regularization the regularized one. Null for a run that has not finished its warmup.
 */
export const restlessness: Measure = (cell) => {
  if (!isPastWarmup(cell)) return null;
  const logs = cell.metrics.flatMap(({ split, step, grad_norm, gr_grad_norm }) => {
    const norm = gr_grad_norm ?? grad_norm;
    const isInWarmup = split === 'train' && step <= (cell.warmupSteps ?? 0);
    return isInWarmup && norm !== null && norm > 0 ? [{ x: step, value: Math.log(norm) }] : [];
  });
  if (logs.length < FEWEST_STEPS) return null;
  const centre = smooth(logs, MEDIAN_STEPS / logs.length, logs.length);
  return spread(logs.map(({ value }, i) => value - (centre[i]?.value ?? value)))?.sd ?? null;
};

/** The variance of log ψ over all parameters, averaged over the warmup. Null as above, and without an adaptive rate. */
export const rateVariance: Measure = (cell) => {
  if (!isPastWarmup(cell)) return null;
  const values = cell.diagnostics.flatMap((line) => {
    const isInWarmup = line.kind === 'step' && line.step <= (cell.warmupSteps ?? 0);
    const value = isInWarmup ? line.all.adaptive_rate_log_variance : null;
    return value === null ? [] : [value];
  });
  return spread(values)?.mean ?? null;
};

function isPastWarmup({ metrics, warmupSteps }: CellResult): boolean {
  const last = metrics.findLast(({ split }) => split === 'train');
  return warmupSteps !== null && warmupSteps > 0 && last !== undefined && last.step >= warmupSteps;
}

/** Steps whose gradient norm was marked as a spike. */
export function spikeSteps({ metrics }: CellResult): readonly number[] {
  return metrics.flatMap(({ step, spike }) => (spike === null ? [] : [step]));
}

/** How many parameters the model has, as diagnostics say. */
export function parameterCount(cells: readonly CellResult[]): number | null {
  for (const { diagnostics } of cells) {
    const step = diagnostics.find((line) => line.kind === 'step');
    if (step) return step.all.parameters;
  }
  return null;
}

/** Examples a second in training: the median of the run's steps. */
export const examplesPerSecond: Measure = ({ metrics }) =>
  quantile(
    metrics.flatMap(({ split, step, examples_per_second }) =>
      split === 'train' ? [{ x: step, value: examples_per_second }] : [],
    ),
    0.5,
  ) ?? null;

/** A measure of each run of an arm that has it, by seed. A run that diverged has none. */
export function bySeed(arm: Arm | undefined, measure: Measure): BySeed {
  return ofCells(arm?.cells ?? [], measure);
}

/** The same of runs that differ in their seed. */
export function ofCells(cells: readonly CellResult[], measure: Measure): BySeed {
  return new Map(
    cells.flatMap((cell) => {
      const value = cell.state === 'diverged' ? null : measure(cell);
      return value === null ? [] : [[cell.config.seed, value]];
    }),
  );
}

/** a − b for each seed that both have. */
export function minus(a: BySeed, b: BySeed): BySeed {
  return new Map(
    [...a].flatMap(([seed, value]) => {
      const other = b.get(seed);
      return other === undefined ? [] : [[seed, value - other]];
    }),
  );
}

export function overSeeds(arm: Arm | undefined, measure: Measure): Spread | null {
  return spread([...bySeed(arm, measure).values()]);
}
