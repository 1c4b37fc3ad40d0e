/** What ONNX Runtime's profile says about a graph: time by op and by part of the model. Pure. */
import * as v from 'valibot';
import { SCHEMAS } from '../../src/onnx/apply.ts';

/** One execution of a node's kernel. */
export interface KernelEvent {
  readonly node: string;
  readonly op: string;
  readonly start: number;
  readonly microseconds: number;
  /** Floating-point operations of a matrix product; 0 for other ops. */
  readonly flops: number;
}

export interface Trace {
  /** Microseconds of every run of the graph but the first. */
  readonly runs: readonly number[];
  /** The kernels of those runs. */
  readonly kernels: readonly KernelEvent[];
}

const typedShape = v.record(v.string(), v.array(v.number()));
const events = v.array(
  v.looseObject({
    cat: v.optional(v.string()),
    name: v.optional(v.string(), ''),
    ts: v.optional(v.number(), 0),
    dur: v.optional(v.number(), 0),
    args: v.optional(
      v.looseObject({
        op_name: v.optional(v.string()),
        input_type_shape: v.optional(v.array(typedShape)),
        output_type_shape: v.optional(v.array(typedShape)),
      }),
      {},
    ),
  }),
);

const KERNEL = /_kernel_time$/;

/** Reads a profile. The first run does not count, because it fills caches and memory. */
export function readTrace(json: unknown): Trace {
  const all = v.parse(events, json);
  const [first, ...runs] = all
    .filter(({ cat, name }) => cat === 'Session' && name === 'model_run')
    .toSorted((a, b) => a.ts - b.ts);
  const begin = first ? first.ts + first.dur : 0;
  const kernels = all.flatMap(({ cat, name, ts, dur, args }) =>
    cat === 'Node' && KERNEL.test(name) && ts >= begin
      ? [
          {
            node: name.replace(KERNEL, ''),
            op: args.op_name ?? '',
            start: ts,
            microseconds: dur,
            flops: productFlops(
              args.op_name ?? '',
              shapes(args.input_type_shape),
              shapes(args.output_type_shape),
            ),
          },
        ]
      : [],
  );
  return { runs: runs.map(({ dur }) => dur), kernels };
}

function shapes(typed: readonly Readonly<Record<string, readonly number[]>>[] = []): (readonly number[])[] {
  return typed.flatMap((entry) => Object.values(entry));
}

const PRODUCTS = [
  'FusedMatMul',
  ...Object.entries(SCHEMAS).flatMap(([op, { kind }]) => (kind === 'product' ? [op] : [])),
];

/** For [.., M, K] × [.., K, N], transposed or not: 2·(elements of the output)·K; `a` gives K by its M·K elements. */
function productFlops(
  op: string,
  [a = []]: readonly (readonly number[])[],
  [y = []]: readonly (readonly number[])[],
): number {
  const size = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);
  const columns = y.at(-1) ?? 0;
  return PRODUCTS.includes(op) && columns > 0 ? 2 * size(a) * columns : 0;
}

/** The part of the model that a node belongs to: `block*` for any block, `order` for nodes that only steer the order. */
export function partOf(node: string): string {
  const parts = node.split('/').slice(0, -1);
  if (parts[0] === 'order') return 'order';
  return parts.map((name) => name.replace(/^block\d+$/, 'block*')).join('/') || '(none)';
}

export interface Share {
  readonly name: string;
  /** Per run. */
  readonly count: number;
  readonly ms: number;
  readonly share: number;
  /** Of its matrix products. */
  readonly gflops: number | null;
}

/** The time of kernels by the names that `nameOf` gives them, the longest first, with their shares of the total. */
export function sharesBy({ runs, kernels }: Trace, nameOf: (kernel: KernelEvent) => string): Share[] {
  const groups = new Map<string, { count: number; time: number; products: number; flops: number }>();
  for (const kernel of kernels) {
    const { count, time, products, flops } = groups.get(nameOf(kernel)) ?? {
      count: 0,
      time: 0,
      products: 0,
      flops: 0,
    };
    groups.set(nameOf(kernel), {
      count: count + 1,
      time: time + kernel.microseconds,
      products: products + (kernel.flops > 0 ? kernel.microseconds : 0),
      flops: flops + kernel.flops,
    });
  }
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  return [...groups]
    .map(([name, { count, time, products, flops }]) => ({
      name,
      count: count / runs.length,
      ms: time / runs.length / 1000,
      share: time / total,
      gflops: products > 0 ? flops / products / 1000 : null,
    }))
    .toSorted((a, b) => b.ms - a.ms);
}
