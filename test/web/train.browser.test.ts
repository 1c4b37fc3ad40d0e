/** The page that trains, in a browser, as `npm run web:build` writes it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import registerTest from 'ava';
import type { Browser, Page } from 'playwright-core';
import { buildSite } from '../../scripts/web/site.ts';
import { serve } from '../../src/cli/serve.ts';
import { loadCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import type { MetricsLine } from '../../src/storage/metrics.ts';
import { readMetrics } from '../../src/storage/metrics-log.node.ts';
import { type ArchivedRun, decodeRun, encodeRun } from '../../src/storage/run-archive.ts';
import { untar } from '../../src/storage/tar.ts';
import { unpackRun } from '../../src/storage/unpack-run.node.ts';
import { program } from '../cli/_program.ts';
import { hasBrowser, startBrowser } from './_browser.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-train-page-'));
const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let plain: Awaited<ReturnType<typeof serve>> | undefined;
let isolated: Awaited<ReturnType<typeof serve>> | undefined;
let nodeRun: Promise<string>;

registerTest.before(async () => {
  if (!hasBrowser) return;
  nodeRun = trainInNode();
  const site = path.join(folder, 'site');
  await buildSite(site);
  [browser, plain, isolated] = await Promise.all([
    startBrowser(),
    serve(site),
    serve(site, { isolated: true }),
    nodeRun,
  ]);
});

registerTest.after.always(async () => {
  await browser?.close();
  plain?.close();
  isolated?.close();
  rmSync(folder, { recursive: true });
});

async function open(server = plain, prepare?: (page: Page) => Promise<unknown>): Promise<Page> {
  const page = await browser?.newPage();
  if (!page || !server) throw new Error('test: no browser');
  page.setDefaultTimeout(0); // a step may be slow on a slow machine, and the test has a limit of its own
  await prepare?.(page);
  await page.goto(server.origin);
  return page;
}

const phase = (page: Page, ...names: string[]) =>
  page.waitForSelector(names.map((name) => `body[data-phase="${name}"]`).join(', '));

/** Clicks one of the two buttons that save; returns the file's name and content. */
async function saved(page: Page, button: 'save' | 'export'): Promise<{ name: string; content: Buffer }> {
  const waiting = page.waitForEvent('download');
  await page.click(`#${button}`);
  const download = await waiting;
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}

async function savedRun(page: Page): Promise<ArchivedRun & { content: Buffer }> {
  const { name, content } = await saved(page, 'save');
  return { ...(await decodeRun(untar(content, name), name)), content };
}

const tarFile = (buffer: Buffer, name = 'run.tar') => ({ name, mimeType: 'application/x-tar', buffer });

/** Without what no two runs share. */
const timeless = (lines: readonly MetricsLine[]) =>
  lines.map((line) => ({ ...line, examples_per_second: 0 }));

/** Waits until so many steps are done. */
const steps = (page: Page, count: number) =>
  page.waitForFunction(
    (wanted) =>
      Number(/step ([\d,]+)/.exec(document.getElementById('where')?.textContent ?? '')?.[1]) >= wanted,
    count,
  );

const statusOf = (page: Page) => page.locator('#status').textContent();

