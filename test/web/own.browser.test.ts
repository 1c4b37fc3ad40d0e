/** The page for an ONNX file of one's own, in a browser. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import registerTest from 'ava';
import type { Browser, Page } from 'playwright-core';
import { ownPage } from '../../scripts/web/site.ts';
import { serve } from '../../src/cli/serve.ts';
import { partsOf } from '../../src/data/parts.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { webFiles } from '../../src/runtime/web-files.node.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { untar } from '../../src/storage/tar.ts';
import { hasBrowser, startBrowser } from './_browser.ts';
import {
  COLOURS,
  labelledLines,
  pictureModel,
  pictureOf,
  SIDE,
  textModel,
  writePictures,
} from './_own-files.ts';

const COUNT = 20;
const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-own-page-'));
const at = (...names: string[]) => path.join(folder, ...names);
const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let served: Awaited<ReturnType<typeof serve>> | undefined;

registerTest.before(async () => {
  if (!hasBrowser) return;
  const site = new Map(webFiles());
  for (const [name, content] of Object.entries(await ownPage('index.html'))) {
    writeFileSync(at(name), content);
    site.set(name, at(name));
  }
  writeFileSync(at('colours.onnx'), pictureModel());
  writeFileSync(at('letters.onnx'), textModel());
  writeFileSync(at('letters.txt'), labelledLines(60));
  await writePictures(at('photos'), COUNT);
  [browser, served] = await Promise.all([startBrowser(), serve(site)]);
});

registerTest.after.always(async () => {
  await browser?.close();
  served?.close();
  rmSync(folder, { recursive: true });
});

async function open(size: { width: number; height: number }): Promise<Page> {
  const page = await browser?.newPage({ viewport: size });
  if (!page || !served) throw new Error('test: no browser');
  page.setDefaultTimeout(0); // a step may be slow on a slow machine, and the test has a limit of its own
  await page.goto(served.origin);
  await phase(page, 'idle');
  return page;
}

const phase = (page: Page, name: string) => page.waitForSelector(`body[data-phase="${name}"]`);
const textOf = async (page: Page, id: string) => (await page.locator(`#${id}`).textContent()) ?? '';
/** Waits until an element has such a text. */
const says = (page: Page, id: string, text: string) =>
  page.waitForFunction(
    ([of = '', wanted = '']) => document.getElementById(of)?.textContent?.includes(wanted),
    [id, text],
  );

async function saved(page: Page, button: 'tuned' | 'adapters'): Promise<{ name: string; content: Buffer }> {
  const waiting = page.waitForEvent('download');
  await page.click(`#${button}`);
  const download = await waiting;
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}

const isWithin = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

/** Trains to the end with what the form says; the losses of the first and the last step. */
async function trained(page: Page): Promise<readonly [first: number, last: number]> {
  // The page itself notes the first: by the time that a busy machine asks for it, it may be the last.
  await page.evaluate(() => {
    const loss = document.getElementById('loss');
    const { dataset } = document.body;
    delete dataset.first;
    const note = new MutationObserver(() => {
      if (/\d/.test(loss?.textContent ?? '')) dataset.first ??= loss?.textContent ?? '';
    });
    if (loss) note.observe(loss, { childList: true, characterData: true, subtree: true });
  });
  await page.click('#run');
  await page.waitForFunction(() => document.body.dataset.first !== undefined);
  await phase(page, 'done');
  await says(page, 'where', 'all done');
  const first = await page.evaluate(() => document.body.dataset.first);
  return [Number(first), Number(await textOf(page, 'loss'))];
}

