/** The exported page in a browser, on a small model of MNIST that was trained for it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import registerTest from 'ava';
import type { Browser, Page } from 'playwright-core';
import { serve } from '../../src/cli/serve.ts';
import { imageInfo, readImage } from '../../src/data/images.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { encodePng } from '../../src/data/picture.node.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { bestAnswers } from '../../src/web/pixels.ts';
import { command, program } from '../cli/_program.ts';
import { hasBrowser, startBrowser } from './_browser.ts';

const image = { channels: 1, height: 28, width: 28 };
const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-page-'));
const web = path.join(folder, 'digits-web');
const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let site: Awaited<ReturnType<typeof serve>> | undefined;

registerTest.before(async () => {
  if (!hasBrowser) return;
  const graph = path.join(folder, 'digits');
  mkdirSync(graph);
  const spec = {
    dataset: 'mnist',
    image,
    classes: 10,
    model: { kind: 'vit', patch: 7, width: 32, layers: 2, heads: 2 },
    microBatch: 50,
  };
  writeFileSync(path.join(graph, 'spec.json'), JSON.stringify(spec));
  const run = path.join(folder, 'run');
  const flags =
    '--gr none --epochs 5 --eval-every 5 --warmup-epochs 1 --batch-size 50 --lr 0.003 --train-fraction 0.1 --samples 0';
  const trained = await command('train', '--graph', graph, '--out', run, ...flags.split(' '));
  if (trained.code !== 0) throw new Error(trained.stderr);
  const out = path.join(folder, 'digits.onnx');
  const exported = await program('export', '--checkpoint', `${run}/best`, '--out', out, '--web');
  if (exported.code !== 0) throw new Error(exported.stderr);
  browser = await startBrowser();
  site = await serve(web);
});

registerTest.after.always(async () => {
  await browser?.close();
  site?.close();
  rmSync(folder, { recursive: true });
});

async function open(origin = site?.origin, prepare?: (page: Page) => Promise<unknown>): Promise<Page> {
  const page = await browser?.newPage();
  if (!page || origin === undefined) throw new Error('test: no browser');
  await prepare?.(page);
  await page.goto(origin);
  return page;
}

/** What the page answers once it has shown `after` pictures. */
async function answers(page: Page, after: number): Promise<{ name: string; rows: [string, number][] }> {
  await page.waitForSelector(`#result[data-done="${after}"]`);
  const labels = await page.locator('#answers b').allTextContents();
  const percents = await page.locator('#answers span').allTextContents();
  return {
    name: (await page.locator('#name').textContent()) ?? '',
    rows: labels.map((label, i) => [label, Number.parseFloat(percents[i] ?? '')]),
  };
}

const png = (name: string, buffer: Buffer) => ({ name, mimeType: 'image/png', buffer });

test('100 test images get the same answers as in node, and nothing comes from another host', async (t) => {
  const count = 100;
  const dataset = await openDataset({ dataset: 'mnist' });
  const info = imageInfo(dataset);
  const pixels = new Uint8Array(count * 784);
  for (let i = 0; i < count; i++) pixels.set((await readImage(dataset.test, i, info)).pixels, i * 784);
  const session = await createSession(path.join(web, 'model.onnx'), { device: 'cpu', threads: 1 });
  const { logits } = await session.run({
    images: { dtype: 'uint8', shape: [count, 28, 28, 1], data: pixels },
  });
  await session.release();
  const all = Float32Array.from(logits?.data ?? [], Number);

  const hosts = new Set<string>();
  const page = await open(site?.origin, async (opened) =>
    opened.on('request', (request) => hosts.add(new URL(request.url()).origin)),
  );
  await answers(page, 1); // the first sample, by itself
  const labels = new Set<string>();
  for (let i = 0; i < count; i++) {
    const buffer = await encodePng(pixels.subarray(i * 784, (i + 1) * 784), 1, 28, 28);
    await page.setInputFiles('#file', png(`${i}.png`, buffer));
    const { name, rows } = await answers(page, i + 2);
    t.is(name, `${i}.png`);
    t.is(rows.length, 5);
    const expected = bestAnswers(all.subarray(10 * i, 10 * i + 10), info.classes, 10);
    t.is(rows[0]?.[0], expected[0]?.label);
    for (const [label, percent] of rows) {
      const probability = expected.find((answer) => answer.label === label)?.probability ?? -1;
      t.true(Math.abs(100 * probability - percent) < 0.051, `image ${i}: ${label} ${percent}%`);
    }
    labels.add(rows[0]?.[0] ?? '');
  }
  t.true(labels.size >= 8); // a model that tells digits apart
  t.deepEqual([...hosts], [site?.origin ?? '']);
  t.regex((await page.locator('#time').textContent()) ?? '', /^\d+(\.\d)? ms in WebAssembly, 1 thread$/);
  t.false(await page.evaluate(() => crossOriginIsolated));
  await page.close();
});

