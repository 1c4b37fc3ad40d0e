import test from 'ava';
import { mapOutputs, topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { isOp } from '../../src/onnx/value.ts';
import { mergeCommonSubexpressions } from '../../src/passes/common-subexpressions.ts';
import { graphOf, run } from '../_run.ts';
import { sameResults, unchanged } from './_graphs.ts';

test('equal expressions are computed once, also those of equal constants', async (t) => {
  const x = ops.input('x', [2]);
  const part = () => ops.mul(ops.exp(x), ops.constant(Float32Array.of(2, 3), [2]));
  const before = graphOf({ y: ops.add(part(), ops.tanh(part())), z: part() });
  const after = mapOutputs(before, mergeCommonSubexpressions);
  t.is(
    print(after),
    `test(x: float32[2])
  Exp = Exp(x) : float32[2]
  z = Mul(Exp, float32[2]{2, 3}) : float32[2]
  Tanh = Tanh(z) : float32[2]
  y = Add(z, Tanh) : float32[2]`,
  );
  t.is(print(mapOutputs(after, mergeCommonSubexpressions)), print(after));
  const feeds = { x: Float32Array.of(1, -1) };
  t.deepEqual(await run(after.outputs, feeds), await run(before.outputs, feeds));
});

test('different attributes, dtypes and constants stay apart', (t) => {
  const x = ops.input('x', [2, 2]);
  unchanged(t, mergeCommonSubexpressions, {
    a: ops.softmax(x, 0),
    b: ops.softmax(x, 1),
    c: ops.mul(x, 2),
    d: ops.mul(x, 3),
    e: ops.mul(x, ops.full([2], 2)),
    f: ops.cast(ops.greater(x, 0), 'float32'),
    g: ops.cast(ops.greater(x, 0.5), 'float32'),
  });
});

test('sums and products are equal in either order, differences and pieces of a Split are not', async (t) => {
  const [x, y] = [ops.input('x', [2, 3]), ops.input('y', [2, 3])];
  await sameResults(t, mergeCommonSubexpressions, {
    a: ops.exp(ops.add(x, y)),
    b: ops.tanh(ops.add(y, x)),
    c: ops.mul(ops.sub(x, y), ops.sub(y, x)),
  });
  const [one = x, two = x] = ops.split(x, 0, [1, 1]);
  unchanged(t, mergeCommonSubexpressions, {
    a: ops.exp(one),
    b: ops.exp(two),
    c: ops.sub(x, y),
    d: ops.sub(y, x),
  });
});

test('large constants are told apart by their values if these are all one, else by where they come from', (t) => {
  const x = ops.input('x', [300]);
  const wave = () =>
    ops.constant(
      Float32Array.from({ length: 300 }, (_, i) => i),
      [300],
    );
  unchanged(t, mergeCommonSubexpressions, {
    a: ops.mul(x, ops.full([300], 2)),
    b: ops.mul(x, ops.full([300], 3)),
    c: ops.mul(x, wave()),
    d: ops.add(x, wave()),
  });
});

test('what one pass makes larger stays apart, and what it makes smaller does not', (t) => {
  const [x, y] = [ops.input('x', [2, 3]), ops.input('y', [2, 3])];
  const rows = (count: number) => ops.constant(new Int32Array(count), [count]);
  const table = (count: number) =>
    ops.constant(Float32Array.from({ length: 2 * count }, Math.sin), [count, 2]);
  unchanged(t, mergeCommonSubexpressions, {
    ...{ a: ops.exp(ops.gather(x, rows(3))), b: ops.tanh(ops.gather(x, rows(3))) },
    ...{ c: ops.exp(ops.pad(x, 0, 0, 1)), d: ops.tanh(ops.pad(x, 0, 0, 1)) },
    ...{ e: ops.exp(ops.gemm(table(3), x)), f: ops.tanh(ops.gemm(table(3), x)) },
    ...{
      g: ops.exp(ops.cast(ops.greater(x, y), 'float32')),
      h: ops.tanh(ops.cast(ops.greater(x, 1), 'float32')),
    },
  });
  const count = (outputs: Parameters<typeof graphOf>[0]) =>
    topologicalOrder(Object.values(mapOutputs(graphOf(outputs), mergeCommonSubexpressions).outputs)).filter(
      (node) => !isOp(node, 'Input') && !isOp(node, 'Constant'),
    ).length;
  for (const made of [
    () => ops.cast(ops.greater(x, y), 'float32'),
    () => ops.gather(x, rows(3)),
    () => ops.gemm(table(3), x),
  ]) {
    const alone = count({ a: made() });
    t.is(count({ a: ops.exp(made()), b: ops.tanh(made()) }), alone + 3);
  }
  for (const made of [
    () => ops.gather(x, rows(1)),
    () => ops.gemm(table(1), x),
    () => ops.gemm(y, x, undefined, { transA: true }),
  ]) {
    t.is(count({ a: ops.exp(made()), b: ops.tanh(made()) }), 3);
  }
});
