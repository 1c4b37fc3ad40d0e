/**
 * Every op's derivatives, of order one and two, computed in ONNX Runtime and compared with finite differences there.
 * The table is total: an op without a case does not compile.
 */
import test from 'ava';
import { dense, gelu, geluTanh, layerNorm } from '../../src/autodiff/functions.ts';
import { grad, jvp } from '../../src/autodiff/grad.ts';
import { globalNorm } from '../../src/objective/gradient-norm.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf, staticShape } from '../../src/onnx/shapes.ts';
import type { OpType, Value } from '../../src/onnx/value.ts';
import { Random } from '../../src/random.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';

interface Case {
  /** Shapes of the differentiable inputs, drawn uniformly from `range`. */
  readonly shapes: readonly (readonly number[])[];
  readonly range?: readonly [number, number];
  /** Any number of float32 results. */
  readonly f: (...x: Value[]) => Value | readonly Value[];
}

const positive = [0.5, 2] as const;
/** Far from 0 on both sides comes of shifting: kinks lie at 0, and no draw is near it. */
const offKink = (x: Value) => ops.sub(x, ops.constant(Float32Array.of(2, 0, 2, 0, 2, 0), [6]));
const indices = (shape: readonly number[], ...values: number[]) =>
  ops.constant(Int32Array.from(values), shape);
const last = { axes: [-1] };

