/** What metrics share: finding what they compare, and means that are NaN where nothing was counted. */
import { UserError } from '../errors.ts';
import type { Value } from '../onnx/value.ts';
import type { Values } from '../tasks/task.ts';

/** The output of a name; without one the only output or, of several, the one of the `standard` name. */
export function outputOf(outputs: Values, name: string | undefined, standard: string): Value {
  const [only, ...others] = Object.values(outputs);
  return name === undefined && only && others.length === 0
    ? only
    : found('an output', outputs, name ?? standard);
}

export function fieldOf(fields: Values, name: string): Value {
  return found('a field', fields, name);
}

function found(what: string, values: Values, name: string): Value {
  const value = values[name];
  if (value) return value;
  const names = Object.keys(values).join(', ');
  throw new UserError(`metric: expected ${what} ${name}, got ${names}; name the one to be compared`);
}

/** a/b; NaN where b is 0. */
export function ratio(a: number, b: number): number {
  return b === 0 ? Number.NaN : a / b;
}

/** A total over a count, both sums of one element; NaN where nothing was counted. */
export function share(total: Float64Array | undefined, count: Float64Array | undefined): number {
  return ratio(total?.[0] ?? Number.NaN, count?.[0] ?? 0);
}

/** The mean of f(0) … f(length − 1) over those that are numbers; NaN where none is. */
export function meanOf(length: number, f: (index: number) => number): number {
  const known = Array.from({ length }, (_, i) => f(i)).filter((x) => !Number.isNaN(x));
  return ratio(
    known.reduce((a, b) => a + b, 0),
    known.length,
  );
}
