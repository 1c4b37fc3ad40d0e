/** Examples that look like a task's, for times that do not depend on what is in them. */
import { type Batch, emptyBatch, type FieldData } from '../../src/data/batch.ts';
import { Random } from '../../src/random.ts';
import type { Fields } from '../../src/tasks/task.ts';

/** Numbers from a normal distribution; labels and whatever else has integers are 0 or 1, which every task has. */
export function madeUpBatch(fields: Fields, examples: number): Batch {
  const random = new Random(0, 'sample');
  const batch = emptyBatch(fields, examples);
  for (const data of Object.values(batch.fields)) fill(data, random);
  return batch;
}

function fill(data: FieldData, random: Random): void {
  for (let i = 0; i < data.length; i++) {
    if (data instanceof Float32Array) data[i] = random.normal();
    else if (data instanceof BigInt64Array) data[i] = BigInt(random.integer(2));
    else data[i] = random.integer(2);
  }
}
