/** Graph inputs that are no float32: bytes of images, masks, 64-bit ids. ONNX Runtime casts them and computes. */
import test from 'ava';
import { grad } from '../../src/autodiff/grad.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import type { Dim, DType } from '../../src/onnx/value.ts';
import { finish, type Target } from '../../src/passes/finish.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor, TensorType } from '../../src/runtime/session.ts';
import { graphOf, run } from '../_run.ts';

/** Six values at the ends of what each dtype holds, and what they are as float32. */
const VALUES: {
  readonly [D in Exclude<TensorType, 'float32'>]: { data: Tensor['data']; floats: readonly number[] };
} = {
  uint8: { data: Uint8Array.of(0, 1, 2, 127, 128, 255), floats: [0, 1, 2, 127, 128, 255] },
  bool: { data: Uint8Array.of(1, 0, 0, 1, 1, 0), floats: [1, 0, 0, 1, 1, 0] },
  int32: { data: Int32Array.of(-1, 0, 7, 1000, -(2 ** 31), 5), floats: [-1, 0, 7, 1000, -(2 ** 31), 5] },
  int64: {
    data: BigInt64Array.of(-1n, 0n, 7n, 2n ** 40n, -(2n ** 62n), 5n),
    floats: [-1, 0, 7, 2 ** 40, -(2 ** 62), 5],
  },
};
const KERNEL = Float32Array.of(1, 0, 0, 0.5, -1, 0);
const TARGETS: readonly Target[] = ['cpu', 'webgpu'];

/** cast(x)·kernel, with x [rows, 3] of this dtype and a kernel [3, 2]. */
function layer(dtype: DType, rows: Dim, target: Target) {
  const [x, kernel] = [ops.input('x', [rows, 3], dtype), ops.input('fc/kernel', [3, 2])];
  const y = ops.matmul(ops.cast(x, 'float32'), kernel);
  return { kernel, y, graph: finish(graphOf({ y }), { target }) };
}

function product(x: readonly number[]): Float32Array {
  const rows = Array.from({ length: x.length / 3 }, (_, i) => x.slice(3 * i, 3 * i + 3));
  const sum = (row: readonly number[], column: number) =>
    row.reduce((total, value, k) => total + value * (KERNEL[2 * k + column] ?? 0), 0);
  return Float32Array.from(rows.flatMap((row) => [sum(row, 0), sum(row, 1)]));
}

for (const dtype of ['uint8', 'bool', 'int32', 'int64'] as const) {
  const { data, floats } = VALUES[dtype];

  for (const target of TARGETS) {
    test(`${dtype} inputs become float32 and are multiplied, for ${target}`, async (t) => {
      const { graph } = layer(dtype, 2, target);
      t.deepEqual(await run(graph.outputs, { x: data, 'fc/kernel': KERNEL }), { y: product(floats) });
    });

    test(`${dtype} inputs of any number, the weights in the file, for ${target}`, async (t) => {
      const { graph } = layer(dtype, 'batch', target);
      const bytes = serialize(graph, { weights: new Map([['fc/kernel', KERNEL]]) });
      t.true(print(read(bytes).graph).startsWith(`test(x: ${dtype}[batch, 3])`));
      const session = await createSession(bytes, { device: 'cpu', threads: 1, optimize: true });
      for (const rows of [2, 1]) {
        const x = { dtype, shape: [rows, 3], data: data.slice(0, 3 * rows) };
        const { y } = await session.run({ x });
        t.deepEqual(y, { dtype: 'float32', shape: [rows, 2], data: product(floats.slice(0, 3 * rows)) });
      }
      await session.release();
    });
  }

  test(`a gradient is with respect to what is float32 beside a ${dtype} input`, async (t) => {
    const { kernel, y } = layer(dtype, 2, 'cpu');
    const [gradient = y] = grad(ops.reduceSum(y), [kernel]);
    const { gradient: got } = await run({ gradient }, { x: data, 'fc/kernel': KERNEL });
    const columns = [0, 1, 2].map((k) => Math.fround((floats[k] ?? 0) + (floats[k + 3] ?? 0)));
    t.deepEqual(got, Float32Array.from(columns.flatMap((sum) => [sum, sum])));
  });
}

test('a bool input chooses, a uint8 input is compared, an int64 input is looked up', async (t) => {
  const [mask, x] = [ops.input('mask', ['batch', 2], 'bool'), ops.input('x', ['batch', 2])];
  const [bytes, ids] = [ops.input('bytes', ['batch'], 'uint8'), ops.input('ids', ['batch'], 'int64')];
  const outputs = {
    chosen: ops.where(mask, x, -1),
    equal: ops.cast(ops.equal(bytes, 255), 'float32'),
    rows: ops.gather(ops.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]), ids),
  };
  const data = {
    mask: Uint8Array.of(1, 0, 0, 1),
    x: Float32Array.of(5, 6, 7, 8),
    bytes: Uint8Array.of(255, 0),
    ids: BigInt64Array.of(2n, -3n),
  };
  t.deepEqual(await run(outputs, data), {
    chosen: Float32Array.of(5, -1, -1, 8),
    equal: Float32Array.of(1, 0),
    rows: Float32Array.of(5, 6, 1, 2),
  });
});
