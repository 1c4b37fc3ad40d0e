/**
 * Random masks (dropout, stochastic depth), from (seed, step, position in the whole batch, path) alone: whatever the
 * micro-batch, the pass or the number of processes, an example sees the same.
 */
import type { ManifestMask } from '../artifacts/manifest.ts';
import { hash } from '../layers/scope.ts';
import { philox, STREAMS } from '../random.ts';
import type { Tensor } from '../runtime/session.ts';

/** Draws have 16 bits: a byte's would drop 26/256 instead of 0.1. */
const RANGE = 0x10000;

/** The mask of `count` examples from number `first` of the batch on; a mask for the step has no examples. */
export function drawMask(
  { name, per, keep, shape }: ManifestMask,
  { seed, step, first, count }: { seed: number; step: number; first: number; count: number },
): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const examples = per === 'example' ? count : 1;
  const data = new Uint8Array(examples * size);
  const threshold = Math.round(keep * RANGE);
  const path = hash(name);
  for (let i = 0; i < examples; i++) {
    const position = per === 'example' ? first + i : 0;
    fill(data.subarray(i * size, (i + 1) * size), threshold, [seed, step, position, path]);
  }
  return { dtype: 'bool', shape: per === 'example' ? [count, ...shape] : shape, data };
}

function fill(
  out: Uint8Array,
  threshold: number,
  [seed, step, position, path]: readonly [number, number, number, number],
): void {
  for (let i = 0, block = 0; i < out.length; block++) {
    for (const word of philox([block, position, step, path], [seed >>> 0, STREAMS.mask])) {
      out[i++] = Number((word & 0xffff) < threshold);
      if (i < out.length) out[i++] = Number(word >>> 16 < threshold);
      if (i >= out.length) break;
    }
  }
}
