import { UserError } from '../errors.ts';
import { permutation, Random } from '../random.ts';
import type { HoldOut, Split } from './dataset.ts';

/**
 * The same share of every stratum (at least one example of each), in the split's order; of all, where there are none. A
 * study over dataset sizes must compare like with like: the choice does not depend on the seed of a run, and a larger
 * fraction contains a smaller one.
 */
export function stratifiedSubset(split: Split, fraction: number): Split {
  const chosen = [...strataOf(split)].flatMap(([label, members]) =>
    drawn(members, shareOf(members.length, fraction), new Random(0, 'sample', label)),
  );
  return partOf(split, chosen);
}

/**
 * Splits off the examples that are held out. Each stratum gives examples in proportion to its size, and keeps at least
 * one. Throws a UserError if one of the two parts would be too small for that.
 */
export function holdOut(split: Split, how: HoldOut): [train: Split, validation: Split] {
  const strata = [...strataOf(split)].sort(([a], [b]) => a - b);
  const wanted = heldOutCount(split.length, how);
  const most = split.length - strata.length;
  if (wanted < 1 || wanted > most) {
    const asked = 'examples' in how ? `--validation-images ${how.examples}` : `--validation ${how.fraction}`;
    const why = strata.length > 1 ? 'each class keeps one' : 'some are left';
    throw new UserError(
      `${asked}: holds out ${wanted} of ${split.length} training examples, expected 1 to ${most}, so that ${why}`,
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
  const rest = Array.from({ length: split.length }, (_, index) => index).filter((index) => !held.has(index));
  return [partOf(split, rest), partOf(split, [...held])];
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

function strataOf({ length, strata }: Split): Map<number, number[]> {
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

/** Some examples of a split, in its order. */
function partOf(split: Split, chosen: readonly number[]): Split {
  const indices = Uint32Array.from(chosen).sort();
  const { strata } = split;
  return {
    length: indices.length,
    ...(strata && { strata: Int32Array.from(indices, (index) => strata[index] ?? 0) }),
    read: (index, out, at, draw) => split.read(indices[index] ?? 0, out, at, draw),
    ...(split.verify && { verify: () => split.verify?.() ?? Promise.resolve() }),
  };
}

/** How many of a stratum's examples a fraction takes. */
export function shareOf(members: number, fraction: number): number {
  return Math.max(1, Math.round(fraction * members));
}
