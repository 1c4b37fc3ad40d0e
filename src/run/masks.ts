/**
 * Random inputs, masks (dropout, stochastic depth) and uniform numbers (ShakeDrop), from (seed, step, position in the whole batch, path) alone: whatever the
 * micro-batch, the pass or the number of processes, an example sees the same.
 */
import type { ManifestMask, ManifestUniform } from '../artifacts/manifest.ts';
import { hash } from '../layers/scope.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { philox, STREAMS } from '../random.ts';
import type { Tensor } from '../runtime/session.ts';
import { BLOCK, CAPACITY, type MaskLoop, maskLoop } from './mask-loop.ts';

/** Draws have 16 bits: a byte's would drop 26/256 instead of 0.1. */
const RANGE = 0x10000;

/** Which examples' numbers of which step. */
export interface RandomPlace {
  readonly seed: number;
  readonly step: number;
  /** The first example's number in the batch, and how many follow; what is for the step has no examples. */
  readonly first: number;
  readonly count: number;
}

/** The mask of some examples, or of the step. */
export function drawMask(mask: ManifestMask, place: RandomPlace): Tensor {
  const data = emptyMask(mask, place);
  const loop = maskLoop();
  if (loop) fillByLoop(loop, data, mask, place);
  else fillPlainly(data, mask, place);
  const { per, shape } = mask;
  return { dtype: 'bool', shape: per === 'example' ? [place.count, ...shape] : shape, data };
}

export function emptyMask({ per, shape }: ManifestMask, { count }: RandomPlace): Uint8Array {
  return new Uint8Array((per === 'example' ? count : 1) * sizeOf(shape));
}

/** Of a uniform number, as many as a float32 holds: it is below 1 whatever the draw. */
const UNIFORM_BITS = 24;

/**
 * The uniform numbers of some examples, or of the step: element i is of word i mod 4 in block ⌊i/4⌋ of Philox, as i counts
 * an example's own. They are few in what needs them, so that no loop in WebAssembly pays.
 */
export function drawUniform(
  { name, per, shape }: ManifestUniform,
  { seed, step, first, count }: RandomPlace,
): Tensor {
  const [path, size, examples] = [hash(name), sizeOf(shape), per === 'example' ? count : 1];
  const data = new Float32Array(examples * size);
  for (let start = 0; start < data.length; start += size) {
    const position = per === 'example' ? first + start / size : 0;
    for (let i = 0; i < size; i += 4) {
      philox([i / 4, position, step, path], [seed >>> 0, STREAMS.mask]).forEach((word, k) => {
        if (i + k < size) data[start + i + k] = (word >>> (32 - UNIFORM_BITS)) / 2 ** UNIFORM_BITS;
      });
    }
  }
  return { dtype: 'float32', shape: per === 'example' ? [count, ...shape] : shape, data };
}

const thresholdOf = ({ keep }: ManifestMask): number => Math.round(keep * RANGE);

/** In WebAssembly, to the same bits as `fillPlainly`: 29 million elements take some 40 ms in place of seconds. */
function fillByLoop(
  { memory, fill }: MaskLoop,
  data: Uint8Array,
  mask: ManifestMask,
  { seed, step, first }: RandomPlace,
): void {
  const threshold = thresholdOf(mask);
  if (threshold === RANGE) {
    data.fill(1);
    return;
  }
  const path = hash(mask.name);
  const size = sizeOf(mask.shape);
  let [written, copied] = [0, 0];
  while (written < data.length) {
    const offset = written % size;
    const position = mask.per === 'example' ? first + (written - offset) / size : 0;
    const room = CAPACITY - (written - copied);
    // A piece ends where its example does, or with a whole block.
    const length = size - offset <= room ? size - offset : room - (room % BLOCK);
    if (length > 0) {
      const address = written - copied;
      fill(address, address + length, offset / BLOCK, position, step, path, seed, STREAMS.mask, threshold);
      written += length;
    }
    if (length === 0 || written === data.length || offset + length < size) {
      data.set(memory.subarray(0, written - copied), copied);
      copied = written;
    }
  }
}

/** What the loop is tested against, and what draws where there is no WebAssembly. */
export function fillPlainly(data: Uint8Array, mask: ManifestMask, { seed, step, first }: RandomPlace): void {
  const [threshold, path, size] = [thresholdOf(mask), hash(mask.name), sizeOf(mask.shape)];
  for (let start = 0; start < data.length; start += size) {
    const position = mask.per === 'example' ? first + start / size : 0;
    const end = start + size;
    for (let i = start, block = 0; i < end; block++) {
      for (const word of philox([block, position, step, path], [seed >>> 0, STREAMS.mask])) {
        if (i < end) data[i++] = Number((word & 0xffff) < threshold);
        if (i < end) data[i++] = Number(word >>> 16 < threshold);
      }
    }
  }
}
