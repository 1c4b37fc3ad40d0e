import { UserError } from '../errors.ts';
import { permutation, Random } from '../random.ts';
import type { HoldOut, ImageSplit } from './dataset.ts';

/**
 * The same share of every class (at least one image of each), in the split's order. A study over dataset sizes must
 * compare like with like: the choice does not depend on the seed of a run, and a larger fraction contains a smaller one.
 */
export function stratifiedSubset(split: ImageSplit, fraction: number): ImageSplit {
  const chosen = [...membersByClass(split)].flatMap(([label, members]) =>
    drawn(members, shareOf(members.length, fraction), new Random(0, 'sample', label)),
  );
  return partOf(split, chosen);
}

/**
 * Splits off the images that are held out. Each class gives images in proportion to its size, and keeps at least one.
 * Throws a UserError if one of the two parts would be too small for that.
 */
export function holdOut(split: ImageSplit, how: HoldOut): [train: ImageSplit, validation: ImageSplit] {
  const classes = [...membersByClass(split)].sort(([a], [b]) => a - b);
  const wanted = heldOutCount(split.length, how);
  const most = split.length - classes.length;
  if (wanted < 1 || wanted > most) {
    const asked = 'images' in how ? `--validation-images ${how.images}` : `--validation ${how.fraction}`;
    throw new UserError(
      `${asked}: holds out ${wanted} of ${split.length} training images, expected 1 to ${most}, so that each class keeps one`,
    );
  }
  const shares = proportional(
    classes.map(([, members]) => members.length),
    wanted,
  );
  const held = new Set(
    classes.flatMap(([label, members], i) =>
      drawn(members, shares[i] ?? 0, new Random(how.seed, 'validation', label)),
    ),
  );
  const rest = Array.from({ length: split.length }, (_, index) => index).filter((index) => !held.has(index));
  return [partOf(split, rest), partOf(split, [...held])];
}

/** How many training images are held out of `images`. */
export function heldOutCount(images: number, how: HoldOut): number {
  return 'images' in how ? how.images : Math.round(how.fraction * images);
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

function membersByClass({ labels }: ImageSplit): Map<number, number[]> {
  const byClass = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const members = byClass.get(label);
    if (members) members.push(index);
    else byClass.set(label, [index]);
  });
  return byClass;
}

function drawn(members: readonly number[], many: number, random: Random): number[] {
  return Array.from(permutation(members.length, random).subarray(0, many), (i) => members[i] ?? 0);
}

/** Some images of a split, in its order. */
function partOf(split: ImageSplit, chosen: readonly number[]): ImageSplit {
  const indices = Uint32Array.from(chosen).sort();
  return {
    length: indices.length,
    labels: Int32Array.from(indices, (index) => split.labels[index] ?? 0),
    read: (index, out, offset) => split.read(indices[index] ?? 0, out, offset),
    ...(split.verify && { verify: () => split.verify?.() ?? Promise.resolve() }),
  };
}

/** How many of a class's images a fraction takes. */
export function shareOf(members: number, fraction: number): number {
  return Math.max(1, Math.round(fraction * members));
}
