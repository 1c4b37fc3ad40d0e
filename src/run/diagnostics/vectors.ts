/** Vectors over all parameters: an array for each, as gradients are. */

import type { Random } from '../../random.ts';
import { combine, dot } from '../../step/vectors.ts';

export type Vector = readonly Float32Array[];
/** A matrix times a vector, in arrays of its own. */
export type Operator = (vector: Vector) => Promise<Vector>;

export function dotOf(x: Vector, y: Vector): number {
  return x.reduce((total, part, i) => total + dot(part, like(y[i])), 0);
}

export function normOf(x: Vector): number {
  return Math.sqrt(dotOf(x, x));
}

/** y ← y + a·x. */
export function axpy(y: Vector, a: number, x: Vector): void {
  y.forEach((part, i) => {
    combine(part, 1, part, a, like(x[i]));
  });
}

export function scaled(x: Vector, factor: number): Vector {
  return x.map((part) => {
    const out = new Float32Array(part.length);
    combine(out, factor, part, 0, part);
    return out;
  });
}

/** Every element 1 or −1, with equal chances (Rademacher). */
export function randomSigns(sizes: readonly number[], random: Random): Vector {
  return sizes.map((size) => {
    const out = new Float32Array(size);
    let bits = 0;
    for (let i = 0; i < size; i++) {
      if (i % 32 === 0) bits = random.uint32();
      out[i] = (bits >>> (i % 32)) & 1 ? 1 : -1;
    }
    return out;
  });
}

function like(part: Float32Array | undefined): Float32Array {
  if (!part) throw new Error('internal: vectors of different parameters');
  return part;
}
