/** Passes over arrays of the size of the weights, wherever they lie. Numbers are float64 until they are stored. */
import { loopOf } from './loops/loop.ts';
import { compileLoops, type RunLoop } from './loops/memory.ts';
import { add, mul, type Num, type Vec } from './program.ts';

const [x, y]: [Vec, Vec] = [
  { op: 'variable', slot: 'x' },
  { op: 'variable', slot: 'y' },
];
const [a, b]: [Num, Num] = [
  { op: 'scalar', name: 'a', grouped: false },
  { op: 'scalar', name: 'b', grouped: false },
];

let compiled: readonly RunLoop[] | undefined;

/** a·x + b·y, Σ x², Σ x·y; compiled when first needed. */
function run(k: 0 | 1 | 2, arrays: Parameters<RunLoop>[0]): number {
  compiled ??= compileLoops(
    [
      { kind: 'store' as const, results: [add(mul(a, x), mul(b, y))] },
      { kind: 'sum' as const, of: mul(x, x) },
      { kind: 'sum' as const, of: mul(x, y) },
    ].map((work) => loopOf(work, (vec) => vec.op === 'variable')),
  );
  const loop = compiled[k];
  if (!loop) throw new Error('internal: a loop that was not compiled');
  return loop(arrays);
}

/** to ← a·x + b·y; `to` may be one of them. */
export function combine(to: Float32Array, a: number, x: Float32Array, b: number, y: Float32Array): void {
  run(0, { leaves: [x, y], results: [to], numbers: [a, b] });
}

export function sumOfSquares(x: Float32Array): number {
  return run(1, { leaves: [x], results: [], numbers: [] });
}

/** Σ x·y. */
export function dot(x: Float32Array, y: Float32Array): number {
  return run(2, { leaves: [x, y], results: [], numbers: [] });
}
