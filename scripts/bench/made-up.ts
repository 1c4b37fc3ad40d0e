/** Examples that look like a task's, for times that do not depend on what is in them. */
import { type Batch, emptyBatch, type FieldData } from '../../src/data/batch.ts';
import { Random } from '../../src/random.ts';
import type { Fields } from '../../src/tasks/task.ts';

/**
 * Numbers from a normal distribution, and integers from 0 to below the count of their field: of two where it is not given,
 * which every task has.
 */
export function madeUpBatch(
  fields: Fields,
  examples: number,
  counts: Readonly<Record<string, number>> = {},
): Batch {
  const random = new Random(0, 'sample');
  const batch = emptyBatch(fields, examples);
  for (const [name, data] of Object.entries(batch.fields)) fill(data, random, counts[name] ?? 2);
  return batch;
}

function fill(data: FieldData, random: Random, count: number): void {
  for (let i = 0; i < data.length; i++) {
    if (data instanceof Float32Array) data[i] = random.normal();
    else if (data instanceof BigInt64Array) data[i] = BigInt(random.integer(count));
    else data[i] = random.integer(count);
  }
}
