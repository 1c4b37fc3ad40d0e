/**
 * The largest eigenvalue of a symmetric matrix, from its products with vectors (Lanczos 1950; Parlett, *The Symmetric
 * Eigenvalue Problem*, chapter 13). The vectors are not reorthogonalized, so only three are held at once. Rounding then
 * adds copies of eigenvalues that are already found, which does not change the largest.
 */
import { axpy, dotOf, normOf, type Operator, scaled, type Vector } from './vectors.ts';

export interface TopEigenvalue {
  readonly value: number;
  /** An eigenvalue is at most this far from `value`. */
  readonly error: number;
  readonly products: number;
}

/** `start` is not 0. Ends when the error is at most `tolerance` times the value, or after `most` products. */
export async function topEigenvalue(
  times: Operator,
  start: Vector,
  { tolerance, most }: { readonly tolerance: number; readonly most: number },
): Promise<TopEigenvalue> {
  const [alphas, betas]: [number[], number[]] = [[], []];
  let previous: Vector | undefined;
  let current = scaled(start, 1 / normOf(start));
  for (let products = 1; ; products++) {
    const next = await times(current);
    const alpha = dotOf(current, next);
    axpy(next, -alpha, current);
    if (previous) axpy(next, -(betas.at(-1) ?? 0), previous);
    const beta = normOf(next);
    alphas.push(alpha);
    if (!Number.isFinite(alpha) || !Number.isFinite(beta)) return { value: alpha, error: beta, products };
    const value = largestOf(alphas, betas);
    const error = beta * lastComponent(alphas, betas, value);
    if (error <= tolerance * Math.abs(value) || products === most) return { value, error, products };
    betas.push(beta);
    previous = current;
    current = scaled(next, 1 / beta);
  }
}

/** The largest eigenvalue of the symmetric matrix with `a` on its diagonal and `b` beside it, by bisection. */
export function largestOf(a: readonly number[], b: readonly number[]): number {
  const reach = (i: number) => Math.abs(b[i - 1] ?? 0) + Math.abs(b[i] ?? 0);
  let low = Math.max(...a);
  let high = Math.max(...a.map((x, i) => x + reach(i)));
  // Until no float64 lies between the two: about 52 halvings, more if the range is many times larger than its ends.
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (isAboveAll(a, b, middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Whether all eigenvalues are below x: all pivots of T − x are then negative (Sylvester's law of inertia). */
function isAboveAll(a: readonly number[], b: readonly number[], x: number): boolean {
  let pivot = Number.NEGATIVE_INFINITY;
  for (const [i, diagonal] of a.entries()) {
    pivot = diagonal - x - (b[i - 1] ?? 0) ** 2 / pivot;
    if (pivot >= 0) return false;
  }
  return true;
}

/**
 * The last component of the unit eigenvector. The recurrence runs from the last component upwards: once the eigenvalue is
 * nearly found, components grow in that direction, and rounding errors do not grow with them.
 */
function lastComponent(a: readonly number[], b: readonly number[], value: number): number {
  let [below, here, squares] = [0, 1, 1];
  for (let i = a.length - 1; i > 0; i--) {
    const above = ((value - (a[i] ?? 0)) * here - (b[i] ?? 0) * below) / (b[i - 1] ?? 0);
    [below, here] = [here, above];
    squares += above * above;
  }
  return 1 / Math.sqrt(squares);
}
