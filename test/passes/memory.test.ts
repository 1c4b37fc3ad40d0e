import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { finish } from '../../src/passes/finish.ts';
import { peakBytes } from '../../src/passes/memory.ts';
import { graphOf } from '../_run.ts';

test('memory counts values that are alive: a reshape costs nothing, and a chain has two values at once', (t) => {
  const x = ops.input('x', [250]);
  const chain = ops.exp(ops.reshape(ops.exp(ops.exp(x)), [25, 10]));
  t.is(peakBytes(graphOf({ chain })), 2 * 1000);
  const late = ops.add(ops.exp(x), ops.exp(ops.tanh(ops.neg(x))));
  t.is(peakBytes(graphOf({ late })), 3 * 1000);
});

test('a batch of unknown size counts as one example, and a graph with one is put in order', (t) => {
  const x = ops.input('x', ['batch', 250]);
  const outputs = { chain: ops.exp(ops.reshape(ops.exp(ops.exp(x)), ['25·batch', 10])) };
  t.is(peakBytes(graphOf(outputs)), 2 * 1000);
  t.is(finish(graphOf(outputs), { target: 'cpu' }).order?.length, 5);
});
