/**
 * At least one use of every op, with inputs away from kinks. Tests of all ops run these cases. The table is total: an
 * op without a case does not compile.
 */
import * as ops from '../src/onnx/ops.ts';
import type { OpType, Value } from '../src/onnx/value.ts';

export interface Case {
  /** Shapes of the differentiable inputs, drawn uniformly from `range`. */
  readonly shapes: readonly (readonly number[])[];
  readonly range?: readonly [number, number];
  /** Any number of float32 results. */
  readonly f: (...x: Value[]) => Value | readonly Value[];
}

const positive = [0.5, 2] as const;
/** From [0.5, 2] to both sides of 0, where the kinks lie, and at least 0.5 away from it. */
const offKink = (x: Value) => ops.sub(x, ops.constant(Float32Array.of(3, 0, 3, 0, 3, 0), [6]));
const indices = (shape: readonly number[], ...values: number[]) =>
  ops.constant(Int32Array.from(values), shape);
const last = { axes: [-1] };

export function unary(f: (x: Value) => Value, range?: readonly [number, number]): Case[] {
  return [{ shapes: [[2, 3]], f, ...(range ? { range } : {}) }];
}

function broadcasting(f: (a: Value, b: Value) => Value): Case[] {
  const pairs = [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [1, 3],
      [2, 1],
    ],
    [[], [2, 2]],
    [
      [2, 1, 3],
      [4, 1],
    ],
  ];
  return pairs.map((shapes) => ({ shapes, range: positive, f }));
}

const flags = [false, true].flatMap((transA) => [false, true].map((transB) => ({ transA, transB })));
const matrix = (rows: number, columns: number, isTransposed: boolean) =>
  isTransposed ? [columns, rows] : [rows, columns];

