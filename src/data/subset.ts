import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import type { OwnedIndices } from '../owned-array.ts';
import { permutation, Random } from '../random.ts';
import type { Dataset, DatasetSource, HoldOut, Split } from './dataset.ts';

/** Which examples there are to choose from. */
type Population = Pick<Split, 'length' | 'strata'>;

/** Which of the training examples a run uses. */
export type InUse = Pick<DatasetSource, 'trainFraction' | 'holdOut'>;

/**
 * The same share of every stratum (at least one example of each), in the split's order; of all, where there are none. A
 * study over dataset sizes must compare like with like: the choice does not depend on the seed of a run, and a larger
 * fraction contains a smaller one.
 */
export function stratifiedSubset(split: Split, fraction: number): Split {
  return partOf(split, subsetIndices(split, fraction));
}

function subsetIndices(population: Population, fraction: number): OwnedIndices {
  const chosen = [...strataOf(population)].flatMap(([label, members]) =>
    drawn(members, shareOf(members.length, fraction), new Random(0, 'sample', label)),
  );
  return Uint32Array.from(chosen).sort();
}

/**
 * Splits off the examples that are held out. Each stratum gives examples in proportion to its size, and keeps at least
 * one. Throws a UserError if one of the two parts would be too small for that.
 */
export function holdOut(split: Split, how: HoldOut): [train: Split, validation: Split] {
  const [rest, held] = holdOutIndices(split, how);
  return [partOf(split, rest), partOf(split, held)];
}

/** The numbers of the examples that stay, and of those that are held out, each in order; as `holdOut` chooses them. */
export function holdOutIndices(
  population: Population,
  how: HoldOut,
  asked = 'examples' in how ? `--validation-images ${how.examples}` : `--validation ${how.fraction}`,
): [rest: OwnedIndices, held: OwnedIndices] {
  const strata = [...strataOf(population)].sort(([a], [b]) => a - b);
  const wanted = heldOutCount(population.length, how);
  const most = population.length - strata.length;
  if (wanted < 1 || wanted > most) {
    const why = strata.length > 1 ? 'each class keeps one' : 'some are left';
    throw new UserError(
      `${asked}: holds out ${wanted} of ${population.length} training examples, expected 1 to ${most}, so that ${why}`,
    );
  }
  const shares = proportional(
    strata.map(([, members]) => members.length),
    wanted,
  );
  const held = new Set(
    strata.flatMap(([label, members], i) =>
      drawn(members, shares[i] ?? 0, new Random(how.seed, 'validation', label)),
    ),
  );
  const all = Uint32Array.from({ length: population.length }, (_, index) => index);
  return [all.filter((index) => !held.has(index)), Uint32Array.from(held).sort()];
}

/** The numbers of the training examples that are trained on: for statistics that must not see the others. */
export function indicesInUse(
  population: Population,
  { trainFraction = 1, holdOut: how }: InUse,
): OwnedIndices {
  const all = Uint32Array.from({ length: population.length }, (_, index) => index);
  const chosen = trainFraction === 1 ? all : subsetIndices(population, trainFraction);
  if (how === undefined) return chosen;
  const { strata } = population;
  const part = strata ? { strata: Int32Array.from(chosen, (index) => strata[index] ?? 0) } : {};
  const [rest] = holdOutIndices({ length: chosen.length, ...part }, how);
  return rest.map((index) => chosen[index] ?? 0);
}

/** Throws a UserError unless the number is in (0, 1]. */
export function expectShare(what: string, share: number): void {
  if (share > 0 && share <= 1) return;
  throw new UserError(`${what}: expected a number above 0 and at most 1, got ${share}`);
}

/**
 * The dataset with the share of its training examples that is used, less those that are held out for validation. Throws
 * a UserError for a share that is none, for too few examples, and if the dataset has validation examples of its own.
 */
export function datasetInUse(dataset: Dataset, { trainFraction = 1, holdOut: how }: InUse): Dataset {
  expectShare('trainFraction', trainFraction);
  let { train, found } = dataset;
  if (trainFraction !== 1) {
    train = stratifiedSubset(train, trainFraction);
    found = `${found}; training on ${grouped(train.length)} of them (trainFraction ${trainFraction})`;
  }
  if (how === undefined) return { ...dataset, train, found };
  if (dataset.validation) {
    throw new UserError(
      `${dataset.name}: the dataset has ${grouped(dataset.validation.length)} validation examples of its own: leave out --validation and --validation-images`,
    );
  }
  const [rest, validation] = holdOut(train, how);
  found = `${found}; ${grouped(validation.length)} training examples held out for validation, ${grouped(rest.length)} left`;
  return { ...dataset, train: rest, validation, found };
}

/** How many training examples are held out of `examples`. */
export function heldOutCount(examples: number, how: HoldOut): number {
  return 'examples' in how ? how.examples : Math.round(how.fraction * examples);
}

/** Splits `total` in proportion to `sizes`, in whole numbers (largest remainders). Each part is less than its size. */
function proportional(sizes: readonly number[], total: number): number[] {
  const sum = sizes.reduce((a, b) => a + b, 0);
  const exact = sizes.map((size) => (size * total) / sum);
  const parts = exact.map((share, i) => Math.min(Math.floor(share), (sizes[i] ?? 0) - 1));
  let left = total - parts.reduce((a, b) => a + b, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - (parts[i] ?? 0) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  while (left > 0) {
    for (const { i } of byRemainder) {
      const part = parts[i] ?? 0;
      if (left === 0 || part >= (sizes[i] ?? 0) - 1) continue;
      parts[i] = part + 1;
      left--;
    }
  }
  return parts;
}

function strataOf({ length, strata }: Population): Map<number, number[]> {
  const byStratum = new Map<number, number[]>();
  for (let index = 0; index < length; index++) {
    const stratum = strata?.[index] ?? 0;
    const members = byStratum.get(stratum);
    if (members) members.push(index);
    else byStratum.set(stratum, [index]);
  }
  return byStratum;
}

function drawn(members: readonly number[], many: number, random: Random): number[] {
  return Array.from(permutation(members.length, random).subarray(0, many), (i) => members[i] ?? 0);
}

/** Some examples of a split. */
export function partOf(split: Split, indices: Uint32Array): Split {
  const { strata } = split;
  return {
    length: indices.length,
    ...(strata && { strata: Int32Array.from(indices, (index) => strata[index] ?? 0) }),
    read: (index, out, at, draw) => split.read(indices[index] ?? 0, out, at, draw),
    ...(split.mix && { mix: (out, examples, draw) => split.mix?.(out, examples, draw) }),
    ...(split.verify && { verify: () => split.verify?.() ?? Promise.resolve() }),
  };
}

/** How many of a stratum's examples a fraction takes. */
export function shareOf(members: number, fraction: number): number {
  return Math.max(1, Math.round(fraction * members));
}
