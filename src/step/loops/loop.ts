/**
 * One pass over arrays: elementwise expressions of a program, whose leaves lie in arrays and whose results go to arrays
 * or into a sum. Here as a plain loop, in blocks; `wasm.ts` makes the same of it in WebAssembly, to the last bit.
 */
import type { BinaryOp, Num, UnaryOp, Vec } from '../program.ts';

export interface Loop {
  /** Vectors that are read, in the order of the arrays that `run` takes. */
  readonly leaves: readonly Vec[];
  /** Numbers that are read, in the order of `numbers`. */
  readonly nums: readonly Num[];
  readonly work: LoopWork;
}

/** What comes out: vectors, or the sum of one. */
export type LoopWork =
  | { readonly kind: 'store'; readonly results: readonly Vec[] }
  | { readonly kind: 'sum'; readonly of: Vec };

/** A vector's elements of one parameter, and the numbers there. */
export interface LoopArrays {
  readonly leaves: readonly Float32Array[];
  /** As many as the results; a result may overwrite a leaf. Empty for a sum. */
  readonly results: readonly Float32Array[];
  readonly numbers: readonly number[];
}

/** The loop of some expressions; `isLeaf` says which vectors lie in arrays. */
export function loopOf(work: LoopWork, isLeaf: (vec: Vec) => boolean): Loop {
  const leaves: Vec[] = [];
  const nums = new Set<Num>();
  for (const vec of inOrder(work, isLeaf)) {
    if (isLeaf(vec)) leaves.push(vec);
    else if (vec.op === 'spread') nums.add(vec.of);
  }
  return { leaves, nums: [...nums], work };
}

export function rootsOf(work: LoopWork): readonly Vec[] {
  return work.kind === 'sum' ? [work.of] : work.results;
}

/** The expressions' vectors, operands first, each once; leaves are not gone into. */
export function inOrder(work: LoopWork, isLeaf: (vec: Vec) => boolean): Vec[] {
  const seen = new Set<Vec>();
  const visit = (vec: Vec): void => {
    if (seen.has(vec)) return;
    if (!isLeaf(vec)) for (const operand of operandsOf(vec)) visit(operand);
    seen.add(vec);
  };
  for (const root of rootsOf(work)) visit(root);
  return [...seen];
}

export function operandsOf(vec: Vec): readonly Vec[] {
  if ('a' in vec) return [vec.a, vec.b];
  return 'x' in vec ? [vec.x] : [];
}

/** Whether a vector is float32's: it was rounded by `single`, or comes of one that was. */
export function singles(order: readonly Vec[], isLeaf: (vec: Vec) => boolean): Set<Vec> {
  const single = new Set<Vec>();
  for (const vec of order) {
    if (isLeaf(vec)) continue;
    if (vec.op === 'single' || operandsOf(vec).some((operand) => single.has(operand))) single.add(vec);
  }
  return single;
}

const UNARY: Readonly<Record<UnaryOp, (x: number) => number>> = {
  single: Math.fround,
  stored: (x) => x,
  sqrt: Math.sqrt,
  abs: Math.abs,
  sign: (x) => Number(x > 0) - Number(x < 0),
};

export const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
};

/** Elements that a block has: its intermediate arrays stay in the first cache. */
const BLOCK = 256;

type Block = (from: number, to: number, arrays: LoopArrays) => void;

/**
 * The loop in TypeScript, over elements `from` to `to`: for platforms without WebAssembly's vectors, for the few elements
 * that a vector does not fill, and as what `wasm.ts` is tested against. Returns the sum, or 0.
 */
export function plainLoop({
  leaves,
  nums,
  work,
}: Loop): (arrays: LoopArrays, from: number, to: number) => number {
  const isLeaf = (vec: Vec): boolean => leaves.includes(vec);
  const order = inOrder(work, isLeaf);
  const single = singles(order, isLeaf);
  const values = new Map(order.map((vec) => [vec, new Float64Array(BLOCK)]));
  const valuesOf = (vec: Vec): Float64Array => values.get(vec) ?? new Float64Array(BLOCK);

  const blocks = order.map((vec): Block => {
    const out = valuesOf(vec);
    const place = leaves.indexOf(vec);
    if (place >= 0) {
      return (from, to, arrays) => {
        for (let i = from; i < to; i++) out[i - from] = arrays.leaves[place]?.[i] ?? Number.NaN;
      };
    }
    const rounds = single.has(vec);
    if (vec.op === 'spread') {
      const number = nums.indexOf(vec.of);
      return (_from, _to, { numbers }) => out.fill(numbers[number] ?? Number.NaN);
    }
    if ('a' in vec) return binaryBlock(BINARY[vec.op], valuesOf(vec.a), valuesOf(vec.b), out, rounds);
    if ('x' in vec) return unaryBlock(UNARY[vec.op], valuesOf(vec.x), out, rounds);
    throw new Error(`internal: ${vec.op} inside a loop`);
  });

  return (arrays, from, to) => {
    let total = 0;
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      for (const block of blocks) block(start, end, arrays);
      if (work.kind === 'sum') {
        const terms = valuesOf(work.of);
        for (let i = 0; i < end - start; i++) total += terms[i] ?? 0;
      } else {
        work.results.forEach((vec, k) => {
          arrays.results[k]?.set(valuesOf(vec).subarray(0, end - start), start);
        });
      }
    }
    return total;
  };
}

function binaryBlock(
  f: (a: number, b: number) => number,
  a: Float64Array,
  b: Float64Array,
  out: Float64Array,
  rounds: boolean,
): Block {
  // An operand that float32 does not hold is rounded first, as a register of float32 would have it.
  const round = rounds ? Math.fround : (x: number) => x;
  return (from, to) => {
    for (let i = 0; i < to - from; i++) out[i] = round(f(round(a[i] ?? 0), round(b[i] ?? 0)));
  };
}

function unaryBlock(f: (x: number) => number, x: Float64Array, out: Float64Array, rounds: boolean): Block {
  const round = rounds ? Math.fround : (value: number) => value;
  return (from, to) => {
    for (let i = 0; i < to - from; i++) out[i] = round(f(round(x[i] ?? 0)));
  };
}
