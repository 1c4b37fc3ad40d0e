import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { sumAtOnce } from '../../src/passes/sums.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const input = (name: string, ...shape: number[]): Value => ops.input(name, shape);
const product = (i: number, alpha = 1): Value =>
  ops.gemm(input(`a${i}`, 2, 3), input(`b${i}`, 2, 4), undefined, { transA: true, alpha });
const added = (terms: readonly Value[]): Value => terms.reduce((a, b) => ops.add(a, b));
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('a sum of many small products is one product', async (t) => {
  const graph = { y: ops.tanh(added(numbers(8).map((i) => product(i)))) };
  const names = (name: string) =>
    numbers(8)
      .map((i) => `${name}${i}`)
      .join(', ');
  const text = printAfter(sumAtOnce, graph);
  t.is(
    text.slice(text.indexOf('\n') + 1),
    `  Concat = Concat(${names('a')}, axis=0) : float32[16, 3]
  Concat_1 = Concat(${names('b')}, axis=0) : float32[16, 4]
  Gemm = Gemm(Concat, Concat_1, transA=true, transB=false, alpha=1, beta=1) : float32[3, 4]
  y = Tanh(Gemm) : float32[3, 4]`,
  );
  await sameResults(t, sumAtOnce, graph);
});

test('in whatever order they are added, beside other terms, and sums of rows too', async (t) => {
  const terms = numbers(9).map((i) => product(i, 0.5));
  const tree = ops.add(
    added(terms.slice(0, 4).toReversed()),
    ops.add(input('c', 3, 4), added(terms.slice(4))),
  );
  await sameResults(t, sumAtOnce, { y: tree });
  const rows = numbers(8).map((i) => ops.reduceSum(input(`x${i}`, i + 1, 4), { axes: [0] }));
  const text = printAfter(sumAtOnce, { y: added(rows) });
  t.is(text.match(/ReduceSum\(/g)?.length, 1);
  await sameResults(t, sumAtOnce, { y: added(rows) });
});

test('few parts, large parts and parts that others need stay apart', (t) => {
  unchanged(t, sumAtOnce, { y: added(numbers(7).map((i) => product(i))) });
  const large = numbers(8).map((i) =>
    ops.gemm(input(`a${i}`, 600, 3), input(`b${i}`, 600, 4), undefined, { transA: true }),
  );
  unchanged(t, sumAtOnce, { y: added(large) });
  const terms = numbers(8).map((i) => product(i));
  unchanged(t, sumAtOnce, { y: added(terms), z: ops.tanh(terms[3] ?? input('z')) });
  // Each sum is an output.
  unchanged(t, sumAtOnce, Object.fromEntries(numbers(7).map((i) => [`y${i}`, added(terms.slice(0, i + 1))])));
});
