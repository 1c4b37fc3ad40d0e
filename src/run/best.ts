/** Which checkpoint of a run is its best. Also for browsers. */
import { isLoss, type Measured, type MetricInfo, metricValue } from '../metrics/info.ts';
import type { Checkpoint } from '../storage/checkpoint.ts';

/** The best of the evaluations so far, as a checkpoint holds it. */
export type Best = NonNullable<Checkpoint['best']>;

/** An evaluation as what may be the best, by the metric that judges. A value that is not finite is left out. */
export function asBest(
  judge: Pick<MetricInfo, 'name' | 'better'>,
  measured: Measured,
  { step, split }: Pick<Best, 'step' | 'split'>,
): Best {
  const { loss } = measured;
  const value = metricValue(judge, measured);
  return {
    ...(!isLoss(judge) && { metric: judge.name, better: judge.better }),
    ...(!isLoss(judge) && isUsable(value) && { value }),
    ...(isUsable(loss) && { loss }),
    step,
    split,
  };
}

/**
 * Whether an evaluation is better than the best so far. The metric decides; where it is equal, or there is none, the lower
 * loss does. Values of different metrics or on different data cannot be compared, so the first evaluation by one metric on
 * one split beats any other.
 */
export function isBetter(candidate: Omit<Best, 'step'>, best: Omit<Best, 'step'> | null): boolean {
  if (best === null || best.split !== candidate.split || best.metric !== candidate.metric) return true;
  const [ours, theirs] = [rank(candidate), rank(best)];
  if (ours !== theirs) return ours > theirs;
  if (candidate.loss === undefined) return false;
  // A best by its loss alone that has none was not finite. One by a metric is of a time when losses were not kept.
  return best.loss === undefined ? candidate.metric === undefined : candidate.loss < best.loss;
}

/** More is better; least where there is no value. */
function rank({ value, better }: Pick<Best, 'value' | 'better'>): number {
  if (value === undefined) return Number.NEGATIVE_INFINITY;
  return better === 'lower' ? -value : value;
}

function isUsable(value: number | null): value is number {
  return value !== null && Number.isFinite(value);
}
