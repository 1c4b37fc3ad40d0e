/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., *Parallel Random Numbers: As Easy as 1, 2, 3*,
 * SC 2011). A draw depends only on its key and counter, never on how many numbers were drawn before it. So a resumed run
 * sees exactly the numbers of an uninterrupted one.
 */

import { expectOneOf } from './expect.ts';
import type { OwnedIndices } from './owned-array.ts';

/** Independent uses of one seed; each gets its own key. */
export const STREAMS = {
  init: 1,
  shuffle: 2,
  augment: 3,
  sample: 4,
  probe: 5,
  validation: 6,
  /** Random inputs of graphs: masks and uniform numbers, which their paths tell apart. */
  mask: 7,
  erase: 8,
  mix: 9,
} as const;
export type Stream = keyof typeof STREAMS;
const STREAM_NAMES = Object.keys(STREAMS);

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
/** Of Philox4x32: its rounds, what a round multiplies the first and third word of the counter by, and adds to the key. */
export const PHILOX = { rounds: 10, factors: [M0, M1], increments: [W0, W1] } as const;

function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const other = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000)) >>> 0;
}

/** One Philox4x32-10 block: four uint32 from a 128-bit counter and a 64-bit key. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < PHILOX.rounds; round++) {
    const high0 = mulHigh(M0, c0 >>> 0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2 >>> 0);
    const low1 = Math.imul(M1, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** A sequence of draws addressed by (seed, stream, a, b): e.g. a = epoch, b = index of the image. */
export class Random {
  #block: [number, number, number, number] = [0, 0, 0, 0];
  #used = 4;
  #draw = 0;
  readonly #key: readonly [number, number];
  readonly #a: number;
  readonly #b: number;

  /** `seed`, `a`, `b`: integers in [0, 2³²). Throws UserError where the stream is not one of `STREAMS`. */
  constructor(seed: number, stream: Stream, a = 0, b = 0) {
    expectOneOf('Random: stream', stream, STREAM_NAMES);
    this.#key = [seed >>> 0, STREAMS[stream]];
    this.#a = a;
    this.#b = b;
  }

  /** A uniform integer in [0, 2³²). */
  uint32(): number {
    if (this.#used === 4) {
      this.#block = philox([this.#draw++, 0, this.#a, this.#b], this.#key);
      this.#used = 0;
    }
    return this.#block[this.#used++] ?? 0;
  }

  /** A uniform number in [0, 1), with 32 bits. */
  uniform(): number {
    return this.uint32() / 0x100000000;
  }

  /** A uniform integer in [0, `bound`), without bias (rejection). */
  integer(bound: number): number {
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const draw = this.uint32();
      if (draw < limit) return draw % bound;
    }
  }

  /** A standard normal number (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}

/** A permutation of 0 … length − 1 (Fisher–Yates). */
export function permutation(length: number, random: Random): OwnedIndices {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const [a, b] = [order[i] ?? 0, order[j] ?? 0];
    order[i] = b;
    order[j] = a;
  }
  return order;
}
