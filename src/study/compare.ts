/**
 * Comparisons that a design plans, or that a person asks of its report: two values of one axis.
 *
 *     "compare": [{ "axis": "gr", "of": "GR + zero-warmup", "against": "GR", "where": { "lrWarmup": ["on"] } }]
 */
import * as v from 'valibot';
import { nearestName, show, UserError } from '../errors.ts';
import type { Axis } from './design.ts';

const name = v.pipe(v.union([v.string(), v.number(), v.boolean()]), v.transform(String));

export const comparisonSchema = v.strictObject({
  /** The axis whose values are compared. */
  axis: v.string(),
  /** The difference is that of this value minus the other. */
  of: name,
  against: name,
  /** Only among runs with these values of other axes. */
  where: v.optional(v.record(v.string(), v.array(name)), {}),
});

/** Two values of an axis, the difference of which is asked for in every setting where runs have both. */
export type Comparison = Readonly<v.InferOutput<typeof comparisonSchema>>;

/** Such as `GR + zero-warmup − GR`. */
export function comparisonName({ of, against }: Pick<Comparison, 'of' | 'against'>): string {
  return `${of} − ${against}`;
}

/** Throws a UserError where the axes do not have what the comparison names. `origin` says where it was written. */
export function checkComparison(
  { axis, of, against, where }: Comparison,
  axes: readonly Axis[],
  origin: string,
): void {
  const own = axisOf(axis, axes, `${origin}: axis`);
  if (own.options.length === 1 && own.options[0] === 'seed')
    throw new UserError(
      `${origin}: axis: ${show(axis)} only sets the seed, by which runs are paired; name another axis`,
    );
  checkValue(of, own, `${origin}: of`);
  checkValue(against, own, `${origin}: against`);
  if (of === against)
    throw new UserError(
      `${origin}: against: expected another value than ${show(of)}, which is compared with it`,
    );
  for (const [other, values] of Object.entries(where)) {
    if (other === axis)
      throw new UserError(
        `${origin}: where: ${show(axis)} is the axis that is compared; leave it out of where`,
      );
    for (const value of values)
      checkValue(value, axisOf(other, axes, `${origin}: where`), `${origin}: where.${other}`);
  }
}

function axisOf(name: string, axes: readonly Axis[], where: string): Axis {
  const found = axes.find((axis) => axis.name === name);
  if (found === undefined)
    throw unknownName(
      `${where}: ${show(name)}`,
      'axis',
      name,
      axes.map((axis) => axis.name),
    );
  return found;
}

function checkValue(value: string, { values }: Axis, where: string): void {
  if (!values.includes(value)) throw unknownName(`${where}: ${show(value)}`, 'value', value, values);
}

/**
 * Reads `AXIS: VALUE - VALUE`, such as `gr: GR + zero-warmup - GR`. Throws a UserError where the text is not of that
 * form, or the axes do not have what it names.
 */
export function parseComparison(text: string, axes: readonly Axis[], origin: string): Comparison {
  const at = text.indexOf(':');
  const [axis, difference] = [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1)];
  // A value may itself have a minus in its name, so each minus is tried.
  const splits = [...difference.matchAll(/\s[-−]\s/g)].map(({ index }) => ({
    of: difference.slice(0, index).trim(),
    against: difference.slice(index + 3).trim(),
  }));
  const [first] = splits;
  if (at < 0 || first === undefined)
    throw new UserError(
      `${origin}: expected AXIS: VALUE - VALUE, with spaces about the minus, such as 'gr: GR - none', got ${show(text)}`,
    );
  const values = axes.find(({ name }) => name === axis)?.values ?? [];
  const known = splits.find(({ of, against }) => values.includes(of) && values.includes(against));
  const comparison = { axis, ...(known ?? first), where: {} };
  checkComparison(comparison, axes, origin);
  return comparison;
}

export function unknownName(where: string, what: string, name: string, names: readonly string[]): UserError {
  const near = nearestName(name, names);
  return new UserError(
    `${where}: no such ${what}${near === undefined ? '' : `; did you mean ${near}?`} Expected one of ${names.join(', ')}`,
  );
}
