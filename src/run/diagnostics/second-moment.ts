/**
 * How the second moment v changes the learning rate. An element's step is lr·ψ times its first moment, with the adaptive
 * learning rate ψ = 1/(√v̂ + ε). The variance of ψ is said to be the reason why Adam needs a warmup (Liu et al., *On the
 * Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020, arXiv 1908.03265).
 */

/** Sums over elements, from which mean and variance follow. Those of several parameters add up. */
export interface Sums {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
}

export interface MomentSums {
  /** Of v̂. */
  readonly nu: Sums;
  /** Of ψ. */
  readonly rate: Sums;
  /** Of log ψ. A few elements with hardly any gradient have ψ near 1/ε, and these alone decide ψ's mean and variance. */
  readonly logRate: Sums;
}

/** How an optimizer goes from its `nu` to v̂ and ψ. */
export interface MomentRule {
  readonly beta2: number;
  /** Whether v̂ is v/(1 − β₂ᵗ), as Adam's, or v, as RMSProp's. */
  readonly corrected: boolean;
  readonly epsilon: number;
}

/** Of one parameter after `count` steps. */
export function momentSums(
  nu: Float32Array,
  { beta2, corrected, epsilon }: MomentRule,
  count: number,
): MomentSums {
  const correction = corrected ? 1 / (1 - beta2 ** count) : 1;
  let [sum, squares, rateSum, rateSquares, logSum, logSquares] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < nu.length; i++) {
    const v = (nu[i] ?? 0) * correction;
    const rate = 1 / (Math.sqrt(v) + epsilon);
    const log = Math.log(rate);
    sum += v;
    squares += v * v;
    rateSum += rate;
    rateSquares += rate * rate;
    logSum += log;
    logSquares += log * log;
  }
  return {
    nu: { count: nu.length, sum, squares },
    rate: { count: nu.length, sum: rateSum, squares: rateSquares },
    logRate: { count: nu.length, sum: logSum, squares: logSquares },
  };
}

export function addSums(a: Sums, b: Sums): Sums {
  return { count: a.count + b.count, sum: a.sum + b.sum, squares: a.squares + b.squares };
}

export function mean({ count, sum }: Sums): number {
  return sum / count;
}

/** The variance of the elements themselves, divided by n: they are not a sample of a larger set. */
export function variance(sums: Sums): number {
  return Math.max(0, sums.squares / sums.count - mean(sums) ** 2);
}
