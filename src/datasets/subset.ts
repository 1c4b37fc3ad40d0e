import { permutation, Random } from '../random.ts';
import type { ImageSplit } from './dataset.ts';

/**
 * The same share of every class (at least one image of each), in the split's order. It does not depend on the seed of a
 * run, and a smaller fraction is a part of a larger one: a study over dataset sizes then compares like with like.
 */
export function stratifiedSubset(split: ImageSplit, fraction: number): ImageSplit {
  const byClass = new Map<number, number[]>();
  split.labels.forEach((label, index) => {
    const members = byClass.get(label);
    if (members) members.push(index);
    else byClass.set(label, [index]);
  });
  const chosen = [...byClass].flatMap(([label, members]) => {
    const count = shareOf(members.length, fraction);
    const order = permutation(members.length, new Random(0, 'sample', label));
    return Array.from(order.subarray(0, count), (i) => members[i] ?? 0);
  });
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
