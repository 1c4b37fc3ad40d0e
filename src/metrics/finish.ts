/** What sums over many examples mean, metric by metric. */
import { UserError } from '../errors.ts';
import type { Metric } from '../tasks/task.ts';

/** Totals by `<metric>/<sum>`, as passes over a task give them. */
export type MetricSums = Readonly<Record<string, Float64Array>>;

/** The sums of one metric, by their own names. */
export function sumsOf(name: string, sums: MetricSums): MetricSums {
  const prefix = `${name}/`;
  return Object.fromEntries(
    Object.entries(sums).flatMap(([key, values]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), values]] : [],
    ),
  );
}

/**
 * The metrics' numbers, of those whose sums are among these. NaN where the model gave no numbers. Throws UserError where
 * a metric divides by zero: where its sums are numbers and what it makes of them is not.
 */
export function finishMetrics(
  metrics: Readonly<Record<string, Metric>>,
  sums: MetricSums,
): Record<string, number> {
  const numbers: [string, number][] = [];
  for (const [name, metric] of Object.entries(metrics)) {
    const own = sumsOf(name, sums);
    if (Object.keys(own).length === 0) continue;
    const number = metric.finish(own);
    if (dividesByZero(number, own)) {
      throw new UserError(
        `metric ${name}: expected a number, got ${number}: it divides by zero, of sums ${told(own)}; evaluate on examples of which some count`,
      );
    }
    numbers.push([name, number]);
  }
  return Object.fromEntries(numbers);
}

function dividesByZero(number: number, sums: MetricSums): boolean {
  if (Number.isFinite(number)) return false;
  const values = Object.values(sums).flatMap((sum) => [...sum]);
  if (!values.every(Number.isFinite)) return false;
  // Without a zero, infinity is what became too large: the perplexity of a bad model.
  return Number.isNaN(number) || values.includes(0);
}

function told(sums: MetricSums): string {
  return Object.entries(sums)
    .map(([name, [first, ...rest]]) => `${name} ${first}${rest.length > 0 ? ' …' : ''}`)
    .join(', ');
}
