/**
 * The power of the paired t-test: what difference a number of pairs can show, and how many pairs a difference takes.
 * From Student's noncentral distribution, by the numerical integral of its definition. Pure.
 */
import { tQuantile } from './statistics.ts';

/** The chance that a test shows a difference that is there; the usual choice (Cohen 1988). */
export const POWER = 0.8;

/** A test: the standard deviation of the paired differences, and the two-sided level of the test. */
export interface Test {
  readonly sd: number;
  readonly level: number;
}

/** More pairs than this are not counted. */
export const MOST_PAIRS = 10_000;

/**
 * The power of the two-sided paired t-test: the chance that it rejects at `level` when the mean difference is truly
 * `difference` and `n` pairs are measured. Then t has n − 1 degrees of freedom and noncentrality (difference/sd)·√n.
 * With `sd` 0 any difference is shown.
 */
export function pairedPower(difference: number, n: number, { sd, level }: Test): number {
  if (!Number.isInteger(n) || n < 2 || !(sd >= 0) || !(level > 0 && level < 1))
    throw new Error(`internal: pairedPower(${difference}, ${n}, { sd: ${sd}, level: ${level} })`);
  if (sd === 0) return difference === 0 ? level : 1;
  const critical = tQuantile(1 - level / 2, n - 1);
  const noncentrality = (difference / sd) * Math.sqrt(n);
  return overScaledChi(
    n - 1,
    (s) => normalCdf(noncentrality - critical * s) + normalCdf(-noncentrality - critical * s),
  );
}

/** The smallest difference (above 0) that `n` pairs show with the power. Null for fewer than two pairs. */
export function detectable(n: number, test: Test, power = POWER): number | null {
  if (n < 2) return null;
  if (test.sd === 0) return 0;
  let [low, high] = [0, test.sd];
  while (pairedPower(high, n, test) < power) high *= 2;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (pairedPower(middle, n, test) < power) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * The fewest pairs, at least `fewest`, that show a difference with the power. Null where MOST_PAIRS are not enough, as
 * for a difference of 0.
 */
export function pairsFor(difference: number, test: Test, fewest: number, power = POWER): number | null {
  const isEnough = (n: number) => pairedPower(difference, n, test) >= power;
  if (isEnough(fewest)) return fewest;
  if (!isEnough(MOST_PAIRS)) return null;
  // Power grows with the number of pairs, so a search by halves finds the first that is enough.
  let [low, high] = [fewest, 2 * fewest];
  while (high < MOST_PAIRS && !isEnough(high)) [low, high] = [high, 2 * high];
  high = Math.min(high, MOST_PAIRS);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Intervals of Simpson's rule. With 400 of them the power has seven digits. */
const INTERVALS = 400;

/**
 * The mean of a function of s = √(χ²/ν), whose density is proportional to s^(ν−1)·exp(−ν·s²/2). The integral of the
 * density itself, by the same rule, takes the place of its constant.
 */
function overScaledChi(freedom: number, value: (s: number) => number): number {
  const mode = Math.sqrt((freedom - 1) / freedom);
  const logDensity = (s: number) => (freedom === 1 ? 0 : (freedom - 1) * Math.log(s)) - (freedom * s * s) / 2;
  const peak = logDensity(mode);
  // s has mean about 1 and a deviation of about 1/√(2ν); beyond ten of these nothing is left.
  const reach = 10 / Math.sqrt(2 * freedom);
  const [from, to] = [Math.max(0, 1 - reach), 1 + reach];
  let [sum, weights] = [0, 0];
  for (let i = 0; i <= INTERVALS; i++) {
    const s = from + ((to - from) * i) / INTERVALS;
    const simpson = i === 0 || i === INTERVALS ? 1 : i % 2 === 1 ? 4 : 2;
    const weight = simpson * Math.exp(logDensity(s) - peak);
    if (weight === 0) continue;
    sum += weight * value(s);
    weights += weight;
  }
  return sum / weights;
}

/** P(Z ≤ x) of the standard normal distribution: the series of Marsaglia, *Evaluating the normal distribution* (2004). */
function normalCdf(x: number): number {
  if (Math.abs(x) > 8) return x < 0 ? 0 : 1;
  let [term, sum] = [x, x];
  for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
