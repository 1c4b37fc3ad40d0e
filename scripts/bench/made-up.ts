/** Examples that look like a task's, for times that do not depend on what is in them. */
import { type Batch, emptyBatch, type FieldData } from '../../src/data/batch.ts';
import { Random } from '../../src/random.ts';
import type { Fields } from '../../src/tasks/task.ts';

/** Integers from `first` to before `end`. */
export interface Range {
  readonly first: number;
  readonly end: number;
}

/** Numbers from a normal distribution, and integers in the range of their field: 0 and 1 where it is not given. */
export function madeUpBatch(
  fields: Fields,
  examples: number,
  ranges: Readonly<Record<string, Range>> = {},
): Batch {
  const random = new Random(0, 'sample');
  const batch = emptyBatch(fields, examples);
  for (const [name, data] of Object.entries(batch.fields)) fill(data, random, ranges[name]);
  return batch;
}

function fill(data: FieldData, random: Random, { first, end }: Range = { first: 0, end: 2 }): void {
  for (let i = 0; i < data.length; i++) {
    if (data instanceof Float32Array) data[i] = random.normal();
    else if (data instanceof BigInt64Array) data[i] = BigInt(first + random.integer(end - first));
    else data[i] = first + random.integer(end - first);
  }
}
