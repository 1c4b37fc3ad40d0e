import test from 'ava';
import { buildGraph } from '../../src/artifacts/build.ts';
import { parseSpec } from '../../src/artifacts/spec.ts';
import { inlineCalls, mapOutputs, topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { isOp } from '../../src/onnx/value.ts';
import { mergeCommonSubexpressions } from '../../src/passes/common-subexpressions.ts';
import type { PassName } from '../../src/passes/finish.ts';
import { matmulFlops } from '../../src/passes/flops.ts';
import { peakBytes } from '../../src/passes/memory.ts';
import { toPortable } from '../../src/passes/portable.ts';
import { graphOf, run } from '../_run.ts';

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
  const graph = graphOf({
    a: ops.softmaxOp(x, 0),
    b: ops.softmaxOp(x, 1),
    c: ops.mul(x, 2),
    d: ops.mul(x, 3),
  });
  t.is(print(mapOutputs(graph, mergeCommonSubexpressions)), print(graph));
});

test('portable graphs have plain products only, with the same result', async (t) => {
  const [a, b] = [ops.input('a', [2, 3, 4]), ops.input('b', [2, 5, 3])];
  const y = ops.matmul(a, b, { transA: true, transB: true, alpha: 0.5 });
  const [portable = y] = toPortable([y]);
  for (const node of topologicalOrder([portable])) {
    if (isOp(node, 'MatMul')) t.deepEqual(node.attributes, { transA: false, transB: false, alpha: 1 });
  }
  const data = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i));
  const out = await run({ y, portable }, { a: data(24), b: data(30) });
  out.y?.forEach((value, i) => {
    t.true(Math.abs(value - (out.portable?.[i] ?? Number.NaN)) < 1e-6);
  });
});

test('the forward pass of ViT-Ti on 32 CIFAR images is 23.4 GFLOP of matrix products', (t) => {
  const spec = parseSpec(
    {
      dataset: 'cifar10',
      image: { channels: 3, height: 32, width: 32 },
      classes: 10,
      model: { kind: 'vit', variant: 'ti', patch: 4 },
      microBatch: 32,
    },
    'ti',
  );
  const flops = (without: readonly PassName[]): string => {
    const { logits } = buildGraph(spec, 32, 'loss-grad', { without }).outputs;
    return (matmulFlops(graphOf(logits ? { logits } : {})) / 1e9).toFixed(1);
  };
  t.is(flops(['slice-up']), '23.4');
  // Of the last block, all but keys and values is computed for the class token only.
  t.is(flops([]), '21.8');
});

test('memory is counted while values are alive: a reshape costs nothing, a chain two values at once', (t) => {
  const x = ops.input('x', [250]);
  const chain = ops.exp(ops.reshape(ops.exp(ops.exp(x)), [25, 10]));
  t.is(peakBytes(graphOf({ chain })), 2 * 1000);
  const late = ops.add(ops.exp(x), ops.exp(ops.tanh(ops.neg(x))));
  t.is(peakBytes(graphOf({ late })), 3 * 1000);
  t.is(inlineCalls([chain])[0], chain);
});
