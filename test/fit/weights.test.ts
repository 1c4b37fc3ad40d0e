import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import * as ort from 'onnxruntime-node';
import * as og from '../../src/index.ts';
import { sine, x } from './_sine.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'ortgrad-fit-'));
});
test.after.always(() => rm(folder, { recursive: true }));

test('weights go through a file and through bytes, and begin another run', async (t) => {
  const run = await og.fit(sine);
  const file = path.join(folder, 'sin.safetensors');
  const bytes = await og.saveWeights(file, run.weights);
  t.deepEqual(new Uint8Array(await readFile(file)), bytes);
  t.deepEqual(await readdir(folder), ['sin.safetensors']);
  t.deepEqual(await og.loadWeights(file), run.weights);
  t.deepEqual(await og.loadWeights(await og.saveWeights(run.weights)), run.weights);
  t.deepEqual(await og.loadWeights(await og.saveWeights(undefined, run.weights)), run.weights);
  const same = await og.fit({
    ...sine,
    initialWeights: run.weights,
    optimizer: og.sgd({ learningRate: 0 }),
    epochs: 1,
  });
  t.deepEqual(same.weights, run.weights);
  const head = await og.fit({
    ...sine,
    model: (scope: og.Scope, { x }: { x: og.Value }) =>
      og.reduceSum(og.dense(scope.sub('out'), og.tanh(og.dense(scope.sub('hidden'), x, 16)), 3), {
        axes: [1],
        keepdims: true,
      }),
    initialWeights: run.weights,
    fresh: /^out\//,
    freeze: /^hidden\//,
  });
  t.deepEqual(head.weights['hidden/kernel'], run.weights['hidden/kernel']);
  t.deepEqual(head.weights['out/kernel']?.shape, [16, 3]);
});

test('weights that are not the model’s are refused', async (t) => {
  const { weights } = await og.fit({ ...sine, epochs: 1 });
  const { 'out/bias': bias, ...less } = weights;
  const refused = (initialWeights: og.Weights, message: string): Promise<unknown> =>
    t.throwsAsync(og.fit({ ...sine, initialWeights }), { instanceOf: og.UserError, message });
  await refused(less, "initialWeights: expected the model's 4 variables, got 1 variable missing (out/bias)");
  await refused(
    { ...less, 'out/bais': bias ?? { shape: [1], data: new Float32Array(1) } },
    "initialWeights: expected the model's 4 variables, got 1 variable missing (out/bias) and 1 left over (out/bais); out/bais may be out/bias",
  );
  await refused(
    { ...weights, 'out/bias': { shape: [2], data: new Float32Array(2) } },
    'initialWeights: out/bias: expected shape [1], got [2]',
  );
  await t.throwsAsync(og.fit({ ...sine, fresh: /x/ }), {
    message: 'fresh: has an effect only with initialWeights',
  });
  const missing = path.join(folder, 'none.safetensors');
  const error = await t.throwsAsync(og.loadWeights(missing), { instanceOf: og.UserError });
  t.true(error?.message.startsWith(missing));
  await t.throwsAsync(og.loadWeights(new Uint8Array(20)), { instanceOf: og.UserError });
  await t.throwsAsync(og.saveWeights(path.join(folder, 'no', 'a.safetensors'), weights), {
    instanceOf: og.UserError,
  });
});

async function runFile(bytes: Uint8Array, points: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes);
  const { output } = await session.run({ x: new ort.Tensor('float32', points, [points.length, 1]) });
  await session.release();
  return Float32Array.from(output?.data instanceof Float32Array ? output.data : []);
}

test('the exported file runs in plain ONNX Runtime with any batch, and gives what predict gives', async (t) => {
  const run = await og.fit({ ...sine, ema: 0.9, name: 'sine' });
  for (const count of [1, 7]) {
    const points = x.slice(0, count);
    const wanted = await run.predict({ x: points });
    const [got, averaged, half] = [
      await runFile(run.export(), points),
      await runFile(run.export({ weights: run.averaged }), points),
      await runFile(run.export({ precision: 'fp16' }), points),
    ];
    const far = (a: Float32Array, b: Float32Array): number =>
      Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
    t.true(far(got, wanted) < 1e-6, String(far(got, wanted)));
    t.true(far(averaged, await run.predict({ x: points }, { weights: run.averaged })) < 1e-6);
    t.true(far(half, wanted) > 0 && far(half, wanted) < 1e-2);
  }
  const text = new TextDecoder('latin1').decode(run.export({ metadata: { author: 'me' } }));
  for (const part of ['sine', '{"x":{"dtype":"float32","shape":[1]}}', 'author'])
    t.true(text.includes(part), part);
  t.is((await run.predict({ x: { data: [1, 2], shape: [2, 1] } })).length, 2);
  await run.release();
  t.is((await run.predict({ x: [1] })).length, 1);
});
