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

/** What each metric makes of its sums, of those whose sums are among these. */
function finished(
  metrics: Readonly<Record<string, Metric>>,
  sums: MetricSums,
): { readonly name: string; readonly number: number; readonly own: MetricSums }[] {
  return Object.entries(metrics).flatMap(([name, metric]) => {
    const own = sumsOf(name, sums);
    return Object.keys(own).length === 0 ? [] : [{ name, number: metric.finish(own), own }];
  });
}

/** The metrics of a step's batch. NaN where nothing in it counts, which a later batch may mend. */
export function stepMetrics(
  metrics: Readonly<Record<string, Metric>>,
  sums: MetricSums,
): Record<string, number> {
  return Object.fromEntries(finished(metrics, sums).map(({ name, number }) => [name, number]));
}

/**
 * The metrics' numbers, of those whose sums are among these. NaN where the model gave no numbers. Throws UserError where
 * a metric divides by zero: where its sums are numbers and what it makes of them is not.
 */
export function finishMetrics(
  metrics: Readonly<Record<string, Metric>>,
  sums: MetricSums,
): Record<string, number> {
  const numbers = finished(metrics, sums).map(({ name, number, own }): [string, number] => {
    if (!dividesByZero(number, own)) return [name, number];
    throw new UserError(
      `metric ${name}: expected a number, got ${number}: it divides by zero, of sums ${told(own)}; evaluate on examples of which some count`,
    );
  });
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