test('a sample, a drop and a drawing are answered too', async (t) => {
  const page = await open();
  const { samples } = JSON.parse(readFileSync(path.join(web, 'model.json'), 'utf8'));
  t.is((await answers(page, 1)).name, `Test image 1 · it is ${samples[0].label}`);
  t.is(await page.locator('#samples button').count(), 24);
  await page.locator('#samples button').nth(5).click();
  t.is((await answers(page, 2)).name, `Test image 6 · it is ${samples[5].label}`);

  const bytes = [...readFileSync(path.join(web, samples[7].file))];
  await page.evaluate((content) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(content)], 'dropped.png', { type: 'image/png' }));
    document
      .getElementById('drop')
      ?.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));
  }, bytes);
  const dropped = await answers(page, 3);
  t.is(dropped.name, 'dropped.png');
  await page.locator('#samples button').nth(7).click();
  t.deepEqual((await answers(page, 4)).rows, dropped.rows);

  // A 1, small and in a corner.
  const box = await page.locator('#draw').boundingBox();
  if (!box) throw new Error('test: no canvas');
  await page.mouse.move(box.x + 30, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 30, box.y + 90, { steps: 4 });
  await page.mouse.up();
  // The page answers as the line grows: what counts is the last answer.
  await page.waitForFunction(() => document.querySelector('#answers b')?.textContent === '1');
  t.is(await page.locator('#name').textContent(), 'Your drawing');
  await page.close();
});

test('a large photograph is read by its middle', async (t) => {
  const page = await open();
  await answers(page, 1);
  const grey = new Uint8Array(3 * 300 * 500).fill(0);
  // White stripes at both sides, which the middle square leaves out.
  for (let plane = 0; plane < 3; plane++)
    for (let y = 0; y < 300; y++) {
      const row = (plane * 300 + y) * 500;
      grey.fill(255, row, row + 90);
      grey.fill(255, row + 410, row + 500);
    }
  await page.setInputFiles('#file', png('wide.png', await encodePng(grey, 3, 300, 500)));
  await answers(page, 2);
  const brightest = await page.evaluate(() => {
    const seen = document.getElementById('seen');
    if (!(seen instanceof HTMLCanvasElement)) return -1;
    const data = seen.getContext('2d')?.getImageData(0, 0, seen.width, seen.height).data ?? [];
    return Math.max(...Array.from(data).filter((_, i) => i % 4 < 3));
  });
  t.is(brightest, 0);
  await page.close();
});

test('with cross-origin isolation it works as well', async (t) => {
  const isolated = await serve(web, { isolated: true });
  const page = await open(isolated.origin);
  const { rows } = await answers(page, 1);
  t.true(await page.evaluate(() => crossOriginIsolated));
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  t.regex((await page.locator('#time').textContent()) ?? '', cores > 1 ? / [2-4] threads$/ : / 1 thread$/);
  const plain = await open();
  t.deepEqual(
    (await answers(plain, 1)).rows.map(([label]) => label),
    rows.map(([label]) => label),
  );
  await Promise.all([page.close(), plain.close()]);
  isolated.close();
});

const size = () => readFileSync(path.join(web, 'model.onnx')).length;
const missing = (file: string) => (page: Page) =>
  page.route(`**/${file}`, (route) => route.fulfill({ status: 404 }));

const FAILURES: Record<string, { prepare: (page: Page) => Promise<unknown>; says: RegExp }> = {
  'a browser without SIMD': {
    prepare: (page) => page.addInitScript('WebAssembly.validate = () => false'),
    says: /^This browser has no WebAssembly SIMD, which the model runs on: take Chrome or Edge 91, /,
  },
  'no model.json': {
    prepare: missing('model.json'),
    says: /^model\.json: the server answered 404; it belongs beside index\.html: serve the folder as it was exported$/,
  },
  'no model': { prepare: missing('model.onnx'), says: /^model\.onnx: the server answered 404; it belongs/ },
  'no wasm': {
    prepare: missing('ort-wasm-simd-threaded.wasm'),
    says: /^ort-wasm-simd-threaded\.wasm: the server answered 404; it belongs/,
  },
  'no ONNX Runtime': {
    prepare: missing('ort.js'),
    says: /^ort\.js: the server answered 404; it belongs beside index\.html/,
  },
  'half a model': {
    prepare: (page) => page.route('**/model.onnx', (route) => route.fulfill({ body: Buffer.alloc(9) })),
    says: /^model\.onnx: expected \d+ bytes, got 9; copy the file again$/,
  },
  'a corrupt model': {
    prepare: (page) =>
      page.route('**/model.onnx', (route) => route.fulfill({ body: Buffer.alloc(size(), 7) })),
    says: /^model\.onnx does not load: /,
  },
  'another model.json': {
    prepare: (page) => page.route('**/model.json', (route) => route.fulfill({ body: '{"name": 3}' })),
    says: /^model\.json: name: expected string, got 3; export the model again$/,
  },
};

for (const [what, { prepare, says }] of Object.entries(FAILURES)) {
  test(`${what} is a message that can be read`, async (t) => {
    const page = await open(site?.origin, prepare);
    await page.waitForSelector('#status.error:visible');
    t.regex((await page.locator('#status').textContent()) ?? '', says);
    await page.close();
  });
}

test('a file that is no image is a message, and the next image is answered', async (t) => {
  const page = await open();
  const before = await answers(page, 1);
  await page.setInputFiles('#file', {
    name: 'notes.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('no image'),
  });
  await page.waitForSelector('#status.error:visible');
  t.regex(
    (await page.locator('#status').textContent()) ?? '',
    /^notes\.txt: expected an image that this browser can read/,
  );
  await page.locator('#samples button').first().click();
  t.deepEqual(await answers(page, 2), before);
  t.false(await page.locator('#status').isVisible());
  await page.close();
});

test('opened as a file it says how to serve it', async (t) => {
  const page = await open(`file://${web}/index.html`);
  t.regex((await page.locator('#status').textContent()) ?? '', /^(Opened as a file|page\.js does not load)/);
  await page.close();
});
