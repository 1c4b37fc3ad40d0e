/**
 * The draws of a mask as a function of a WebAssembly module: four blocks of Philox4x32-10 (random.ts) a turn, one in each
 * lane, and of their 32 draws of 16 bits which are kept.
 */
import { PHILOX } from '../random.ts';
import {
  assemble,
  type Code,
  i16x8,
  i32,
  i32x4,
  local,
  narrowTo8,
  repeat,
  shuffle,
  v128,
  type WasmFunction,
} from '../step/loops/assembler.ts';

/** Draws of a block, each a byte of the mask. */
export const BLOCK = 8;
const TURN_BLOCKS = 4;
/** Bytes that a turn writes: what is filled is written over up to a multiple of it. */
export const TURN = BLOCK * TURN_BLOCKS;

const PARAMS = [
  'address',
  'end',
  'block',
  'position',
  'step',
  'path',
  'seed',
  'stream',
  'threshold',
] as const;
type Param = (typeof PARAMS)[number];

/** Every second word of two vectors of 64-bit products: the lower words, or the upper ones. */
const WORDS = [0, 8, 16, 24];
const lower = WORDS.flatMap((at) => [at, at + 1, at + 2, at + 3]);
const upper = lower.map((at) => at + 4);
/** A turn's bytes lie by word, then by block; these are two blocks each, word after word. */
const twoBlocks = (first: number): number[] =>
  [first, first + 1].flatMap((block) =>
    [0, 8, 16, 24].flatMap((word) => [word + 2 * block, word + 2 * block + 1]),
  );

/** A number's four bytes in each of the four lanes. */
const lanes = (numbers: readonly number[]): Code =>
  v128.const(numbers.flatMap((x) => [x & 0xff, (x >>> 8) & 0xff, (x >>> 16) & 0xff, x >>> 24]));
const inAll = (x: number): Code => lanes([x, x, x, x]);
const ONES = v128.const(new Array<number>(16).fill(1));

/** Fills bytes from `address` to `end` with 1 where a draw is below `threshold`, from block number `block` on, else 0. */
function maskFunction(): WasmFunction {
  const before: number[] = [];
  const turn: number[] = [];
  let locals = 0;
  const keep = (code: Code, where = turn): Code => {
    const index = PARAMS.length + locals++;
    where.push(...local.set(index, code));
    return local.get(index);
  };
  const param = (name: Param): Code => local.get(PARAMS.indexOf(name));
  const spread = (name: Param): Code => keep(i32x4.splat(param(name)), before);
  const [position, step, path] = [spread('position'), spread('step'), spread('path')];
  const threshold = keep(i16x8.splat(param('threshold')), before);
  const keys = Array.from({ length: PHILOX.rounds }, (_, round) =>
    (['seed', 'stream'] as const).map((name, k) => {
      const increment = Math.imul(round, PHILOX.increments[k] ?? 0);
      return keep(i32x4.splat(i32.add(param(name), i32.const(increment))), before);
    }),
  );
  const multiply = (x: Code, factor: number): { low: Code; high: Code } => {
    const first = keep(i32x4.productsLow(x, inAll(factor)));
    const last = keep(i32x4.productsHigh(x, inAll(factor)));
    return { low: keep(shuffle(first, last, lower)), high: keep(shuffle(first, last, upper)) };
  };
  const blocks = keep(i32x4.add(i32x4.splat(param('block')), lanes([0, 1, 2, 3])));
  let counter: readonly [Code, Code, Code, Code] = [blocks, position, step, path];
  for (const [key0 = [], key1 = []] of keys) {
    const [c0, c1, c2, c3] = counter;
    const [a, b] = [multiply(c0, PHILOX.factors[0]), multiply(c2, PHILOX.factors[1])];
    counter = [
      keep(v128.xor(v128.xor(b.high, c1), key0)),
      b.low,
      keep(v128.xor(v128.xor(a.high, c3), key1)),
      a.low,
    ];
  }
  const [w0, w1, w2, w3] = counter.map((words) => keep(i16x8.lessThan(words, threshold)));
  const [first, last] = [keep(narrowTo8(w0 ?? [], w1 ?? [])), keep(narrowTo8(w2 ?? [], w3 ?? []))];
  const bytesOf = (block: number): Code => v128.and(shuffle(first, last, twoBlocks(block)), ONES);
  const increase = (name: Param, by: number): Code =>
    local.set(PARAMS.indexOf(name), i32.add(param(name), i32.const(by)));
  const after = [
    ...v128.store(param('address'), bytesOf(0)),
    ...v128.store(i32.add(param('address'), i32.const(16)), bytesOf(2)),
    ...increase('address', TURN),
    ...increase('block', TURN_BLOCKS),
  ];
  // Kept values are vectors.
  return {
    name: 'mask',
    params: PARAMS.map(() => 'i32'),
    locals: new Array<'v128'>(locals).fill('v128'),
    results: [],
    body: [...before, ...repeat([...turn, ...after], i32.lessThan(param('address'), param('end')))],
  };
}

/** Memory that is filled at once, and room for what the last turn writes beyond. */
const PAGES = 16;
const PAGE_BYTES = 65536;
export const CAPACITY = PAGES * PAGE_BYTES - TURN;

export interface MaskLoop {
  /** The first `CAPACITY` bytes are for masks. */
  readonly memory: Uint8Array;
  fill(...params: readonly number[]): void;
}

let compiled: MaskLoop | null | undefined;

/** The loop, compiled when first needed; none where the platform has no WebAssembly with vectors. */
export function maskLoop(): MaskLoop | undefined {
  if (compiled === undefined) compiled = compile() ?? null;
  return compiled ?? undefined;
}

function compile(): MaskLoop | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const bytes = assemble([maskFunction()]);
  if (!WebAssembly.validate(bytes)) return undefined;
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const { mask } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
  if (!isFill(mask)) throw new Error('internal: a module without its loop');
  return { memory: new Uint8Array(memory.buffer), fill: mask };
}

function isFill(value: unknown): value is MaskLoop['fill'] {
  return typeof value === 'function';
}
