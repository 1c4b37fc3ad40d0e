/** Measures variables on a whole set of examples: its loss and metrics, from sums. Also for browsers. */
import type { EvaluationContract, Manifest } from '../artifacts/manifest.ts';
import type { Batch } from '../data/batch.ts';
import { UserError } from '../errors.ts';
import { finishMetrics, type MetricSums } from '../metrics/finish.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { Metric } from '../tasks/task.ts';
import { addUp, fieldFeeds, numberOf, runOn } from './engine.ts';

type Metrics = Readonly<Record<string, Metric>>;

export interface Measured {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** What the metrics were computed from, by `<metric>/<sum>`. */
  readonly sums: MetricSums;
  readonly examples: number;
}

/**
 * Measures on all batches, of any sizes, with a session of the graph `evaluate`. `feeds` holds the variables. Throws a
 * UserError where there are no examples.
 */
export async function measure(
  session: Session,
  manifest: Pick<Manifest, 'fields'> & EvaluationContract,
  metrics: Metrics,
  feeds: Readonly<Record<string, Tensor>>,
  batches: AsyncIterable<Batch>,
): Promise<Measured> {
  const totals = new Map(manifest.terms.map(({ name }) => [name, { total: 0, weight: 0 }]));
  let sums: MetricSums = {};
  let examples = 0;
  for await (const batch of batches) {
    const out = await runOn(session, { ...feeds, ...fieldFeeds(manifest, batch.fields, batch.examples) });
    for (const { name, weighted, perExample } of manifest.terms) {
      const term = totals.get(name);
      if (!term) continue;
      // A term of the whole batch counts by its examples.
      const total = numberOf(out, `total/${name}`);
      term.total += perExample === 0 ? batch.examples * total : total;
      term.weight += weighted ? numberOf(out, `weight/${name}`) : batch.examples * (perExample || 1);
    }
    sums = added(sums, sumsIn(out, Object.keys(manifest.sums.evaluation)));
    examples += batch.examples;
  }
  if (examples === 0)
    throw new UserError('evaluation: there are no examples to measure; give some, or none of the set');
  const loss = [...totals.values()].reduce((sum, { total, weight }) => sum + total / (weight || 1), 0);
  return { loss, metrics: shown(metrics, finishMetrics(metrics, sums)), sums, examples };
}

/** Without those that only explain others, such as a confusion matrix. */
function shown(metrics: Metrics, numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).filter(([name]) => !metrics[name]?.evaluationOnly));
}

function sumsIn(out: Readonly<Record<string, Tensor>>, names: readonly string[]): MetricSums {
  return Object.fromEntries(names.map((name) => [name, addUp([out], `sums/${name}`)]));
}

/** Sums of two parts of a set; of one where the other has none. */
export function added(sums: MetricSums, more: MetricSums): MetricSums {
  return Object.fromEntries(
    Object.entries(more).map(([name, values]) => [
      name,
      values.map((value, i) => value + (sums[name]?.[i] ?? 0)),
    ]),
  );
}
