/**
 * Memory that the kernels reach, and the kernels on arrays. The buffer of an array tells whether it lies in such memory,
 * so that no code besides has to know: `kernelsOf(array)` finds the kernels. Where it finds none, the caller's own loop
 * does the work. ONNX Runtime reads these arrays in place, as it reads any other.
 */
import type { OwnedFloats } from '../../owned-array.ts';
import { assembleKernels, LANES } from './module.ts';

const PAGE_BYTES = 65536;
/** A WebAssembly memory has at most 65,536 pages. One less, so that addresses stay below 2³². */
const MOST_PAGES = 65535;
/** Arrays begin where a cache line does. */
const LINE_BYTES = 64;
/** Elements copied at once from an array that lies elsewhere: 64 KiB, which the level-2 cache keeps. */
const CHUNK = 16384;
/** Chunks at the beginning of every memory, for the operands of one loop. */
const CHUNKS = 3;
const FIRST_FREE = CHUNKS * CHUNK * 4;

/** The numbers of one Adam step, as adam.ts names them. */
export interface AdamNumbers {
  readonly gradScale: number;
  readonly beta1: number;
  readonly gain1: number;
  readonly beta2: number;
  readonly gain2: number;
  readonly l2: number;
  /** What the parameter loses apart from the update, as a share of itself. */
  readonly decay: number;
  readonly stepSize: number;
  readonly correction: number;
  readonly epsilon: number;
}

/** The loops, each over the first `vectorized(length)` elements of its arrays. The caller's loop takes those left. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** `param`, `mu` and `nu` must lie in this memory. */
  adam(arrays: Readonly<Record<'param' | 'grad' | 'mu' | 'nu', Float32Array>>, numbers: AdamNumbers): void;
  /** to ← a·x + b·y. */
  combine(to: Float32Array, a: number, x: Float32Array, b: number, y: Float32Array): void;
  sumOfSquares(x: Float32Array): number;
  dot(x: Float32Array, y: Float32Array): number;
}

export function vectorized(length: number): number {
  return length - (length % LANES);
}

let compiled: WebAssembly.Module | undefined | null = null;
let outside: Kernels | undefined;
const homes = new WeakMap<ArrayBufferLike, Kernels>();

/** The kernels' module, compiled once; undefined where WebAssembly or its vector extension is missing. */
function kernelModule(): WebAssembly.Module | undefined {
  if (compiled !== null) return compiled;
  const bytes = assembleKernels();
  const runs = typeof WebAssembly !== 'undefined' && WebAssembly.validate(bytes);
  compiled = runs ? new WebAssembly.Module(bytes) : undefined;
  return compiled;
}

/** The kernels whose memory holds all the arrays. */
export function kernelsOf(first: Float32Array, ...others: readonly Float32Array[]): Kernels | undefined {
  const home = homes.get(first.buffer);
  return others.every(({ buffer }) => buffer === first.buffer) ? home : undefined;
}

/** Kernels for arrays that lie anywhere: they are copied in chunks. */
export function kernelsForAny(): Kernels | undefined {
  outside ??= createKernels(0);
  return outside;
}

