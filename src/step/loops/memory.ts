/**
 * Memory that compiled loops reach, and loops on arrays. An array is known to lie in such memory by its buffer, so that
 * whoever holds it need not know. ONNX Runtime reads the arrays in place, as any other.
 */
import type { OwnedFloats } from '../../owned-array.ts';
import { assemble } from './assembler.ts';
import { type Loop, type LoopArrays, plainLoop } from './loop.ts';
import { LANES, wasmLoop } from './wasm.ts';

const PAGE_BYTES = 65536;
/** A WebAssembly memory has at most 65,536 pages. One less, so that addresses stay below 2³². */
const MOST_PAGES = 65535;
/** Arrays begin where a cache line does. */
const LINE_BYTES = 64;
/** Elements copied at once from an array that lies elsewhere: 64 KiB, which the level-2 cache keeps. */
const CHUNK = 16384;
/** Chunks at the beginning of every memory, for the arrays of one loop that lie elsewhere; untouched they take nothing. */
const CHUNKS = 8;
const FIRST_FREE = CHUNKS * CHUNK * 4;

/** A memory with chunks at its beginning. */
interface Home {
  readonly memory: WebAssembly.Memory;
  readonly chunks: readonly OwnedFloats[];
}

const homes = new WeakMap<ArrayBufferLike, Home>();
let outside: Home | null | undefined;

/** A memory of so many bytes besides its chunks; none where the platform refuses. */
function createHome(bytes: number): Home | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const pages = Math.ceil((FIRST_FREE + bytes) / PAGE_BYTES);
  let memory: WebAssembly.Memory;
  try {
    // It never grows: that would detach the arrays. Pages that are never written take no memory.
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const { buffer } = memory;
  const chunks = Array.from({ length: CHUNKS }, (_, k) => new Float32Array(buffer, 4 * k * CHUNK, CHUNK));
  const home = { memory, chunks };
  homes.set(buffer, home);
  return home;
}

/** Where loops run on arrays of which none lies in such memory. */
function anyHome(): Home | undefined {
  if (outside === undefined) outside = createHome(0) ?? null;
  return outside ?? undefined;
}

/**
 * Room for `sets` sets of arrays of these lengths. Every call of what is returned gives a set, of zeros; arrays of the
 * same number in their sets lie in one memory. Sets beyond, and all where there is no WebAssembly, are ordinary arrays.
 */
export function reserveArrays(lengths: readonly number[], sets: number): () => readonly OwnedFloats[] {
  const strides = lengths.map((length) => Math.ceil((4 * length) / LINE_BYTES) * LINE_BYTES);
  const most = MOST_PAGES * PAGE_BYTES - FIRST_FREE;
  /** By memory: how many bytes its sets have. */
  const groups: number[] = [];
  const places = strides.map((stride) => {
    if (groups.length === 0 || ((groups.at(-1) ?? 0) + stride) * sets > most) groups.push(0);
    const group = groups.length - 1;
    const offset = groups[group] ?? 0;
    groups[group] = offset + stride;
    return { group, offset };
  });
  const memories = groups.map((bytes) => createHome(bytes * sets)?.memory);
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

/** A loop, ready to run on arrays of one length, wherever they lie. Returns the sum, or 0. */
export type RunLoop = (arrays: LoopArrays) => number;

/** Loops compiled together, in their order. */
export function compileLoops(loops: readonly Loop[]): RunLoop[] {
  const module = compile(loops);
  const instances = new WeakMap<Home, WebAssembly.Exports>();
  const exportsIn = (home: Home): WebAssembly.Exports | undefined => {
    if (!module) return undefined;
    const known = instances.get(home);
    if (known) return known;
    const made = new WebAssembly.Instance(module, { env: { memory: home.memory } }).exports;
    instances.set(home, made);
    return made;
  };
  return loops.map((loop, k) => {
    const plain = plainLoop(loop);
    return (arrays) => {
      const all = [...arrays.leaves, ...arrays.results];
      const length = commonLength(all);
      const home = all.map(({ buffer }) => homes.get(buffer)).find((found) => found) ?? anyHome();
      const run = home && exportsIn(home)?.[name(k)];
      const isWithin = home && all.filter(({ buffer }) => buffer !== home.memory.buffer).length <= CHUNKS;
      if (!isRun(run) || !home || !isWithin) return plain(arrays, 0, length);
      const vectorized = length - (length % LANES);
      const total = runInChunks(run, home, arrays, vectorized);
      return vectorized === length ? total : total + plain(arrays, vectorized, length);
    };
  });
}

const name = (k: number): string => `loop${k}`;

function compile(loops: readonly Loop[]): WebAssembly.Module | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const bytes = assemble(loops.map((loop, k) => wasmLoop(name(k), loop)));
  // Without the vector extension it is no valid module.
  return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : undefined;
}

function commonLength(arrays: readonly Float32Array[]): number {
  const [first] = arrays;
  if (!first || arrays.some(({ length }) => length !== first.length)) {
    throw new Error(
      `internal: a loop over arrays of ${arrays.map(({ length }) => length).join(', ')} elements`,
    );
  }
  return first.length;
}

type Run = (...operands: readonly number[]) => number;

function isRun(value: unknown): value is Run {
  return typeof value === 'function';
}

/** Arrays that lie elsewhere are copied to chunks before a loop, results from them after it. */
function runInChunks(
  run: Run,
  { memory: { buffer }, chunks }: Home,
  { leaves, results, numbers }: LoopArrays,
  length: number,
): number {
  const all = [...leaves, ...results];
  const isHere = all.map((array) => array.buffer === buffer);
  let used = 0;
  const chunkOf = isHere.map((here) => (here ? undefined : chunks[used++]));
  let total = 0;
  for (let from = 0; from < length; from += CHUNK) {
    const to = Math.min(from + CHUNK, length);
    const addresses = all.map((array, k) => {
      const chunk = chunkOf[k];
      if (!chunk) return array.byteOffset + 4 * from;
      if (k < leaves.length) chunk.set(array.subarray(from, to));
      return chunk.byteOffset;
    });
    total += run(...addresses, 4 * (to - from), ...numbers);
    results.forEach((array, k) => {
      const chunk = chunkOf[leaves.length + k];
      if (chunk) array.set(chunk.subarray(0, to - from), from);
    });
  }
  return total;
}
