/**
 * Series of a run, and how to thin out a long one: a hundred thousand points are too many for a page and for the eye.
 * A null is a gap: the number was not finite, or the method has none.
 */
import type { MetricsLine } from '../storage/metrics.ts';

export interface Point {
  /** The place on the horizontal axis, mostly a step. */
  readonly x: number;
  readonly value: number | null;
  /** The ends of the spread about the value: one standard deviation to each side. */
  readonly low?: number;
  readonly high?: number;
}

/** What a run was evaluated on as it went, and chose its best checkpoint on. */
export function chosenOn(metrics: readonly MetricsLine[]): 'validation' | 'test' {
  return metrics.some((line) => line.split === 'validation') ? 'validation' : 'test';
}

/** One measurement of a split, over the run. */
export function series(
  metrics: readonly MetricsLine[],
  split: MetricsLine['split'],
  measure: (line: MetricsLine) => number | null,
): Point[] {
  return metrics
    .filter((line) => line.split === split)
    .map((line) => ({ x: line.step, value: measure(line) }));
}

/** At most `count` points with the same outline: the lowest and the highest point of each of count/2 bins. */
export function thin(points: readonly Point[], count = 400): Point[] {
  if (points.length <= count) return [...points];
  return bins(points, Math.floor(count / 2)).flatMap((bin) => {
    const seen = bin.filter(isFinitePoint);
    const [first] = seen;
    if (!first) return bin.slice(0, 1);
    let [low, high] = [first, first];
    for (const point of seen) {
      if (point.value < low.value) low = point;
      if (point.value > high.value) high = point;
    }
    return low.x < high.x ? [low, high] : low === high ? [low] : [high, low];
  });
}

/**
 * The moving median, centred, over the fraction `window` of the run, at `count` points or fewer. It does not lag behind
 * as an exponential mean does, and one wild batch does not move it.
 */
export function smooth(points: readonly Point[], window = 0.02, count = 400): Point[] {
  const reach = Math.floor((points.length * window) / 2);
  const stride = Math.max(1, (points.length - 1) / (count - 1));
  const out: Point[] = [];
  for (let at = 0; at < points.length; at += stride) {
    const centre = points[Math.round(at)];
    if (!centre) break;
    const near = points.slice(Math.max(0, Math.round(at) - reach), Math.round(at) + reach + 1);
    out.push({ x: centre.x, value: centre.value === null ? null : (quantile(near, 0.5) ?? null) });
  }
  return out;
}

/** The value below which the fraction `q` of the finite values lies. Undefined where no value is finite. */
export function quantile(points: readonly Point[], q: number): number | undefined {
  const values = points.filter(isFinitePoint).map(({ value }) => value);
  values.sort((a, b) => a - b);
  return values[Math.round(q * (values.length - 1))];
}

function isFinitePoint(point: Point): point is { x: number; value: number } {
  return point.value !== null && Number.isFinite(point.value);
}

function bins(points: readonly Point[], count: number): Point[][] {
  return Array.from({ length: count }, (_, i) =>
    points.slice(Math.round((i * points.length) / count), Math.round(((i + 1) * points.length) / count)),
  );
}
