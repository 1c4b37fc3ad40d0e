/** What metrics share: finding what they compare, and means that say what they divided. */
import type { Value } from '../onnx/value.ts';
import type { Values } from '../tasks/task.ts';

/** The output of a name; without one the only output or, of several, the one of the `standard` name. */
export function outputOf(outputs: Values, name: string | undefined, standard: string): Value {
  const [only, ...others] = Object.values(outputs);
  return name === undefined && only && others.length === 0
    ? only
    : named('output', outputs, name ?? standard);
}

export function fieldOf(fields: Values, name: string): Value {
  return named('field', fields, name);
}

function named(what: string, values: Values, name: string): Value {
  const value = values[name];
  if (!value) {
    throw new Error(
      `metric: expected an ${what} ${name}, got ${Object.keys(values).join(', ')}`.replace(
        'an field',
        'a field',
      ),
    );
  }
  return value;
}

/** A total over a count, both sums of one element. NaN where nothing was counted. */
export function share(total: Float64Array | undefined, count: Float64Array | undefined): number {
  return (total?.[0] ?? Number.NaN) / (count?.[0] ?? 0);
}
