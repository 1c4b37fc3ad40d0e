/** `TrainingSession` in a page: the MNIST demo of onnxruntime-training, and steps on WebGPU. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import registerTest from 'ava';
import type { Browser } from 'playwright-core';
import type { TrainingArtifacts } from '../../src/index.ts';
import { adapted, artifacts } from '../session/_mlp.ts';
import { digits, mnistArtifacts } from '../session/_mnist-files.ts';
import { hasBrowser, startBrowser } from './_browser.ts';
import { type ServedPage, servePage } from './_page.ts';

const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let served: ServedPage | undefined;

/** The names under which Python wrote such files, and under which the demo asks for them. */
function write(
  folder: string,
  { checkpointState, trainModel, evalModel, optimizerModel }: TrainingArtifacts,
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'checkpoint'), checkpointState);
  writeFileSync(path.join(folder, 'training_model.onnx'), trainModel);
  writeFileSync(path.join(folder, 'eval_model.onnx'), evalModel);
  writeFileSync(path.join(folder, 'optimizer_model.onnx'), optimizerModel);
}

registerTest.before(async (t) => {
  if (!hasBrowser) return;
  t.timeout(3 * 60_000);
  const page = fileURLToPath(new URL('_session-page.ts', import.meta.url));
  served = await servePage(`import { start } from ${JSON.stringify(page)};\nstart();`);
  const { folder } = served;
  write(folder, mnistArtifacts());
  write(path.join(folder, 'small'), artifacts({ target: 'webgpu' }));
  write(path.join(folder, 'adapted'), adapted({ target: 'webgpu' }));
  for (const [name, split, count] of [
    ['train', 'train', 6400],
    ['test', 't10k', 1280],
  ] as const) {
    const { images, labels } = digits(split, count);
    writeFileSync(path.join(folder, `${name}-images`), images);
    writeFileSync(path.join(folder, `${name}-labels`), labels);
  }
  browser = await startBrowser();
});

registerTest.after.always(async () => {
  await browser?.close();
  served?.close();
});

/** What the page says when it is done. */
async function said(query: string) {
  const page = await browser?.newPage();
  if (!page) throw new Error('test: no browser');
  await page.goto(`${served?.origin}/?${query}`);
  await page.waitForFunction(() => document.title !== '', null, { timeout: 240_000 });
  const title = await page.title();
  await page.close();
  if (!title.startsWith('{')) throw new Error(title);
  return JSON.parse(title);
}

test('the calls of the demo, in their order, learn digits from the four files', async (t) => {
  t.timeout(5 * 60_000);
  const { accuracies, losses, seconds, steps, size, shown } = await said('');
  t.log(`${accuracies}, ${seconds} s for ${steps} steps`);
  t.is(steps, 400);
  t.is(size, 397510);
  t.true(losses[0] > 2 && losses.at(-1) < 0.5);
  t.true(accuracies.at(-1) > 0.9);
  t.is(shown.length, 18);
});

for (const [what, query] of [
  ['steps', ''],
  ['steps of adapters', 'adapted&'],
] as const) {
  test(`${what} on WebGPU are those in WebAssembly`, async (t) => {
    t.timeout(5 * 60_000);
    const [cpu, gpu] = [await said(`${query}device=cpu`), await said(`${query}device=webgpu`)];
    t.is(cpu.losses.length, 4);
    for (const each of ['losses', 'parameters'] as const) {
      const worst = Math.max(...cpu[each].map((x: number, i: number) => Math.abs(x - gpu[each][i])));
      t.true(worst < 1e-4, `${each}: ${worst}`);
    }
    t.is(gpu.exported, cpu.exported);
    if (query === '') return;
    // The base, 278 kB, goes to the GPU once; adapters, feeds and what runs need go with every step.
    t.log(`bytes to the GPU: ${gpu.sent}`);
    t.true(gpu.sent[0] > 262_144);
    t.true(gpu.sent.slice(1).every((bytes: number) => bytes > 0 && bytes < 100_000));
  });
}
