/** Means over seeds, and the paired t-test: its intervals, its p-values, and Holm's correction of several. Pure. */

/** A mean, and the standard deviation about it (n − 1), which is null for a single value. */
export interface Spread {
  readonly mean: number;
  readonly sd: number | null;
  readonly n: number;
}

/** A mean difference and the ends of its interval, which are null for a single pair. */
export interface Interval {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
}

/** The mean and deviation of values. Null where there is no value. */
export function spread(values: readonly number[]): Spread | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, sd: null, n };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (n - 1)), n };
}

/** The two-sided t-interval of the mean of paired differences. Null where there is no pair. */
export function pairedInterval(differences: Spread | null, level = 0.95): Interval | null {
  if (differences === null) return null;
  const { mean, sd, n } = differences;
  if (sd === null) return { mean, low: null, high: null, n };
  const reach = (tQuantile((1 + level) / 2, n - 1) * sd) / Math.sqrt(n);
  return { mean, low: mean - reach, high: mean + reach, n };
}

/** Two-sided p of the t-test that the mean difference is 0. Null for a single pair. */
export function pairedPValue({ mean, sd, n }: Spread): number | null {
  if (sd === null) return null;
  if (mean === 0) return 1;
  // Where all differences are equal t is infinite; then its angle is π/2, and p is 0.
  return 1 - centralProbability(Math.atan(Math.abs(mean) / (sd / Math.sqrt(n)) / Math.sqrt(n - 1)), n - 1);
}

/**
 * The level at which Holm's procedure tests each of several p-values. The chance of any false rejection is then at most
 * `level`. The p-values are tested from the smallest up. Each is tested at `level` divided by the number of those that
 * are left, and rejected where it is not above that. The first that is not rejected, and all after it, get its level.
 */
export function holmLevels(pValues: readonly number[], level = 0.05): readonly number[] {
  const order = pValues.map((_, i) => i).toSorted((a, b) => (pValues[a] ?? 1) - (pValues[b] ?? 1));
  const levels = pValues.map(() => level);
  let current = level / pValues.length;
  let isRejecting = true;
  for (const [rank, i] of order.entries()) {
    if (isRejecting) current = level / (pValues.length - rank);
    isRejecting &&= (pValues[i] ?? 1) <= current;
    levels[i] = current;
  }
  return levels;
}

/** The fewest pairs of runs that are tested. */
export const FEWEST_PAIRS = 3;

/** A mean difference after the test that it is 0, among others that were tested with it. */
export interface Tested {
  /** The 95 % interval, not corrected for other comparisons. Null where there is no pair. */
  readonly interval: Interval | null;
  /** The interval at the level of the corrected test. Null where there are too few pairs for a test. */
  readonly corrected: (Interval & { readonly level: number }) | null;
}

/** Tests several mean differences together: those with FEWEST_PAIRS or more by t-tests, corrected by Holm. */
export function testTogether(differences: readonly (Spread | null)[]): readonly Tested[] {
  const isTested = (each: Spread | null) => each !== null && each.n >= FEWEST_PAIRS;
  const at = differences.flatMap((each, i) => (isTested(each) ? [i] : []));
  const levels = holmLevels(
    at.map((i) => {
      const each = differences[i];
      return (each && pairedPValue(each)) ?? 1;
    }),
  );
  return differences.map((each, i): Tested => {
    const level = levels[at.indexOf(i)];
    const own = level === undefined ? null : pairedInterval(each, 1 - level);
    const corrected = own && level !== undefined ? { ...own, level: 1 - level } : null;
    return { interval: pairedInterval(each), corrected };
  });
}

/** The quantile t of Student's distribution, P(T ≤ t) = p, for p of 1/2 or more and whole degrees of freedom. */
export function tQuantile(p: number, freedom: number): number {
  if (!(p >= 0.5 && p < 1) || !Number.isInteger(freedom) || freedom < 1) {
    throw new Error(`internal: tQuantile(${p}, ${freedom})`);
  }
  // A search over the angle θ = atan(t/√ν), which is bounded.
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, freedom) < 2 * p - 1) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** P(−t < T < t) for t = √ν·tan θ: the finite sums of Abramowitz & Stegun, 26.7.3 and 26.7.4. */
function centralProbability(angle: number, freedom: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = freedom % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= ((k - 1) / k) * cosine ** 2;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}
