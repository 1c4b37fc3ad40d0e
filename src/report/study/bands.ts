/** Draws the runs of one condition as a line with a band: mean and standard deviation over the seeds. */
import { type Point, quantile } from '../series.ts';
import { spread } from './statistics.ts';

/**
 * The mean and deviation over runs, in `most` stretches of steps or fewer. The value of a run in a stretch is its
 * median there. A run that ended before the stretch does not count in it. On a logarithmic axis the mean and the
 * deviation are those of the logarithms.
 */
export function overRuns(
  runs: readonly (readonly Point[])[],
  scale: 'linear' | 'log' = 'linear',
  most = 100,
): readonly Point[] {
  const places = [...new Set(runs.flatMap((points) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const count = Math.min(places.length, most);
  return Array.from({ length: count }, (_, i): Point => {
    const from = places[Math.floor((i * places.length) / count)] ?? 0;
    const end = places[Math.floor(((i + 1) * places.length) / count)] ?? Number.POSITIVE_INFINITY;
    const last = places[Math.floor(((i + 1) * places.length) / count) - 1] ?? from;
    const values = runs.flatMap((points) => {
      const value = quantile(
        points.filter(({ x }) => x >= from && x < end),
        0.5,
      );
      return value === undefined ? [] : [value];
    });
    return { x: (from + last) / 2, ...meanWithBand(values, scale) };
  });
}

/** The mean of values, and its ends one standard deviation away, as a point has them. */
export function meanWithBand(
  values: readonly number[],
  scale: 'linear' | 'log' = 'linear',
): Omit<Point, 'x'> {
  const [to, back] = scale === 'log' ? [Math.log, Math.exp] : [Number, Number];
  const usable = scale === 'log' ? values.filter((value) => value > 0) : values;
  const over = spread(usable.map(to));
  if (over === null) return { value: null };
  const { mean, sd } = over;
  return { value: back(mean), ...(sd !== null && { low: back(mean - sd), high: back(mean + sd) }) };
}
