/** Measures variables on a whole set of examples: its loss and metrics, from sums. Also for browsers. */
import type { Manifest } from '../artifacts/manifest.ts';
import { UserError } from '../errors.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { Metric } from '../tasks/task.ts';
import type { Batch } from './batch.ts';
import { addUp, fieldFeeds, numberOf, runOn } from './engine.ts';

type Metrics = Readonly<Record<string, Metric>>;
type Sums = Readonly<Record<string, Float64Array>>;

export interface Measured {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** What the metrics were computed from, by `<metric>/<sum>`. */
  readonly sums: Sums;
  readonly examples: number;
}

/**
 * Measures on all batches, of any sizes, with a session of the graph `evaluate`. `feeds` holds the variables. Throws a
 * UserError where there are no examples.
 */
export async function measure(
  session: Session,
  manifest: Pick<Manifest, 'fields' | 'terms' | 'sums'>,
  metrics: Metrics,
  feeds: Readonly<Record<string, Tensor>>,
  batches: AsyncIterable<Batch>,
): Promise<Measured> {
  const totals = new Map(manifest.terms.map(({ name }) => [name, { total: 0, weight: 0 }]));
  let sums: Sums = {};
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
  return { loss, metrics: metricsOf(metrics, sums), sums, examples };
}

/** The metrics whose sums are there. */
export function metricsOf(metrics: Metrics, sums: Sums): Record<string, number> {
  const measured = Object.entries(metrics).flatMap(([name, metric]): [string, number][] => {
    const own = Object.entries(sums).flatMap(([path, values]): [string, Float64Array][] =>
      path.startsWith(`${name}/`) ? [[path.slice(name.length + 1), values]] : [],
    );
    return own.length === 0 ? [] : [[name, metric.finish(Object.fromEntries(own))]];
  });
  return Object.fromEntries(measured);
}

function sumsIn(out: Readonly<Record<string, Tensor>>, names: readonly string[]): Sums {
  return Object.fromEntries(names.map((name) => [name, addUp([out], `sums/${name}`)]));
}

/** Sums of two parts of a set; of one where the other has none. */
export function added(sums: Sums, more: Sums): Sums {
  return Object.fromEntries(
    Object.entries(more).map(([name, values]) => [
      name,
      values.map((value, i) => value + (sums[name]?.[i] ?? 0)),
    ]),
  );
}
