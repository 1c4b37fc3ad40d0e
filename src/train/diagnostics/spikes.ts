/**
 * Spikes: gradient norms far outside their running spread. The rule, on the logarithm of the norm: a step is a spike
 * where it exceeds the median of the 100 steps before by more than 6 robust standard deviations of these (1.4826 times
 * the median distance from the median) and by more than a factor of 2, after at least 25 steps. Median and spread are
 * hardly moved by earlier spikes, and follow a norm that settles on another level within some 50 steps. Also for browsers.
 */
import { median } from '../../median.ts';

/** How many steps of before a mark looks at. */
export const SPIKE_WINDOW = 100;
const FEWEST = 25;
const SPREADS = 6;
const FACTOR = 2;
/** Of a normal distribution, the standard deviation over the median distance from the median. */
const NORMAL = 1.4826;

/** The norms of one step. */
export interface Norms {
  readonly grad_norm: number | null;
  /** Null without regularization. */
  readonly gr_grad_norm: number | null;
}

/**
 * Takes the norms of one step after the other, and tells how many times its running median the larger of the spiking
 * ones is; null where none is. `earlier`: the steps before, of a run that goes on.
 */
export function createSpikeMarks(earlier: readonly Norms[] = []): (norms: Norms) => number | null {
  const [clean, regularized] = [createMark(), createMark()];
  const mark = ({ grad_norm, gr_grad_norm }: Norms): number | null => {
    const found = [clean(grad_norm), regularized(gr_grad_norm)].filter((factor) => factor !== null);
    return found.length === 0 ? null : Math.max(...found);
  };
  earlier.slice(-SPIKE_WINDOW).forEach(mark);
  return mark;
}

function createMark(): (norm: number | null) => number | null {
  let logs: readonly number[] = [];
  return (norm) => {
    if (norm === null || !(norm > 0) || norm === Number.POSITIVE_INFINITY) return null;
    const log = Math.log(norm);
    const before = logs;
    logs = [...before, log].slice(-SPIKE_WINDOW);
    if (before.length < FEWEST) return null;
    const centre = median(before);
    const spread = NORMAL * median(before.map((each) => Math.abs(each - centre)));
    return log - centre > Math.max(SPREADS * spread, Math.log(FACTOR)) ? Math.exp(log - centre) : null;
  };
}
