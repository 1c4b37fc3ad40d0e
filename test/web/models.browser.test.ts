/** Models of each kind, trained and exported as their user does it, say in a browser what they say in node. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import registerTest from 'ava';
import type { Browser } from 'playwright-core';
import { Random } from '../../src/random.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { command, workspace } from '../cli/_program.ts';
import { hasBrowser, startBrowser } from './_browser.ts';
import { type ServedPage, servePage } from './_page.ts';

const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-models-'));
let browser: Browser | undefined;
let served: ServedPage | undefined;

/** Runs the file that the address names on the numbers that it gives; the title becomes the outputs. */
const MAIN = `
import * as og from 'ortgrad';
const { file, input, dtype, shape, data } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
try {
  const bytes = new Uint8Array(await (await fetch(file)).arrayBuffer());
  const session = await og.createSession(bytes, { device: 'cpu', threads: 1 });
  const numbers = dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data);
  const { logits } = await session.run({ [input]: { dtype, shape, data: numbers } });
  document.title = JSON.stringify([...logits.data]);
} catch (error) {
  document.title = error.name + ': ' + error.message;
}
`;

registerTest.before(async (t) => {
  if (!hasBrowser) return;
  t.timeout(3 * 60_000);
  served = await servePage(MAIN);
  browser = await startBrowser();
});

registerTest.after.always(async () => {
  await browser?.close();
  served?.close();
  rmSync(folder, { recursive: true });
});

const random = new Random(0, 'sample');
const pictures = (): Tensor => ({
  dtype: 'float32',
  shape: [2, 3, 32, 32],
  data: Float32Array.from({ length: 2 * 3 * 32 * 32 }, () => random.normal()),
});
/** 64 tokens of text, the second of half the length. */
const texts = (): Tensor => ({
  dtype: 'int32',
  shape: [2, 64],
  data: Int32Array.from({ length: 2 * 64 }, (_, i) => (i < 96 ? 2 + random.integer(256) : 0)),
});

const MODELS = {
  'resnet-micro-cifar10': { input: 'images', examples: pictures, data: true },
  'lstm-text': { input: 'tokens', examples: texts, data: false },
  'text-small': { input: 'tokens', examples: texts, data: false },
};

for (const [graph, { input, examples, data }] of Object.entries(MODELS)) {
  test(`${graph} predicts in a browser what it predicts in node`, async (t) => {
    t.timeout(5 * 60_000);
    const run = path.join(folder, graph);
    const options = '--gr none --epochs 1 --max-steps 3 --batch-size 16 --warmup-epochs 0 --samples 0';
    const where = data ? ['--data', workspace().data] : ['--train-fraction', '0.05'];
    const trained = await command('train', '--graph', graph, '--out', run, ...options.split(' '), ...where);
    t.is(trained.code, 0, trained.stderr);
    const file = `${run}.onnx`;
    const exported = await command('export', '--checkpoint', `${run}/last`, '--out', file);
    t.is(exported.code, 0, exported.stderr);

    const feed = examples();
    const session = await createSession(file, { device: 'cpu', threads: 1 });
    const expected = [...((await session.run({ [input]: feed })).logits?.data ?? [])].map(Number);
    await session.release();
    // Classes that three steps have not seen are alike.
    t.true(new Set(expected).size > 8);

    cpSync(file, path.join(served?.folder ?? '', `${graph}.onnx`));
    const page = await browser?.newPage();
    if (!page) throw new Error('test: no browser');
    const { dtype, shape } = feed;
    const wanted = { file: `${graph}.onnx`, input, dtype, shape, data: Array.from(feed.data, Number) };
    await page.goto(`${served?.origin}/#${encodeURIComponent(JSON.stringify(wanted))}`);
    await page.waitForFunction(() => document.title !== '', null, { timeout: 60_000 });
    const got: number[] = JSON.parse(await page.title());
    await page.close();
    const worst = Math.max(...expected.map((value, i) => Math.abs(value - (got[i] ?? Number.NaN))));
    t.true(worst < 1e-4, `${worst}`);
  });
}
