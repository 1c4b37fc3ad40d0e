import { holdOutIndices } from './subset.ts';

/** The draws of a test split: the same for every run, whatever its seed. */
const SEED = 0;

/**
 * Divides examples into those to train and those to test with, the same ones in every run; each group gives its share.
 * Throws a UserError that begins with `asked` where a part would be empty.
 */
export function partsOf<T>(
  all: readonly T[],
  groupOf: (example: T) => string,
  testShare: number,
  asked: string,
): [train: T[], test: T[]] {
  const groups = new Map<string, number>();
  const strata = Int32Array.from(all, (example) => {
    const group = groupOf(example);
    return groups.get(group) ?? groups.set(group, groups.size).size - 1;
  });
  const how = { fraction: testShare, seed: SEED };
  const [train, test] = holdOutIndices({ length: all.length, strata }, how, `${asked} ${testShare}`);
  const part = (indices: Uint32Array) => Array.from(indices).flatMap((index) => all.slice(index, index + 1));
  return [part(train), part(test)];
}
