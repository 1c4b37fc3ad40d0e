/** Training on WebGPU and in WebAssembly, in a worker of a page: gradients and steps are node's. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import registerTest, { type ExecutionContext } from 'ava';
import type { Browser, JSHandle } from 'playwright-core';
import { bundle } from '../../scripts/web/bundle.ts';
import { serve } from '../../src/cli/serve.ts';
import { input, logSoftmax } from '../../src/onnx/ops.ts';
import { decodeModel } from '../../src/onnx/proto.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { webFiles } from '../../src/runtime/web-files.node.ts';
import { traceStep } from '../../src/step/program.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference, sam } from '../../src/step/regularizers/finite-difference.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { rmsprop } from '../../src/step/rules/rmsprop.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { expectImageSpec } from '../../src/tasks/spec.ts';
import { imageGraphs } from '../_networks.ts';
import { differences, gradient, noise, type Steps, start, stepsInTrainer } from '../_steps.ts';
import { hasBrowser, startBrowser } from './_browser.ts';
import type { Answer, Task } from './_device-worker.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-device-'));
const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let worker: JSHandle<Worker> | undefined;
let close = (): void => {};
const lines: string[] = [];

registerTest.before(async () => {
  if (!hasBrowser) return;
  const script = fileURLToPath(new URL('_device-worker.ts', import.meta.url));
  writeFileSync(path.join(folder, 'worker.js'), await bundle(script));
  writeFileSync(path.join(folder, 'index.html'), '<!doctype html>');
  for (const [name, from] of webFiles({ webgpu: true })) copyFileSync(from, path.join(folder, name));
  const site = await serve(folder);
  close = site.close;
  browser = await startBrowser();
  const page = await browser.newPage();
  page.on('console', (message) => lines.push(message.text()));
  await page.goto(site.origin);
  // One for all: compiling ONNX Runtime and the GPU's programs is most of the time.
  worker = await page.evaluateHandle(() => new Worker('worker.js', { type: 'module' }));
});

registerTest.after.always(async () => {
  await browser?.close();
  close();
  rmSync(folder, { recursive: true });
});

/** Has the worker do something. */
async function inWorker(task: Task): Promise<Answer> {
  if (!worker) throw new Error('test: no worker');
  return worker.evaluate(
    (to, data) =>
      new Promise<Answer>((resolve) => {
        to.onmessage = (event) => resolve(event.data);
        to.onerror = (event) => resolve({ error: event.message });
        to.postMessage(data);
      }),
    task,
  );
}

/** Of the tests on the GPU, which may be one in software. */
const BATCH = 4;
const micro = {
  ...{ dataset: 'mnist', classes: 10, microBatch: 8 },
  image: { channels: 1, height: 28, width: 28 },
  model: { kind: 'vit', variant: 'micro', patch: 7 },
};
const onGpu = (spec: object) => expectImageSpec(parseSpec({ ...spec, target: 'webgpu' }, 'test'), 'test');
const onCpu = (spec: object) => expectImageSpec(parseSpec(spec, 'test'), 'test');
const inNode = (model: Uint8Array) => createSession(model, { device: 'cpu', threads: 1 });

async function gradientIsNodes(
  t: ExecutionContext,
  device: 'cpu' | 'webgpu',
  batch: number,
  kind: 'none' | 'exact',
  limit: number,
): Promise<void> {
  const expected = await gradient(onCpu(micro), batch, kind, inNode);
  const spec = device === 'webgpu' ? onGpu(micro) : onCpu(micro);
  const answer = await inWorker({ do: 'gradient', spec, batch, kind, device });
  if ('error' in answer) throw new Error(answer.error);
  const names = start({ spec, batch, count: 0, options: {} }).graphs.parameters.map(({ path }) => path);
  const all = differences(answer.arrays?.gradient ?? [], expected, names);
  const [worst] = all;
  t.is(all.length, 72);
  t.log(`${kind}, ${device}: ${worst?.name} differs by ${worst?.error.toExponential(1)}`);
  for (const { name, error } of all) t.true(error < limit, `${name}: ${error}`);
}