test('a new head learns three colours; the tuned file does in node what the page told; adapters are those that PEFT reads', async (t) => {
  t.timeout(5 * 60_000);
  const page = await open({ width: 1280, height: 800 });
  await page.setInputFiles('#model-files', at('colours.onnx'));
  await says(page, 'model-card', 'Conv 1');
  t.regex(
    await textOf(page, 'model-card'),
    /images: float \[batch, 3, 16, 16\].*can be trained: 314 numbers/s,
  );
  t.true(await page.locator('#run').isDisabled());
  await page.setInputFiles('#data-folder', at('photos'));
  await says(page, 'plan', 'It trains 27 numbers in 2 tensors');
  t.is(await textOf(page, 'data-card'), '60 pictures in 3 classes');
  t.deepEqual(
    await page.locator('#classes li').allTextContents(),
    COLOURS.map((name) => `${name} ${COUNT}`),
  );
  await page.selectOption('#normalization', 'unit');
  await page.fill('#learning-rate', '0.1');
  await page.fill('#epochs', '6');
  await page.fill('#batch-size', '8');
  const [first, last] = await trained(page);
  t.true(last < 0.8 * first, `${first} to ${last}`);
  t.true(await isWithin(page));
  const { name, content } = await saved(page, 'tuned');
  t.is(name, 'colours-tuned.onnx');
  t.is(await textOf(page, 'accuracy'), `${(100 * (await accuracyInNode(content))).toFixed(1)} %`);
  t.true(await page.locator('#adapters').isDisabled());

  await page.click('#reset');
  await phase(page, 'idle');
  await page.check('input[value="lora"]');
  await page.fill('#pattern', '^conv');
  await page.fill('#rank', '2');
  await page.selectOption('#gr', 'exact');
  await page.fill('#epochs', '1');
  await page.locator('#epochs').blur();
  await says(page, 'plan', 'It trains 97 numbers'); // 2·27 + 8·2 of the adapter, 27 of the head
  await trained(page);
  t.regex(await textOf(page, 'strength'), /^0\.0/);
  const adapters = await saved(page, 'adapters');
  const files = untar(adapters.content, adapters.name);
  const weights = files.find(({ path: of }) => of.endsWith('adapter_model.safetensors'));
  const { tensors } = decodeSafetensors(weights?.bytes ?? new Uint8Array(), 'adapters');
  const config = JSON.parse(new TextDecoder().decode(files[0]?.bytes));
  t.deepEqual([config.r, config.target_modules, config.modules_to_save], [2, ['conv'], ['fc']]);
  const shapes = Object.fromEntries(
    tensors.map((tensor) => [tensor.name.replace('base_model.model.', ''), tensor.shape]),
  );
  t.deepEqual(shapes['conv.lora_A.weight'], [2, 3, 3, 3]);
  t.deepEqual(shapes['conv.lora_B.weight'], [8, 2, 1, 1]);
  const b = tensors.find((tensor) => tensor.name.includes('lora_B'))?.data;
  t.true(b instanceof Float32Array && b.some((x) => x !== 0));
  await page.close();
});

/** What the tuned file makes of the pictures that the page held out, on the scale 0 to 1. */
async function accuracyInNode(file: Uint8Array): Promise<number> {
  const all = COLOURS.flatMap((colour, k) => Array.from({ length: COUNT }, (_, i) => ({ colour, k, i })));
  const [, held] = partsOf(all, ({ colour }) => colour, 0.2, 'test');
  const session = await createSession(file, { device: 'cpu', threads: 1 });
  const data = Float32Array.from(
    held.flatMap(({ k, i }) => Array.from(pictureOf(k, i), (byte) => byte / 255)),
  );
  const { logits } = await session.run({
    images: { dtype: 'float32', shape: [held.length, 3, SIDE, SIDE], data },
  });
  await session.release();
  const right = held.filter(({ k }, i) => {
    const row = Array.from(logits?.data.subarray(3 * i, 3 * i + 3) ?? [], Number);
    return row.indexOf(Math.max(...row)) === k;
  });
  return right.length / held.length;
}

test('on a phone lines of text are told apart; what cannot be read is said in a line', async (t) => {
  t.timeout(5 * 60_000);
  const page = await open({ width: 390, height: 844 });
  const refused = async (input: string, file: string, message: RegExp) => {
    await page.setInputFiles(input, file);
    await page.waitForSelector('#status.error');
    t.regex(await textOf(page, 'status'), message);
  };
  writeFileSync(at('not.onnx'), 'This is no model.');
  await refused('#model-files', at('not.onnx'), /^not\.onnx: /);
  mkdirSync(at('one', 'cat'), { recursive: true });
  writeFileSync(at('one', 'cat', '1.png'), 'This is no picture.');
  await refused('#data-folder', at('one'), /two folders of pictures or more, .* got one: cat$/);

  await page.setInputFiles('#model-files', at('letters.onnx'));
  await page.setInputFiles('#data-file', at('letters.txt')); // while it still reads the model
  await says(page, 'plan', 'It trains');
  t.regex(await textOf(page, 'model-card'), /Gather 1/);
  t.regex(await textOf(page, 'data-card'), /^60 lines in 2 classes/);
  await page.check('input[value="all"]');
  await page.fill('input[name="sequence"]', '16');
  await page.fill('#learning-rate', '0.05');
  await page.fill('#epochs', '4');
  t.true(await isWithin(page));
  const [first, last] = await trained(page);
  t.true(last < 0.8 * first, `${first} to ${last}`);
  t.true(await isWithin(page));

  await page.click('#reset');
  await phase(page, 'idle');
  mkdirSync(at('one', 'dog'));
  writeFileSync(at('one', 'dog', '1.png'), 'Neither is this.');
  writeFileSync(at('one', 'dog', '2.png'), 'Nor this.');
  writeFileSync(at('one', 'cat', '2.png'), 'Nor this.');
  await page.setInputFiles('#data-folder', at('one'));
  await says(page, 'data-card', '4 pictures');
  await page.fill('#batch-size', '1');
  await page.click('#run');
  await page.waitForSelector('#status.error');
  t.regex(await textOf(page, 'status'), /takes texts, expected one that takes pictures/);
  await page.setInputFiles('#model-files', at('colours.onnx'));
  await says(page, 'model-card', 'Conv 1');
  await page.click('#run');
  await page.waitForSelector('#status.error');
  t.regex(await textOf(page, 'status'), /^one\/(cat|dog)\/.*: it does not decode as a picture/);
  await page.close();
});