test('it offers what goes together, says what is missing, and asks no other host', async (t) => {
  const hosts = new Set<string>();
  const page = await open(plain, async (opened) =>
    opened.on('request', (request) => hosts.add(new URL(request.url()).origin)),
  );
  await phase(page, 'idle');
  t.deepEqual(await page.locator('#backend option').allTextContents(), ['WebAssembly, one thread', 'WebGPU']);
  t.regex((await page.locator('#missing').textContent()) ?? '', /^One thread only: .* cross-origin isolated/);
  const isOffered = (warmup: string) => page.locator(`#gr-warmup option[value="${warmup}"]`).isEnabled();
  t.false(await isOffered('r'));
  t.is(await page.locator('#gr option:checked').textContent(), 'exact: penalizes the gradient’s norm');
  const reason = () => page.locator('#reason').textContent();
  t.is(await reason(), ''); // nobody asked
  await page.selectOption('#gr', 'fd');
  t.true((await isOffered('r')) && (await isOffered('lambda')));
  t.is(await page.inputValue('#r'), '0.1');
  await page.selectOption('#gr-warmup', 'r');
  t.is(await reason(), '');
  await page.selectOption('#gr', 'exact');
  t.is(
    await reason(),
    'Regularization warmup “r grows”: exact regularization takes no finite difference, so it has no r to ramp; use “λ grows” or “off, then on”, or Regularization “finite difference: nearly the same”',
  );
  t.is(await page.inputValue('#gr-warmup'), 'zero');
  await page.selectOption('#gr', 'sam');
  t.is(await reason(), '');
  t.false(await isOffered('lambda'));
  await page.fill('#warmup-epochs', '0');
  await page.locator('#warmup-epochs').blur();
  t.is(
    await reason(),
    'Regularization warmup “off, then on”: there is no warmup; set Warmup epochs, or Regularization warmup “none”',
  );
  t.deepEqual(await Promise.all(['none', 'lambda', 'r', 'zero'].map(isOffered)), [true, false, false, false]);
  t.is(await page.inputValue('#gr-warmup'), 'none');
  t.deepEqual([...hosts], [plain?.origin ?? '']);
  await page.close();

  const threaded = await open(isolated);
  await phase(threaded, 'idle');
  t.true(await threaded.evaluate(() => crossOriginIsolated));
  t.notRegex((await threaded.locator('#missing').textContent()) ?? '', /One thread only/);
  const cores = await threaded.evaluate(() => navigator.hardwareConcurrency);
  const label = await threaded.locator('#backend option').first().textContent();
  t.regex(label ?? '', cores > 1 ? /^WebAssembly, [2-4] threads$/ : /one thread$/);
  await threaded.close();
});

test('from scratch, exact regularization learns nine digits of ten; a drawing is answered, and the model exported as in node', async (t) => {
  t.timeout(20 * 60_000);
  const page = await open(isolated);
  await phase(page, 'idle');
  t.is(await page.inputValue('#gr'), 'exact');
  await page.click('#run');
  await page.waitForFunction(
    () =>
      Number.parseFloat(document.getElementById('accuracy')?.textContent ?? '') >= 90 ||
      document.body.dataset.phase === 'done',
  );
  t.true(Number.parseFloat((await page.locator('#accuracy').textContent()) ?? '') >= 90);

  // A 1, drawn while the model learns.
  const box = await page.locator('#draw').boundingBox();
  if (!box) throw new Error('test: no canvas');
  await page.mouse.move(box.x + box.width / 2, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 210, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => document.getElementById('name')?.textContent?.startsWith('1, at'));

  if ((await page.getAttribute('body', 'data-phase')) === 'running') await page.click('#run');
  await phase(page, 'paused', 'done');
  const { content } = await saved(page, 'export');
  const archive = path.join(folder, 'digits.tar');
  writeFileSync(archive, (await saved(page, 'save')).content);
  const run = await unpackRun(archive);
  const out = path.join(folder, 'digits.onnx');
  const exported = await program('export', '--checkpoint', run, '--out', out);
  t.is(exported.code, 0, exported.stderr);
  t.true(content.equals(readFileSync(out)));
  await page.close();
});

test('without regularization it trains with the weight decay of the form; curves are as their legends say', async (t) => {
  t.timeout(5 * 60_000);
  const page = await open();
  await phase(page, 'idle');
  await page.selectOption('#gr', 'none');
  await page.fill('#weight-decay', '0.2');
  await page.click('#run');
  await steps(page, 25);
  await page.click('#run');
  await phase(page, 'paused');
  const { config, step } = (await savedRun(page)).checkpoint;
  t.is(config.gr, 'none');
  t.is(config.weightDecay, 0.2);
  t.true(step >= 25);

  const legends = await page
    .locator('.chart')
    .evaluateAll((charts) =>
      charts.map((chart) =>
        [...chart.querySelectorAll('li')]
          .filter((item) => item.offsetWidth > 0)
          .map((item) => item.textContent),
      ),
    );
  t.deepEqual(legends, [
    ['batch', 'training', 'test', 'warmup'],
    ['training', 'test', 'warmup'],
    ['batch', 'clean', 'regularized', 'warmup'],
    ['λ', 'warmup'],
  ]);
  // Pixels in the very colour of the training images' sample in the legend, on the chart of accuracy.
  const pixels = await page.locator('.chart:nth-child(2)').evaluate((chart) => {
    const sample = chart.querySelector('.legend i');
    const canvas = chart.querySelector('canvas');
    if (!sample || !canvas) return 0;
    const colour = getComputedStyle(sample).borderTopColor.match(/\d+/g)?.map(Number) ?? [];
    const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (colour.every((part, k) => data[i + k] === part)) count++;
    return count;
  });
  t.true(pixels > 100, `${pixels} pixels`);
  await page.close();
});