for (const kind of ['none', 'exact'] as const) {
  const what = kind === 'none' ? 'the gradient' : 'the gradient of L + λ‖∇L‖';
  test(`in WebAssembly ${what} of ViT-micro is node's to 1e-5, tensor by tensor`, (t) =>
    gradientIsNodes(t, 'cpu', 32, kind, 1e-5));
  test(`on WebGPU ${what} of ViT-micro is node's to 1e-4, tensor by tensor`, (t) =>
    gradientIsNodes(t, 'webgpu', BATCH, kind, 1e-4));
}

const RUNS: readonly object[] = [
  { gr: 'exact', grWarmup: 'zero', warmupEpochs: 0.1, lambda: 0.05 },
  { gr: 'fd', r: 0.1, alpha: 0.5, optimizer: 'adam', labelSmoothing: 0.1 },
];
for (const options of RUNS) {
  test(`steps that stay on the GPU are node's: ${JSON.stringify(options)}`, async (t) => {
    const steps: Steps = { spec: onCpu(micro), batch: BATCH, count: 3, options };
    const expected = await stepsInTrainer(steps, inNode);
    const answer = await inWorker({ do: 'steps', steps: { ...steps, spec: onGpu(micro) } });
    if ('error' in answer) throw new Error(answer.error);
    expected.records.forEach(({ loss, gradNorm, regularizedNorm, sums }, i) => {
      const got = answer.records?.[i];
      t.deepEqual(got?.sums, sums, `step ${i + 1}`);
      t.true(Math.abs((got?.loss ?? 0) / loss - 1) < 1e-4);
      t.true(Math.abs((got?.gradNorm ?? 0) / gradNorm - 1) < 1e-4);
      t.true(Math.abs((got?.regularizedNorm ?? 0) / regularizedNorm - 1) < 1e-4);
    });
    const names = start(steps).graphs.parameters.map(({ path }) => path);
    const still = noise(expected.arrays.mu ?? []);
    for (const [array, wanted] of Object.entries(expected.arrays)) {
      const [worst] = differences(answer.arrays?.[array] ?? [], wanted, names, still);
      t.log(`${array}: ${worst?.name} differs by ${worst?.error.toExponential(1)}`);
      for (const { name, error } of differences(answer.arrays?.[array] ?? [], wanted, names, still)) {
        t.true(error < (still[names.indexOf(name)] ? 5e-3 : 1e-4), `${array}: ${name} ${error}`);
      }
    }
  });
}

const base64 = (model: Uint8Array): string => Buffer.from(model).toString('base64');

for (const [regularizer, rule] of [
  [none, adamw()],
  [exact, adamw()],
  [finiteDifference, rmsprop()],
  [sam, sgd({ nesterov: true })],
] as const) {
  test(`every node of a step of ViT-micro runs on WebGPU: ${regularizer.name}, ${rule.name}`, async (t) => {
    const model = serialize(
      imageGraphs(onGpu(micro), BATCH).step(traceStep({ regularizer, rule }), () => ({
        learningRate: 1,
        weightDecay: 1,
      })),
    );
    lines.length = 0;
    t.deepEqual(await inWorker({ do: 'place', model: base64(model) }), {});
    const placed = lines.filter((line) => line.includes('placed on ['));
    t.is(placed.length, 1, placed.join('\n'));
    const [, provider, count] =
      /All nodes placed on \[(\w+)\]. Number of nodes: (\d+)/.exec(placed[0] ?? '') ?? [];
    t.is(provider, 'WebGpuExecutionProvider');
    t.true(Number(count) >= (decodeModel(model).graph?.node?.length ?? Number.POSITIVE_INFINITY));
  });
}

test('a graph with a node that WebGPU does not have is not loaded for steps on the device', async (t) => {
  const x = input('x', [2, 3]);
  const model = serialize({ name: 'other', inputs: [x], outputs: { y: logSoftmax(x) } });
  const answer = await inWorker({ do: 'open', model: base64(model) });
  t.regex('error' in answer ? answer.error : '', /assigned to the default CPU EP/);
});
