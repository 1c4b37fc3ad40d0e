import test from 'ava';
import * as ops from '../../src/onnx/ops.ts';
import { foldSumsIntoScatters } from '../../src/passes/sums-into-scatters.ts';
import { printAfter, sameResults, unchanged } from './_graphs.ts';

const indices = ops.constant(Int32Array.of(1, 0, 1, 0), [2, 2]);
const [x, u, v] = [ops.input('x', [3, 2]), ops.input('u', [2, 2]), ops.input('v', [2, 2])];
const scattered = (into: typeof x, of: typeof u) => ops.scatterElements(into, indices, of, 0);

test('what is added to rows that are scattered into zeros is scattered into', async (t) => {
  const zeros = ops.zeros([3, 2]);
  for (const y of [
    ops.add(scattered(zeros, u), x),
    ops.add(x, scattered(zeros, u)),
    ops.add(scattered(zeros, u), scattered(zeros, v)),
  ]) {
    t.false(printAfter(foldSumsIntoScatters, { y }).includes('Add'));
    await sameResults(t, foldSumsIntoScatters, { y });
  }
});

test('what is scattered in several sums is scattered at once', async (t) => {
  const zeros = ops.zeros([3, 2]);
  const y = ops.add(ops.add(scattered(zeros, u), scattered(zeros, v)), scattered(zeros, ops.neg(u)));
  t.is(printAfter(foldSumsIntoScatters, { y }).match(/= ScatterElements/g)?.length, 1);
  await sameResults(t, foldSumsIntoScatters, { y });
});

test('rows that others need, that are scattered into numbers, or that are stretched stay', (t) => {
  const shared = scattered(ops.zeros([3, 2]), u);
  unchanged(t, foldSumsIntoScatters, { y: ops.add(shared, x), z: ops.tanh(shared) });
  unchanged(t, foldSumsIntoScatters, { y: ops.add(scattered(x, u), x) });
  unchanged(t, foldSumsIntoScatters, { y: ops.add(scattered(ops.zeros([3, 2]), u), ops.input('row', [2])) });
});
