/** What the part that only runs makes of every example: computed once, since it does not change while the rest trains. */
import { emptyField } from '../../data/batch.ts';
import { batchesOf, IN_ORDER, inSequence } from '../../data/batches.ts';
import { copyExample } from '../../data/copy-example.ts';
import type { Split } from '../../data/dataset.ts';
import { UserError } from '../../errors.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import type { TrunkRunner } from '../../run/trunk.ts';
import type { Fields } from '../../tasks/task.ts';

export interface FeatureOptions {
  /** What the examples have. */
  readonly data: Fields;
  /** What the task takes. */
  readonly fields: Fields;
  readonly batchSize: number;
  /** Called with the number of examples that are done. */
  readonly told: (done: number) => void;
}

/** A page's memory has no room for more. */
const MOST_BYTES = 2 ** 30;

/** Throws UserError where all that the trunk gives does not fit into a page. */
export async function featuresOf(
  split: Split,
  trunk: TrunkRunner,
  { data, fields, batchSize, told }: FeatureOptions,
): Promise<Split> {
  const all = Object.entries(fields).map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    size: sizeOf(shape),
  }));
  const bytes = 4 * split.length * all.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MOST_BYTES) {
    throw new UserError(
      `what comes before the trained part gives ${(bytes / 1e9).toFixed(1)} GB for ${split.length} examples, more than a page can hold: train less of the file, or fewer examples; or train it in node: npx ortgrad artifacts`,
    );
  }
  const columns = all.map((each) => ({ ...each, data: emptyField(each.dtype, split.length * each.size) }));
  let done = 0;
  for await (const batch of inSequence(batchesOf(data, split, { batchSize, ...IN_ORDER })).batches({
    epoch: 0,
  })) {
    told(done);
    const given = await trunk.fields(batch);
    for (let i = 0; i < batch.examples; i++, done++)
      for (const column of columns)
        copyExample(column.name, given.fields[column.name], column.size, i, column.data, done);
  }
  return {
    length: split.length,
    ...(split.strata && { strata: split.strata }),
    read(index, out, at) {
      for (const column of columns)
        copyExample(column.name, column.data, column.size, index, out[column.name], at);
    },
  };
}
