/** Means over seeds, and the t-interval of a paired difference. Pure. */

/** A mean with the standard deviation about it (n − 1); that is null for a single value. */
export interface Spread {
  readonly mean: number;
  readonly sd: number | null;
  readonly n: number;
}

/** A mean difference with the ends of its interval; these are null for a single pair. */
export interface Interval {
  readonly mean: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
}

/** Null where there is no value. */
export function spread(values: readonly number[]): Spread | null {
  const n = values.length;
  if (n === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, sd: null, n };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (n - 1)), n };
}

/** The two-sided t-interval of the mean of differences, one of each pair. Null where there is none. */
export function pairedInterval(differences: readonly number[], level = 0.95): Interval | null {
  const known = spread(differences);
  if (known === null) return null;
  const { mean, sd, n } = known;
  if (sd === null) return { mean, low: null, high: null, n };
  const reach = (tQuantile((1 + level) / 2, n - 1) * sd) / Math.sqrt(n);
  return { mean, low: mean - reach, high: mean + reach, n };
}

/** t with P(T ≤ t) = p, for p from 1/2 up, of Student's distribution with a whole number of degrees of freedom. */
export function tQuantile(p: number, freedom: number): number {
  if (!(p >= 0.5 && p < 1) || !Number.isInteger(freedom) || freedom < 1) {
    throw new Error(`internal: tQuantile(${p}, ${freedom})`);
  }
  // By the angle θ = atan(t/√ν), which is bounded.
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