function unary(f: (x: Value) => Value, range?: readonly [number, number]): Case[] {
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

const CASES: { readonly [Op in Exclude<OpType, 'Input' | 'Constant' | 'Call'>]: readonly Case[] } = {
  Identity: unary(ops.identity),
  Neg: unary(ops.neg),
  Abs: [{ shapes: [[6]], range: positive, f: (x) => ops.abs(offKink(x)) }],
  Sign: [{ shapes: [[6]], range: [2.5, 3], f: (x) => ops.mul(x, ops.sign(offKink(x))) }],
  Exp: unary(ops.exp),
  Log: unary(ops.log, positive),
  Sqrt: unary(ops.sqrt, positive),
  Reciprocal: unary(ops.reciprocal, positive),
  Erf: unary(ops.erf),
  Tanh: unary(ops.tanh),
  Sigmoid: unary(ops.sigmoid),
  Relu: [{ shapes: [[6]], range: [0.5, 1.5], f: (x) => ops.relu(offKink(x)) }],
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
  Equal: unary((x) => ops.where(ops.equal(x, 100), 0, ops.mul(x, x))),
  Greater: unary((x) => ops.where(ops.greater(x, 100), 0, ops.mul(x, x))),
  Less: unary((x) => ops.where(ops.less(x, 100), ops.mul(x, x), 0)),
  Where: [
    {
      shapes: [[2, 3], [3]],
      f: (a, b) => ops.where(ops.constant(Uint8Array.of(1, 0), [2, 1], 'bool'), a, b),
    },
    { shapes: [[2, 3]], f: (a) => ops.where(ops.constant(Uint8Array.of(1, 0, 1), [3], 'bool'), a, 2) },
  ],
  ReduceSum: [
    ...unary((x) => ops.reduceSum(x)),
    ...unary((x) => ops.reduceSum(x, { axes: [0], keepdims: true })),
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
    { shapes: [[2, 4, 3]], f: (x) => ops.gather(x, indices([2], 2, 2), 1) },
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
  Softmax: [...unary((x) => ops.softmaxOp(x)), { shapes: [[2, 3, 4]], f: (x) => ops.softmaxOp(x, 1) }],
  LogSoftmax: [...unary((x) => ops.logSoftmax(x)), { shapes: [[3, 2]], f: (x) => ops.logSoftmax(x, 0) }],
  LayerNormalization: [
    { shapes: [[2, 5], [5]], f: (x, scale) => ops.layerNormalization(x, scale, 1e-3) },
    { shapes: [[2, 5]], f: (x) => ops.layerNormalization(x, ops.full([5], 1), 1e-3) },
    { shapes: [[2, 5]], f: (x) => ops.layerNormalization(x, ops.full([5], 1), 1e-3).slice(2) },
  ],
};

const FUNCTIONS: Readonly<Record<string, readonly Case[]>> = {
  gelu: unary(gelu),
  'gelu twice': unary((x) => gelu(gelu(x))),
  'gelu, tanh': unary(geluTanh),
  'layer norm': [
    { shapes: [[3, 4], [4], [4]], f: (x = ops.scalar(0), s = x, b = x) => layerNorm(x, s, b, 1e-3) },
  ],
  dense: [{ shapes: [[2, 2, 3], [3, 4], [4]], f: (x = ops.scalar(0), k = x, b = x) => dense(x, k, b) }],
  'global norm': [{ shapes: [[2, 3], [4]], f: (...x) => globalNorm(x) }],
};

for (const [name, cases] of Object.entries({ ...CASES, ...FUNCTIONS })) {
  test(`${name}: first and second derivatives agree with finite differences`, async (t) => {
    for (const [i, each] of cases.entries()) {
      const { got, expected } = await derivatives(each, i);
      for (const [what, value] of Object.entries(got)) {
        const wanted = expected[what] ?? Number.NaN;
        const error = Math.abs(value - wanted);
        t.true(
          error <= 2e-3 * (1 + Math.abs(wanted)),
          `case ${i}, ${what}: ${value}, finite difference ${wanted}`,
        );
      }
    }
  });
}

/** Directional derivatives of a scalar made of the results: by the rules, and by differences of fourth order. */
async function derivatives({ shapes, range = [-1.5, 1.5], f }: Case, seed: number) {
  const random = new Random(seed, 'sample');
  const draw = (shape: readonly number[], [low, high]: readonly [number, number]) =>
    Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.uniform());
  const xs = shapes.map((shape, i) => ops.input(`x${i}`, shape));
  const results = [f(...xs)].flat();
  // A sum of weighted values and squares, so that the second derivative of a linear op is not 0.
  const loss = results
    .map((y) => {
      const weights = () => ops.constant(draw(staticShape(y.shape), [0.5, 1.5]), staticShape(y.shape));
      return ops.reduceSum(ops.add(ops.mul(y, weights()), ops.mul(ops.mul(y, y), weights())));
    })
    .reduce((sum, part) => ops.add(sum, part));
  const directions = [0, 1].map(() => shapes.map((shape) => draw(shape, [-1, 1])));
  const [v = [], u = []] = directions.map((data) =>
    data.map((values, i) => ops.constant(values, shapes[i] ?? [])),
  );
  const along = (gradient: readonly Value[], direction: readonly Value[]): Value =>
    gradient
      .map((g, i) => ops.reduceSum(ops.mul(g, direction[i] ?? 0)))
      .reduce((sum, part) => ops.add(sum, part));
  const gradient = grad(loss, xs);
  const first = along(gradient, v);
  const outputs = {
    loss,
    reverse: first,
    forward: jvp([loss], xs, v)[0] ?? ops.scalar(0),
    reverseOverReverse: along(grad(first, xs), u),
    forwardOverReverse: jvp([first], xs, u)[0] ?? ops.scalar(0),
    forwardOverForward: jvp([jvp([loss], xs, v)[0] ?? ops.scalar(0)], xs, u)[0] ?? ops.scalar(0),
  };
  const graph: Graph = { name: 'case', inputs: xs, outputs };
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 1 });
  const origin = shapes.map((shape) => draw(shape, range));
  const run = async (direction: readonly Float32Array[], step: number) => {
    const feeds = origin.map((values, i): [string, Tensor] => [
      `x${i}`,
      {
        dtype: 'float32',
        shape: shapes[i] ?? [],
        data: values.map((x, k) => x + step * (direction[i]?.[k] ?? 0)),
      },
    ]);
    const out = await session.run(Object.fromEntries(feeds));
    return Object.fromEntries(Object.entries(out).map(([key, { data }]) => [key, Number(data[0])]));
  };
  const difference = async (direction: readonly Float32Array[] = [], key: string): Promise<number> => {
    const h = 0.02;
    const at = async (step: number) => (await run(direction, step))[key] ?? Number.NaN;
    return (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
  };
  const { loss: _, ...got } = await run([], 0);
  const order1 = await difference(directions[0], 'loss');
  const order2 = await difference(directions[1], 'reverse');
  await session.release();
  const expected: Readonly<Record<string, number>> = {
    reverse: order1,
    forward: order1,
    reverseOverReverse: order2,
    forwardOverReverse: order2,
    forwardOverForward: order2,
  };
  return { got, expected };
}
