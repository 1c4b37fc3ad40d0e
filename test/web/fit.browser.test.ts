/** `fit` in a page: it trains, and a page that was closed goes on where it saved, to the last bit. */
import registerTest from 'ava';
import type { Browser, BrowserContext } from 'playwright-core';
import { hasBrowser, startBrowser } from './_browser.ts';
import { type ServedPage, servePage } from './_page.ts';

const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
let browser: Browser | undefined;
let served: ServedPage | undefined;

/** Trains on 1,000 points; saves after each epoch; with `until` it waits there to be closed. The title tells how far it is. */
const MAIN = `
import * as og from 'ortgrad';
const { store, until, freeze, device = 'cpu', epochs = '6' } = Object.fromEntries(new URLSearchParams(location.search));
const x = Float32Array.from({ length: 1000 }, (_, i) => -3 + (6 * i) / 1000);
const text = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
try {
  const saved = localStorage.getItem(store);
  const run = await og.fit({
    model: (scope, { x }) =>
      og.dense(scope.sub('out'), og.dropout(scope, og.tanh(og.dense(scope.sub('hidden'), x, 32)), 0.1), 1),
    loss: (out, { y }) => og.mse(out, y),
    data: { x, y: x.map(Math.sin) },
    validation: 0.1,
    epochs: Number(epochs),
    batchSize: 64,
    optimizer: og.adamw({ learningRate: 0.01 }),
    regularizer: og.exactGr({ lambda: 0.01, warmup: 'zero' }),
    ema: 0.9,
    threads: 1,
    device,
    ...(freeze && { freeze: new RegExp(freeze) }),
    resume: saved === null ? undefined : Uint8Array.from(saved, (c) => c.charCodeAt(0)),
    async onEpoch({ epoch }, control) {
      localStorage.setItem(store, text(await control.save()));
      if (String(epoch) !== until) return;
      document.title = 'epoch ' + epoch;
      await new Promise(() => {});
    },
  });
  const bytes = await og.saveWeights(run.weights);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await run.save()));
  const [zero] = await run.predict({ x: [0] });
  const model = await og.createSession(run.export(), { device: 'cpu', threads: 1 });
  const { output } = await model.run({ x: { dtype: 'float32', shape: [7, 1], data: new Float32Array(7) } });
  document.title = JSON.stringify({
    epochs: run.history.map(({ epoch }) => epoch),
    loss: run.history.at(-1).validation.loss,
    same: Math.abs(output.data[6] - zero) < 1e-6,
    weights: bytes.length,
    digest: [...digest].join(),
  });
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
});

/** What the page's title becomes. */
async function titleIn(context: BrowserContext, options: Readonly<Record<string, string>>): Promise<string> {
  const page = await context.newPage();
  await page.goto(`${served?.origin}/?${new URLSearchParams(options)}`);
  await page.waitForFunction(() => document.title !== '', null, { timeout: 60_000 });
  const title = await page.title();
  await page.close();
  return title;
}

test('a page that was closed while it trained goes on from its last save, to the last bit', async (t) => {
  t.timeout(3 * 60_000);
  const context = await browser?.newContext();
  if (!context) throw new Error('test: no browser');
  const whole = await titleIn(context, { store: 'whole' });
  t.like(JSON.parse(whole), { epochs: [1, 2, 3, 4, 5, 6], same: true });
  t.true(JSON.parse(whole).loss < 0.5, whole);
  t.is(await titleIn(context, { store: 'closed', until: '3' }), 'epoch 3');
  t.is(await titleIn(context, { store: 'closed' }), whole);
  await context.close();
});

for (const [what, options] of [
  ['a batch goes through in one graph', {}],
  ['what is frozen stays there', { freeze: '^hidden/' }],
] as const) {
  test(`on webgpu ${what}, and it learns what it does on the CPU`, async (t) => {
    t.timeout(3 * 60_000);
    const context = await browser?.newContext();
    if (!context) throw new Error('test: no browser');
    const shared = { epochs: '2', ...options };
    const [onCpu, onGpu] = [
      await titleIn(context, { store: 'a', ...shared }),
      await titleIn(context, { store: 'b', device: 'webgpu', ...shared }),
    ].map((title) => JSON.parse(title));
    t.like(onGpu, { epochs: [1, 2], same: true });
    t.true(Math.abs(onGpu.loss - onCpu.loss) < 1e-4 * onCpu.loss, `${onGpu.loss} ${onCpu.loss}`);
    await context.close();
  });
}
