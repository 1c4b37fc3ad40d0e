/**
 * Loops as functions of a WebAssembly module, four elements a turn. Where numbers are float64, two at a time, the
 * operations are those of the plain loop (loop.ts), in the same order: IEEE 754 makes what is stored the same to the
 * last bit.
 */
import type { BinaryOp, Num, UnaryOp, Vec } from '../program.ts';
import { type Code, f32x4, f64, f64x2, i32, local, repeat, v128, type WasmFunction } from './assembler.ts';
import { inOrder, type Loop, singles } from './loop.ts';

/** Elements that a turn takes: a function's length is a multiple of it. */
export const LANES = 4;
const BYTES = 4 * LANES;

/** Two registers of two float64 each; a number's are one and the same. */
type Halves = readonly [low: Code, high: Code];

type Instructions = Readonly<
  Record<Exclude<UnaryOp, 'single' | 'stored'> | BinaryOp, (...operands: Code[]) => Code>
>;
const DOUBLE: Instructions = f64x2;
const SINGLE: Instructions = f32x4;

/** Two float64 zeros. */
const ZERO: Code = f64x2.splat([0x44, 0, 0, 0, 0, 0, 0, 0, 0]);

/**
 * The function `name` of a loop. Its parameters: the address of each leaf, the address of each result, their common
 * length in bytes, and each number as float64. It returns a float64: the sum, or 0.
 */
export function wasmLoop(name: string, { leaves, nums, work }: Loop): WasmFunction {
  const results = work.kind === 'store' ? work.results : [];
  const length = leaves.length + results.length;
  const firstNumber = length + 1;
  const offset = firstNumber + nums.length;
  const before: number[] = [];
  const turn: number[] = [];
  let locals = 0;
  /** Keeps what some code gives in a local of its own, and gives the code that reads it. */
  const keep = (code: Code, where = turn): Code => {
    const index = offset + 1 + locals++;
    where.push(...local.set(index, code));
    return local.get(index);
  };
  const numberOf = (num: Num): Code => local.get(firstNumber + nums.indexOf(num));
  const address = (array: number): Code => i32.add(local.get(array), local.get(offset));

  const isLeaf = (vec: Vec): boolean => leaves.includes(vec);
  const order = inOrder(work, isLeaf);
  const single = singles(order, isLeaf);
  const halves = new Map<Vec, Halves>();
  const quads = new Map<Vec, Code>();

  const makeHalves = (vec: Vec): Halves => {
    if (single.has(vec)) {
      const quad = quadOf(vec);
      return [keep(f64x2.promoteLow(quad)), keep(f64x2.promoteHigh(quad))];
    }
    if (isLeaf(vec)) {
      const at = address(leaves.indexOf(vec));
      return [keep(f64x2.promoteLow(v128.load64(at, 0))), keep(f64x2.promoteLow(v128.load64(at, BYTES / 2)))];
    }
    if (vec.op === 'spread') {
      const number = keep(f64x2.splat(numberOf(vec.of)), before);
      return [number, number];
    }
    if (vec.op === 'stored') return halvesOf(vec.x);
    const [first, ...others] = operandsIn(vec).map(halvesOf);
    if (!first || vec.op === 'single') throw new Error(`internal: ${vec.op} inside a loop`);
    const instruction = DOUBLE[computed(vec)];
    const half = (k: 0 | 1): Code => keep(instruction(first[k], ...others.map((each) => each[k])));
    return [half(0), half(1)];
  };
  const makeQuad = (vec: Vec): Code => {
    if (isLeaf(vec)) return keep(v128.load(address(leaves.indexOf(vec))));
    if (vec.op === 'spread') return keep(f32x4.splat(numberOf(vec.of)), before);
    if (!single.has(vec)) return keep(f32x4.fromHalves(...halvesOf(vec)));
    if (vec.op === 'single' || vec.op === 'stored') return quadOf(vec.x);
    return keep(SINGLE[computed(vec)](...operandsIn(vec).map(quadOf)));
  };
  function halvesOf(vec: Vec): Halves {
    const made = halves.get(vec) ?? makeHalves(vec);
    halves.set(vec, made);
    return made;
  }
  function quadOf(vec: Vec): Code {
    const made = quads.get(vec) ?? makeQuad(vec);
    quads.set(vec, made);
    return made;
  }

  // All is computed before anything is stored: a result may lie where a leaf does.
  const values = results.map(quadOf);
  const after = values.flatMap((value, k) => [...v128.store(address(leaves.length + k), value)]);
  const sums =
    work.kind === 'sum' ? halvesOf(work.of).map((half) => ({ half, index: offset + 1 + locals++ })) : [];
  for (const { half, index } of sums) after.push(...local.set(index, f64x2.add(local.get(index), half)));
  const [low, high] = sums.map(({ index }) => local.get(index));
  const total = low && high ? f64x2.add(low, high) : ZERO;
  const next = local.set(offset, i32.add(local.get(offset), i32.const(BYTES)));
  return {
    name,
    params: [...Array.from({ length: length + 1 }, () => 'i32' as const), ...nums.map(() => 'f64' as const)],
    locals: ['i32', ...Array.from({ length: locals }, () => 'v128' as const)],
    results: ['f64'],
    body: [
      ...before,
      ...repeat([...turn, ...after, ...next], i32.lessThan(local.get(offset), local.get(length))),
      ...f64.add(f64x2.lane(0, total), f64x2.lane(1, total)),
    ],
  };
}

function operandsIn(vec: Vec): Vec[] {
  return 'a' in vec ? [vec.a, vec.b] : 'x' in vec ? [vec.x] : [];
}

function computed(vec: Vec): keyof Instructions {
  if ('a' in vec) return vec.op;
  if ('x' in vec && vec.op !== 'single' && vec.op !== 'stored') return vec.op;
  throw new Error(`internal: ${vec.op} inside a loop`);
}