/** Kernels with a memory of so many bytes besides their chunks; undefined where the platform refuses. */
function createKernels(bytes: number): Kernels | undefined {
  const module = kernelModule();
  if (!module) return undefined;
  const pages = Math.ceil((FIRST_FREE + bytes) / PAGE_BYTES);
  let memory: WebAssembly.Memory;
  try {
    // It never grows: that would detach the arrays. Pages that are never written take no memory.
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const kernels = kernelsIn(memory, module);
  homes.set(memory.buffer, kernels);
  return kernels;
}

/**
 * Reserves memory for `sets` sets of arrays of these lengths, and returns a function that gives a set of zeros at each
 * call. The arrays of one index, in all sets, lie in one memory. Further sets, and all sets where there are no kernels,
 * are ordinary arrays.
 */
export function reserveArrays(lengths: readonly number[], sets: number): () => readonly OwnedFloats[] {
  const strides = lengths.map((length) => Math.ceil((4 * length) / LINE_BYTES) * LINE_BYTES);
  const most = MOST_PAGES * PAGE_BYTES - FIRST_FREE;
  /** For each memory the bytes of one set in it. */
  const groups: number[] = [];
  const places = strides.map((stride) => {
    if (groups.length === 0 || ((groups.at(-1) ?? 0) + stride) * sets > most) groups.push(0);
    const group = groups.length - 1;
    const offset = groups[group] ?? 0;
    groups[group] = offset + stride;
    return { group, offset };
  });
  const memories = groups.map((bytes) => createKernels(bytes * sets)?.memory);
  let given = 0;
  return () => {
    const set = given++;
    return places.map(({ group, offset }, i) => {
      const [memory, length = 0] = [memories[group], lengths[i]];
      if (!memory || set >= sets) return new Float32Array(length);
      return new Float32Array(memory.buffer, FIRST_FREE + set * (groups[group] ?? 0) + offset, length);
    });
  };
}

function kernelsIn(memory: WebAssembly.Memory, module: WebAssembly.Module): Kernels {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const loop = (name: string): Loop => {
    const found = exports[name];
    if (!isLoop(found)) throw new Error(`internal: no kernel ${name}`);
    return found;
  };
  const [adamw, adam, combine, sumOfSquares, dot] = [
    loop('adamw'),
    loop('adam'),
    loop('combine'),
    loop('sumOfSquares'),
    loop('dot'),
  ];
  const { buffer } = memory;
  const chunks = Array.from({ length: CHUNKS }, (_, k) => new Float32Array(buffer, 4 * k * CHUNK, CHUNK));

  /** The address of a part of an array: its own, or that of chunk `k` where it lies in other memory. */
  function address(array: Float32Array, k: number, from: number): number {
    return array.buffer === buffer ? array.byteOffset + 4 * from : 4 * k * CHUNK;
  }

  /** The same for a part that is read: it is copied into chunk `k` first where it lies in other memory. */
  function read(array: Float32Array, k: number, from: number, to: number): number {
    if (array.buffer !== buffer) chunks[k]?.set(array.subarray(from, to));
    return address(array, k, from);
  }

  function inChunks(length: number, each: (from: number, to: number, bytes: number) => void): void {
    const end = vectorized(length);
    for (let from = 0; from < end; from += CHUNK) {
      const to = Math.min(from + CHUNK, end);
      each(from, to, 4 * (to - from));
    }
  }

  return {
    memory,
    adam({ param, grad, mu, nu }, numbers) {
      const { gradScale, beta1, gain1, beta2, gain2, l2, decay, stepSize, correction, epsilon } = numbers;
      const update = l2 === 0 ? adamw : adam;
      inChunks(param.length, (from, to, bytes) => {
        const g = read(grad, 0, from, to);
        const [p, m, v] = [param.byteOffset + 4 * from, mu.byteOffset + 4 * from, nu.byteOffset + 4 * from];
        update(
          p,
          g,
          m,
          v,
          bytes,
          gradScale,
          beta1,
          gain1,
          beta2,
          gain2,
          l2,
          decay,
          stepSize,
          correction,
          epsilon,
        );
      });
    },
    combine(to, a, x, b, y) {
      inChunks(to.length, (from, end, bytes) => {
        const target = address(to, 0, from);
        combine(target, read(x, 1, from, end), read(y, 2, from, end), bytes, a, b);
        if (to.buffer !== buffer) to.set(chunks[0]?.subarray(0, end - from) ?? [], from);
      });
    },
    sumOfSquares(x) {
      let total = 0;
      inChunks(x.length, (from, to, bytes) => {
        total += sumOfSquares(read(x, 0, from, to), bytes);
      });
      return total;
    },
    dot(x, y) {
      let total = 0;
      inChunks(x.length, (from, to, bytes) => {
        total += dot(read(x, 0, from, to), read(y, 1, from, to), bytes);
      });
      return total;
    },
  };
}

type Loop = (...operands: readonly number[]) => number;

function isLoop(value: unknown): value is Loop {
  return typeof value === 'function';
}