test('on WebGPU it takes the same steps, and saves what is on the device', async (t) => {
  t.timeout(10 * 60_000);
  const page = await open();
  await phase(page, 'idle');
  const run = async (backend: string): Promise<ArchivedRun> => {
    await page.selectOption('#backend', backend);
    await page.click('#run');
    await steps(page, 2);
    await page.click('#run');
    await phase(page, 'paused');
    const { content, ...archived } = await savedRun(page);
    await page.click('#reset');
    await phase(page, 'idle');
    return archived;
  };
  await page.selectOption('#gr-warmup', 'none');
  const [wasm, webgpu] = [await run('wasm'), await run('webgpu')];
  const losses = ({ metrics }: ArchivedRun) => metrics.slice(0, 2).map(({ loss }) => loss ?? Number.NaN);
  const [a, b] = [losses(wasm), losses(webgpu)];
  t.true(
    a.every((loss, i) => Math.abs(loss - (b[i] ?? Number.NaN)) < 1e-3),
    `${a.join()} and ${b.join()}`,
  );
  t.is(webgpu.checkpoint.step, webgpu.metrics.filter(({ split }) => split === 'train').length);
  t.false(webgpu.checkpoint.parameters.some(({ data }) => data.some((x) => !Number.isFinite(x))));
  await page.close();
});

/** A small network, trained in node for 10 steps on the images that the page has. Returns its run. */
async function trainInNode(): Promise<string> {
  const graph = path.join(folder, 'small');
  mkdirSync(graph);
  const spec = {
    dataset: 'mnist',
    image: { channels: 1, height: 28, width: 28 },
    classes: 10,
    model: { kind: 'vit', patch: 14, width: 32, layers: 1, heads: 2 },
    microBatch: 64,
  };
  writeFileSync(path.join(graph, 'spec.json'), JSON.stringify(spec));
  const run = path.join(folder, 'node');
  const flags = '--train-fraction 0.1 --epochs 1 --max-steps 10 --samples 0 --gr exact --gr-warmup lambda';
  const { code, stderr } = await program('train', '--graph', graph, '--out', run, ...flags.split(' '));
  if (code !== 0) throw new Error(stderr);
  return run;
}

test('from node to the page and back; paused, saved, loaded and gone on with, it is the run that never stopped', async (t) => {
  t.timeout(10 * 60_000);
  const run = await nodeRun;
  const files = ['checkpoint.json', 'model.safetensors', 'optimizer.safetensors'].map((name) =>
    path.join(run, 'last', name),
  );
  const page = await open();
  await phase(page, 'idle');
  await page.setInputFiles('#load', files);
  await phase(page, 'paused');
  const kept = await savedRun(page);
  const { config, ...rest } = await loadCheckpoint(run);
  t.deepEqual(kept.checkpoint, { ...rest, config: { ...config, maxSteps: 0 } });
  await page.click('#run');
  await phase(page, 'done');
  const whole = await savedRun(page);
  t.is(whole.checkpoint.step, 93);

  // The same once more, with a stop.
  await page.setInputFiles('#load', tarFile(kept.content));
  await phase(page, 'paused');
  await page.click('#run');
  await steps(page, 20);
  await page.click('#run');
  await phase(page, 'paused');
  const paused = await savedRun(page);
  t.true(paused.checkpoint.step >= 20 && paused.checkpoint.step < 93, String(paused.checkpoint.step));
  await page.reload();
  await phase(page, 'idle');
  await page.setInputFiles('#load', tarFile(paused.content));
  await phase(page, 'paused');
  await page.click('#run');
  await phase(page, 'done');
  const resumed = await savedRun(page);
  t.deepEqual(timeless(resumed.metrics), timeless(whole.metrics));
  t.deepEqual(resumed.checkpoint, whole.checkpoint);
  await page.close();

  const archive = path.join(folder, 'paused.tar');
  writeFileSync(archive, paused.content);
  const { code, stderr, stdout } = await program('train', '--resume', archive);
  t.is(code, 0, stderr);
  t.regex(stdout, /^report: .*report\.html$/m);
  const inNode = readMetrics(path.join(folder, 'paused', 'metrics.jsonl')).filter(
    ({ split }) => split === 'train',
  );
  const inPage = whole.metrics.filter(({ split }) => split === 'train');
  t.is(inNode.length, inPage.length);
  // Not to the last bit: another engine computes a cosine, and the graphs, in another order.
  const near = (a: number | null, b: number | null | undefined, limit: number) =>
    Math.abs((a ?? 0) - (b ?? Number.NaN)) < limit;
  for (const [i, { step, lr, lambda, loss }] of inNode.entries()) {
    const other = inPage[i];
    t.true(step === other?.step, `line ${i}: step ${step}`);
    t.true(near(lr, other?.lr, 1e-12) && near(lambda, other?.lambda, 1e-12), `step ${step}`);
    t.true(near(loss, other?.loss, 1e-3), `step ${step}: loss ${loss}, in the page ${other?.loss}`);
  }
});

