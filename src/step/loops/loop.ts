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

/** Operations on numbers, as the loops below do them. */
export const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
};

/** Values of a block: float64, or float32 where every store is to round. */
type Values = Float64Array | Float32Array;

/** A loop for each operation, so that the engine compiles each for itself: one loop that calls a function is ten times as slow. */
const BINARY_LOOPS: Readonly<Record<BinaryOp, (out: Values, a: Values, b: Values, n: number) => void>> = {
  add: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) + (b[i] ?? 0);
  },
  sub: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) - (b[i] ?? 0);
  },
  mul: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) * (b[i] ?? 0);
  },
  div: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = (a[i] ?? 0) / (b[i] ?? 0);
  },
  min: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = Math.min(a[i] ?? 0, b[i] ?? 0);
  },
  max: (out, a, b, n) => {
    for (let i = 0; i < n; i++) out[i] = Math.max(a[i] ?? 0, b[i] ?? 0);
  },
};

const copy = (out: Values, x: Values, n: number): void => {
  for (let i = 0; i < n; i++) out[i] = x[i] ?? 0;
};

const UNARY_LOOPS: Readonly<Record<UnaryOp, (out: Values, x: Values, n: number) => void>> = {
  single: copy,
  stored: copy,
  sqrt: (out, x, n) => {
    for (let i = 0; i < n; i++) out[i] = Math.sqrt(x[i] ?? 0);
  },
  abs: (out, x, n) => {
    for (let i = 0; i < n; i++) out[i] = Math.abs(x[i] ?? 0);
  },
  sign: (out, x, n) => {
    for (let i = 0; i < n; i++) out[i] = Number((x[i] ?? 0) > 0) - Number((x[i] ?? 0) < 0);
  },
};

/** Elements that a block has: its intermediate arrays stay in the first cache. */
const BLOCK = 256;

/** What is done with one block of the arrays: elements `from` on, `n` of them. */
type Block = (arrays: LoopArrays, from: number, n: number) => void;

/**
 * The loop in TypeScript, over elements `from` to `to`: for platforms without WebAssembly's vectors, for the few elements
 * that a vector does not fill, and as what `wasm.ts` is tested against. Returns the sum, or 0.
 */
export function plainLoop(loop: Loop): (arrays: LoopArrays, from: number, to: number) => number {
  const { work } = loop;
  let compiled: { readonly blocks: readonly Block[]; readonly roots: readonly Values[] } | undefined;
  return (arrays, from, to) => {
    if (from === to) return 0;
    compiled ??= blocksOf(loop);
    const { blocks, roots } = compiled;
    let total = 0;
    for (let start = from; start < to; start += BLOCK) {
      const n = Math.min(BLOCK, to - start);
      for (const block of blocks) block(arrays, start, n);
      roots.forEach((values, k) => {
        if (work.kind === 'store') arrays.results[k]?.set(values.subarray(0, n), start);
        else for (let i = 0; i < n; i++) total += values[i] ?? 0;
      });
    }
    return total;
  };
}

function blocksOf({ leaves, nums, work }: Loop): { blocks: Block[]; roots: Values[] } {
  const isLeaf = (vec: Vec): boolean => leaves.includes(vec);
  const order = inOrder(work, isLeaf);
  const single = singles(order, isLeaf);
  const values = new Map<Vec, Values>();
  const rounded = new Map<Vec, Values>();
  const blocks: Block[] = [];
  /** The values of an operand; rounded first where the operation is float32's, as a register of float32 has them. */
  const operand = (vec: Vec, isSingle: boolean): Values => {
    const own = valuesOf(values, vec);
    if (!isSingle || single.has(vec)) return own;
    const known = rounded.get(vec);
    if (known) return known;
    const made = new Float32Array(BLOCK);
    rounded.set(vec, made);
    blocks.push((_, _from, n) => copy(made, own, n));
    return made;
  };
  for (const vec of order) {
    const isSingle = single.has(vec);
    const out = isSingle ? new Float32Array(BLOCK) : new Float64Array(BLOCK);
    values.set(vec, out);
    const place = leaves.indexOf(vec);
    if (place >= 0) {
      blocks.push((arrays, from, n) => out.set(arrays.leaves[place]?.subarray(from, from + n) ?? []));
    } else if (vec.op === 'spread') {
      const number = nums.indexOf(vec.of);
      blocks.push(({ numbers }) => out.fill(numbers[number] ?? Number.NaN));
    } else if ('a' in vec) {
      const [run, a, b] = [BINARY_LOOPS[vec.op], operand(vec.a, isSingle), operand(vec.b, isSingle)];
      blocks.push((_, _from, n) => run(out, a, b, n));
    } else if ('x' in vec) {
      const [run, x] = [UNARY_LOOPS[vec.op], operand(vec.x, isSingle)];
      blocks.push((_, _from, n) => run(out, x, n));
    } else throw new Error(`internal: ${vec.op} inside a loop`);
  }
  return { blocks, roots: rootsOf(work).map((vec) => valuesOf(values, vec)) };
}

function valuesOf(values: ReadonlyMap<Vec, Values>, vec: Vec): Values {
  const found = values.get(vec);
  if (!found) throw new Error('internal: a vector before its operands');
  return found;
}
