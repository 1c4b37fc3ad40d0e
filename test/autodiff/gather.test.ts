/** Lookups in a table, as of embeddings: their derivatives add up what is looked up several times. */
import test from 'ava';
import { vjp } from '../../src/autodiff/grad.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Shape, Value } from '../../src/onnx/value.ts';
import { finish } from '../../src/passes/finish.ts';
import { toPortable } from '../../src/passes/portable.ts';
import { Random } from '../../src/random.ts';
import { graphOf, run } from '../_run.ts';

const opsOf = (values: readonly Value[]): Set<string> =>
  new Set(topologicalOrder(values).map((node) => node.op));

/** The gradient, with respect to a table, of Σ weights·table[ids], and that of half the square of its norm by the weights. */
function derivatives(rows: number, width: number, ids: Value, shape: Shape) {
  const [table, weights] = [ops.input('table', [rows, width]), ops.input('weights', shape)];
  const [first = table] = vjp([ops.gather(table, ids)], [table], [weights]);
  const [second = weights] = vjp([first], [weights], [first]);
  return { first, second };
}

/** What is looked up in these rows: the sums of the weights by row, and for each lookup its row of these sums. */
function summed(rows: number, width: number, ids: ArrayLike<number>, weights: Float32Array) {
  const first = new Float32Array(rows * width);
  for (let i = 0; i < ids.length; i++) {
    for (let k = 0; k < width; k++) {
      const at = (ids[i] ?? 0) * width + k;
      first[at] = (first[at] ?? 0) + (weights[i * width + k] ?? 0);
    }
  }
  const second = Float32Array.from(weights, (_, i) => {
    const row = ids[Math.floor(i / width)] ?? 0;
    return first[row * width + (i % width)] ?? Number.NaN;
  });
  return { first, second };
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((x, i) => Math.abs(x - (b[i] ?? Number.NaN)) < 1e-4);

// Many indices: a sum that lost an update where two threads meet would be wrong here.
for (const [rows, width, op] of [
  [7, 5, 'MatMul'],
  [384, 64, 'MatMul'],
  [385, 64, 'ScatterElements'],
  [9, 1, 'ScatterElements'],
] as const) {
  test(`the gradient of a lookup in ${rows} rows of ${width} is a ${op}; every repeated index counts`, async (t) => {
    const count = 8192;
    const random = new Random(3, 'sample');
    const ids = Int32Array.from({ length: count }, () => Math.floor(random.uniform() ** 3 * rows));
    const weights = Float32Array.from({ length: count * width }, () => random.uniform() - 0.5);
    const found = derivatives(rows, width, ops.input('ids', [2, count / 2], 'int32'), [2, count / 2, width]);
    const { outputs } = finish(graphOf(found), { target: 'cpu' });
    const used = opsOf(Object.values(outputs));
    t.deepEqual(
      ['MatMul', 'ScatterElements'].filter((each) => used.has(each)),
      [op],
    );
    t.true(used.has('Gather'), 'the adjoint of the sum is a lookup');
    const got = await run(outputs, { ids, weights }, 2);
    const expected = summed(rows, width, ids, weights);
    for (const name of ['first', 'second'] as const) t.true(close(got[name] ?? [], expected[name]), name);
  });
}

for (const width of [1, 5]) {
  test(`the number of lookups may be unknown when the gradient is written: width ${width}`, async (t) => {
    const rows = 9;
    const found = derivatives(rows, width, ops.input('ids', ['batch', 2], 'int32'), ['batch', 2, width]);
    const ids = Int32Array.of(3, 8, 3, 3, 0, 8);
    const weights = Float32Array.from({ length: ids.length * width }, (_, i) => i + 1);
    const got = await run(found, { ids, weights });
    t.deepEqual(got, summed(rows, width, ids, weights));
  });
}

test('for WebGPU the gradient is written with what that has', async (t) => {
  const found = derivatives(6, 4, ops.input('ids', [5], 'int32'), [5, 4]);
  const [first = found.first] = toPortable(
    Object.values(finish(graphOf(found), { target: 'webgpu' }).outputs),
  );
  const product = topologicalOrder([first]).filter((node) => node.op === 'MatMul');
  t.deepEqual(
    product.map(({ attributes }) => attributes),
    [{ transA: false, transB: false, alpha: 1 }],
  );
  const ids = Int32Array.of(2, 5, 2, 0, 2);
  const weights = Float32Array.from({ length: 20 }, (_, i) => i);
  t.deepEqual(await run({ first }, { ids, weights }), {
    first: summed(6, 4, ids, weights).first,
  });
});