export const CASES: { readonly [Op in Exclude<OpType, 'Input' | 'Constant' | 'Call'>]: readonly Case[] } = {
  Identity: unary(ops.identity),
  Neg: unary(ops.neg),
  Abs: [{ shapes: [[6]], range: positive, f: (x) => ops.abs(offKink(x)) }],
  Sign: [{ shapes: [[6]], range: positive, f: (x) => ops.mul(x, ops.sign(offKink(x))) }],
  Floor: unary((x) => ops.mul(x, ops.floor(ops.mul(x, 0.2)))),
  Sin: unary(ops.sin),
  Cos: unary(ops.cos),
  IsNaN: unary((x) => ops.where(ops.isNan(x), 0, ops.mul(x, x))),
  Not: unary((x) => ops.where(ops.not(ops.greater(x, 100)), ops.mul(x, x), 0)),
  And: unary((x) => ops.where(ops.and(ops.greater(x, -100), ops.less(x, 100)), ops.mul(x, x), 0)),
  Or: unary((x) => ops.where(ops.or(ops.greater(x, 100), ops.less(x, 100)), ops.mul(x, x), 0)),
  Exp: unary(ops.exp),
  Log: unary(ops.log, positive),
  Sqrt: unary(ops.sqrt, positive),
  Reciprocal: unary(ops.reciprocal, positive),
  Erf: unary(ops.erf),
  Tanh: unary(ops.tanh),
  Sigmoid: unary(ops.sigmoid),
  Relu: [{ shapes: [[6]], range: positive, f: (x) => ops.relu(offKink(x)) }],
  Cast: unary((x) => ops.mul(x, ops.cast(ops.greater(x, -5), 'float32'))),
  Add: broadcasting(ops.add),
  Sub: broadcasting(ops.sub),
  Mul: broadcasting(ops.mul),
  Div: broadcasting(ops.div),
  Pow: [
    ...broadcasting(ops.pow),
    ...unary((x) => ops.pow(x, 3), positive),
    ...unary((x) => ops.pow(x, -1.5), positive),
  ],
  Min: broadcasting((a, b) => ops.min(a, ops.mul(b, 9))),
  Max: [
    ...broadcasting((a, b) => ops.max(a, ops.mul(b, 9))),
    ...unary((x) => ops.max(ops.mul(x, x), x), [2, 3]),
  ],
  GreaterOrEqual: unary((x) => ops.where(ops.greaterOrEqual(x, 100), 0, ops.mul(x, x))),
  LessOrEqual: unary((x) => ops.where(ops.lessOrEqual(x, 100), ops.mul(x, x), 0)),
  Equal: unary((x) => ops.where(ops.equal(x, 100), 0, ops.mul(x, x))),
  Greater: unary((x) => ops.where(ops.greater(x, 100), 0, ops.mul(x, x))),
  Less: unary((x) => ops.where(ops.less(x, 100), ops.mul(x, x), 0)),
  Where: [
    {
      shapes: [[2, 3], [3]],
      f: (a, b) => ops.where(ops.constant(Uint8Array.of(1, 0), [2, 1], 'bool'), a, b),
    },
    {
      shapes: [[3], [2, 1]],
      f: (a, b) => ops.where(ops.constant(Uint8Array.of(1, 0), [2, 1, 1], 'bool'), a, b),
    },
    { shapes: [[2, 3]], f: (a) => ops.where(ops.constant(Uint8Array.of(1, 0, 1), [3], 'bool'), a, 2) },
  ],
  ReduceSum: [
    ...unary((x) => ops.reduceSum(x)),
    ...unary((x) => ops.reduceSum(x, { axes: [-2], keepdims: true })),
    { shapes: [[2, 3, 4]], f: (x) => ops.reduceSum(x, { axes: [-1, 0] }) },
  ],
  ReduceMean: [
    ...unary((x) => ops.reduceMean(x, last)),
    { shapes: [[2, 3, 4]], f: (x) => ops.reduceMean(x, { axes: [1] }) },
  ],
  ReduceMax: [
    {
      shapes: [[2, 6]],
      f: (x) => ops.reduceMax(ops.add(x, ops.constant(Float32Array.of(0, 9, 3, 6, 18, 12), [6])), last),
    },
    {
      shapes: [[6]],
      f: (x) =>
        ops.reduceMax(ops.mul(x, ops.constant(Float32Array.of(1, 9, 3, 6, 40, 12), [6])), {
          axes: [0],
          keepdims: true,
        }),
      range: positive,
    },
  ],
  ArgMax: [
    {
      shapes: [[2, 3]],
      f: (x) =>
        ops.mul(
          x,
          ops.cast(
            ops.argMax(ops.add(x, ops.constant(Float32Array.of(0, 9, 4), [3])), 1, { keepdims: true }),
            'float32',
          ),
        ),
    },
  ],
  CumSum: [false, true].flatMap((exclusive) =>
    [false, true].map((reverse) => ({
      shapes: [[2, 3, 2]],
      f: (x: Value) => ops.cumSum(x, -2, { exclusive, reverse }),
    })),
  ),
  MatMul: [
    ...flags.map(({ transA, transB }) => ({
      shapes: [matrix(2, 3, transA), matrix(3, 4, transB)],
      f: (a: Value, b: Value) => ops.matmul(a, b, { transA, transB, alpha: 0.7 }),
    })),
    ...flags.map(({ transA, transB }) => ({
      shapes: [
        [2, 1, ...matrix(2, 3, transA)],
        [3, ...matrix(3, 2, transB)],
      ],
      f: (a: Value, b: Value) => ops.matmul(a, b, { transA, transB }),
    })),
    {
      shapes: [
        [2, 3, 2],
        [2, 4],
      ],
      f: (a, b) => ops.matmul(a, b),
    },
    {
      shapes: [
        [2, 4],
        [3, 4, 2],
      ],
      f: (a, b) => ops.matmul(a, b),
    },
  ],
  Gemm: [
    ...flags.map(({ transA, transB }) => ({
      shapes: [matrix(2, 3, transA), matrix(3, 4, transB)],
      f: (a: Value, b: Value) => ops.gemm(a, b, undefined, { transA, transB, alpha: 1.3 }),
    })),
    ...[[4], [2, 1], [2, 4], [1, 4], []].map((c) => ({
      shapes: [[2, 3], [3, 4], c],
      f: (a: Value, b: Value, bias: Value) => ops.gemm(a, b, bias, { alpha: 0.5, beta: 2 }),
    })),
    {
      shapes: [[3, 2], [4, 3], [4]],
      f: (a, b, bias) => ops.gemm(a, b, bias, { transA: true, transB: true, beta: -1 }),
    },
  ],
  Reshape: unary((x) => ops.reshape(x, [3, 2])),
  Transpose: [{ shapes: [[2, 3, 4]], f: (x) => ops.transpose(x, [2, 0, 1]) }],
  Expand: [{ shapes: [[3, 1]], f: (x) => ops.reduceSum(ops.expand(x, [2, 3, 4]), { axes: [2] }) }],
  Slice: [
    { shapes: [[4, 3]], f: (x) => ops.slice(x, 0, 1, 3) },
    { shapes: [[2, 5]], f: (x) => ops.slice(x, -1, 0, 2) },
  ],
  Pad: [{ shapes: [[2, 3]], f: (x) => ops.add(ops.pad(x, 1, 1, 2), 1) }],
  Concat: [
    {
      shapes: [
        [2, 3],
        [2, 1],
        [2, 2],
      ],
      f: (...x) => ops.concat(x, 1),
    },
  ],
  Split: [
    { shapes: [[2, 6]], f: (x) => ops.split(x, 1, [1, 3, 2]) },
    { shapes: [[5, 2]], f: (x) => ops.split(x, 0, [2, 3]).slice(1) },
  ],
  Gather: [
    { shapes: [[4, 3]], f: (x) => ops.gather(x, indices([2, 3], 0, 3, 3, 1, 0, 0)) },
    // Rows counted from the last, and int64; then a table that is too tall for a product.
    {
      shapes: [[4, 3]],
      f: (x) => ops.gather(x, ops.constant(BigInt64Array.of(-1n, 3n, -4n, 0n, 2n), [5])),
    },
    { shapes: [[40, 2]], f: (x) => ops.gather(x, indices([2, 3], 0, 39, -1, 1, 0, 0)) },
    { shapes: [[2, 4, 3]], f: (x) => ops.gather(x, indices([2], 2, 2), 1) },
    { shapes: [[2, 4]], f: (x) => ops.gather(x, indices([], 3), -1) },
  ],
  GatherElements: [{ shapes: [[2, 3]], f: (x) => ops.gatherElements(x, indices([2, 2], 0, 2, 1, 1), 1) }],
  ScatterElements: [
    {
      shapes: [
        [2, 3],
        [2, 2],
      ],
      f: (x, updates) => ops.scatterElements(x, indices([2, 2], 0, 2, 1, 1), updates, 1),
    },
    {
      shapes: [[2, 2]],
      f: (updates) => ops.scatterElements(ops.zeros([4, 2]), indices([2, 2], 0, 3, 0, 1), updates, 0),
    },
  ],
  Softmax: [...unary((x) => ops.softmax(x)), { shapes: [[2, 3, 4]], f: (x) => ops.softmax(x, 1) }],
  LogSoftmax: [...unary((x) => ops.logSoftmax(x)), { shapes: [[3, 2]], f: (x) => ops.logSoftmax(x, 0) }],
  LayerNormalization: [
    { shapes: [[2, 5], [5]], f: (x, scale) => ops.layerNormalization(x, scale, 1e-3) },
    { shapes: [[2, 5]], f: (x) => ops.layerNormalization(x, ops.full([5], 1), 1e-3) },
    { shapes: [[2, 5]], f: (x) => ops.layerNormalization(x, ops.full([5], 1), 1e-3).slice(1, 2) },
    { shapes: [[2, 5]], f: (x) => ops.layerNormalization(x, ops.full([5], 1), 1e-3).slice(2) },
  ],
};
