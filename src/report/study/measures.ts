/** What the report reads off a run as one number, and the differences of such numbers between runs of one seed. */
import type { CellResult } from '../../study/results.ts';
import { chosenOn, errorPercent, quantile, series, smooth } from '../series.ts';
import type { Arm } from './settings.ts';
import { type Spread, spread } from './statistics.ts';

/** Null where the run does not say. */
type Measure = (cell: CellResult) => number | null;

/** A number for each seed. */
export type BySeed = ReadonlyMap<number, number>;

/** Error in percent of every evaluation of a split. */
function errors({ metrics }: CellResult, split: 'test' | 'test_best'): readonly number[] {
  return series(metrics, split, errorPercent).flatMap(({ value }) => (value === null ? [] : [value]));
}

/** Of the last evaluation; only a run that came to its end has one. */
export const finalError: Measure = (cell) =>
  cell.state === 'done' ? (errors(cell, 'test').at(-1) ?? null) : null;

/** On the test images: of the checkpoint that validation images chose, or the lowest where test images did. */
export const bestError: Measure = (cell) => {
  const all = errors(cell, chosenOn(cell.metrics) === 'validation' ? 'test_best' : 'test');
  return cell.state === 'done' && all.length > 0 ? Math.min(...all) : null;
};

/** Fewer steps of warmup say nothing of a spread. */
const FEWEST_STEPS = 10;
/** Steps of the running median: long enough to be steady, short beside a warmup. */
const MEDIAN_STEPS = 11;

/**
 * How restless the gradient is in the warmup of the learning rate: the standard deviation of the logarithm of its norm
 * about the running median of that over 11 steps. It is the gradient that the optimizer gets: the regularized one,
 * where there is one. Null for a run that has not been through its warmup.
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

/** The variance of log ψ over all parameters, its mean over the warmup; null as above, and without an adaptive rate. */
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

/** Images a second in training: the median of the run's steps. */
export const imagesPerSecond: Measure = ({ metrics }) =>
  quantile(
    metrics.flatMap(({ split, step, images_per_second }) =>
      split === 'train' ? [{ x: step, value: images_per_second }] : [],
    ),
    0.5,
  ) ?? null;

/** Of an arm's runs that have it. A run that diverged is compared with none. */
export function bySeed(arm: Arm | undefined, measure: Measure): BySeed {
  return new Map(
    (arm?.cells ?? []).flatMap((cell) => {
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
