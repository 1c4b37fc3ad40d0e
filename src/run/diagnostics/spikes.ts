/**
 * Spikes: gradient norms far outside their running spread. The rule looks at the logarithm of the norm, from the 26th
 * step on. A step is a spike if its norm exceeds the median of the 100 steps before it by more than 6 robust standard
 * deviations and by more than a factor of 2. The robust standard deviation is 1.4826 times the median distance from the
 * median. Earlier spikes hardly move median and spread. If the norm settles on another level, both follow it within some
 * 50 steps. Also for browsers.
 */
import { median } from '../../median.ts';

/** How many earlier steps a norm is compared with. */
export const SPIKE_WINDOW = 100;
const FEWEST = 25;
const SPREADS = 6;
const FACTOR = 2;
/** For a normal distribution: the standard deviation over the median distance from the median. */
const NORMAL = 1.4826;

/** The norms of one step. */
export interface Norms {
  readonly grad_norm: number | null;
  /** Null without regularization. */
  readonly gr_grad_norm: number | null;
}

/**
 * Returns a function to be called with the norms of one step after the other. It returns null if neither norm is a spike.
 * Otherwise it returns the ratio of the norm to its running median, the larger ratio if both are spikes. `earlier` holds
 * the steps before, for a run that resumes.
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