test('a file that is no run, or damaged, is a message that can be read, and the page goes on', async (t) => {
  const page = await open();
  await phase(page, 'idle');
  const fails = async (file: Buffer, message: RegExp, name?: string): Promise<void> => {
    await page.setInputFiles('#load', tarFile(file, name));
    await page.waitForSelector('#status.error:visible');
    t.regex((await statusOf(page)) ?? '', message);
    await phase(page, 'idle');
    await page.evaluate(() => document.getElementById('status')?.classList.remove('error'));
  };
  await fails(
    Buffer.from('no archive'),
    /^run\.tar: expected a tar archive of a run, .*, got something else$/,
  );
  await fails(Buffer.from('{'), /^checkpoint\.json: not valid JSON/, 'checkpoint.json');
  const checkpoint = await loadCheckpoint(await nodeRun);
  const good = Buffer.concat(await encodeRun('run', { checkpoint, metrics: [] }, new Date()));
  const bad = Buffer.from(good);
  // Among the last weights: the file after them begins within 512 bytes of their end.
  const at = good.indexOf('run/checkpoints/step-000010/optimizer') - 600;
  bad.writeUInt8(good.readUInt8(at) ^ 1, at);
  await fails(bad, /model\.safetensors: its bytes are not those that were saved \(SHA-256 differs\)/);
  await fails(good.subarray(0, good.length / 2), /^run\.tar: it ends too early/);
  await page.setInputFiles('#load', tarFile(good));
  await phase(page, 'paused');
  await page.close();
});

const FAILURES: Readonly<Record<string, { missing: string; says: RegExp }>> = {
  'no digits': { missing: 'mnist.pack', says: /^mnist\.pack: the server answered 404; it belongs beside/ },
  'no worker': { missing: 'worker.js', says: /^worker\.js does not load: it belongs beside the page/ },
  'no page.js': { missing: 'page.js', says: /^page\.js does not load: it belongs beside the page/ },
};

for (const [what, { missing, says }] of Object.entries(FAILURES)) {
  test(`${what} is a message that can be read`, async (t) => {
    const page = await open(plain, (opened) =>
      opened.route(`**/${missing}`, (route) => route.fulfill({ status: 404 })),
    );
    await page.waitForSelector('#status.error:visible');
    t.regex((await statusOf(page)) ?? '', says);
    await page.close();
  });
}

test('a browser without SIMD is told which has it; without a file of ONNX Runtime, what is missing', async (t) => {
  const page = await open(plain, (opened) =>
    opened.route('**/worker.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({
        response,
        body: `WebAssembly.validate = () => false;\n${await response.text()}`,
      });
    }),
  );
  await page.waitForSelector('#status.error:visible');
  t.regex((await statusOf(page)) ?? '', /^This browser has no WebAssembly SIMD/);
  await page.close();

  for (const [backend, file] of [
    ['wasm', 'ort.js'],
    ['wasm', 'ort-wasm-simd-threaded.wasm'],
    ['webgpu', 'ort-webgpu.js'],
    ['webgpu', 'ort-wasm-simd-threaded.asyncify.wasm'],
  ] as const) {
    const other = await open(plain, (opened) =>
      opened.route(`**/${file}`, (route) => route.fulfill({ status: 404 })),
    );
    await phase(other, 'idle');
    await other.selectOption('#backend', backend);
    await other.selectOption('#gr-warmup', 'none');
    await other.click('#run');
    await other.waitForSelector('#status.error:visible');
    t.is(
      await statusOf(other),
      `${file}: the server answered 404; it belongs beside index.html: serve the folder as it was exported`,
    );
    await phase(other, 'idle', 'paused');
    await other.close();
  }
});
