/** The package in a page of its user's, as Vite and esbuild bundle it, in a browser. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import registerTest from 'ava';
import { build as esbuild } from 'esbuild';
import type { Browser } from 'playwright-core';
import { createServer, build as viteBuild } from 'vite';
import { serve } from '../../src/cli/serve.ts';
import { hasBrowser, startBrowser } from './_browser.ts';

const exec = promisify(execFile);
const project = mkdtempSync(path.join(tmpdir(), 'ortgrad-bundlers-'));
const test = hasBrowser ? registerTest.serial : registerTest.serial.skip;
const WASM = 'ort-wasm-simd-threaded.wasm';
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
let browser: Browser | undefined;

/**
 * Trains x → sin x by `fit`, and runs what it exports, after the derivative of x² where x is 3 and 4: the title is the
 * derivative, and whether the loss fell, predictions are near and the exported file predicts the same. Options come from
 * the page's address.
 */
const MAIN = `
import * as og from 'ortgrad';
const { threads, device, ...options } = Object.fromEntries(new URLSearchParams(location.search));
try {
  const x = og.input('x', [2]);
  const [y] = og.grad(og.reduceSum(og.mul(x, x)), [x]);
  const model = og.serialize(og.finish({ name: 'square', inputs: [x], outputs: { y } }, { target: 'cpu' }));
  const session = await og.createSession(model, { device, threads: Number(threads), ...options });
  const out = await session.run({ x: { dtype: 'float32', shape: [2], data: Float32Array.of(3, 4) } });
  const points = Float32Array.from({ length: 1000 }, (_, i) => -3 + (6 * i) / 1000);
  const run = await og.fit({
    model: (scope, { x }) => og.dense(scope.sub('out'), og.tanh(og.dense(scope.sub('hidden'), x, 32)), 1),
    loss: (out, { y }) => og.mse(out, y),
    data: { x: points, y: points.map(Math.sin) },
    validation: 0.1,
    epochs: 5,
    optimizer: og.adamw({ learningRate: 0.01 }),
    regularizer: og.exactGr({ lambda: 0.01, warmup: 'zero' }),
    device,
    threads: Number(threads),
    ...options,
  });
  const losses = run.history.map(({ validation }) => validation.loss);
  const predicted = await run.predict({ x: [-1, 0, 1] });
  const exported = await og.createSession(run.export(), { device: 'cpu', threads: Number(threads), ...options });
  const { output } = await exported.run({ x: { dtype: 'float32', shape: [3, 1], data: Float32Array.of(-1, 0, 1) } });
  const near = predicted.every((value, i) => Math.abs(value - Math.sin(i - 1)) < 0.3);
  const same = output.data.every((value, i) => Math.abs(value - predicted[i]) < 1e-5);
  document.body.textContent = 'loss ' + losses.map((loss) => loss.toFixed(3)).join(', ');
  document.title = [...out.y.data].join() + (losses.at(-1) < 0.3 * losses[0] ? ' learns' : ' ' + losses) +
    (near ? ' near' : ' ' + predicted.join()) + (same ? ' same' : ' ' + output.data.join());
} catch (error) {
  document.title = \`\${error.name}: \${error.message}\`;
}
`;
const PAGE = (script: string) =>
  `<!doctype html><title></title><body></body><script type="module" src="${script}"></script>`;

registerTest.before(async (t) => {
  if (!hasBrowser) return;
  t.timeout(5 * 60_000);
  writeFileSync(path.join(project, 'package.json'), '{"type": "module"}');
  writeFileSync(path.join(project, 'index.html'), PAGE('/main.js'));
  writeFileSync(path.join(project, 'main.js'), MAIN);
  const packages = path.join(project, 'node_modules');
  const own = path.join(packages, 'ortgrad');
  // What npm packs of it for a bundler, and what npm installs beside it.
  mkdirSync(own, { recursive: true });
  cpSync('package.json', path.join(own, 'package.json'));
  const compiled = exec('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', path.join(own, 'dist')]);
  for (const name of ['valibot', 'protobufjs']) {
    symlinkSync(path.resolve('node_modules', name), path.join(packages, name));
  }
  const runtime = path.resolve('node_modules/onnxruntime-web');
  for (const file of [
    'package.json',
    ...readdirSync(path.join(runtime, 'dist')).map((name) => `dist/${name}`),
  ]) {
    if (/package|(wasm|webgpu)\.bundle\.min\.mjs$|threaded(\.asyncify)?\.(wasm|mjs)$/.test(file))
      cpSync(path.join(runtime, file), path.join(packages, 'onnxruntime-web', file));
  }
  [browser] = await Promise.all([startBrowser(), compiled]);
});

registerTest.after.always(async () => {
  await browser?.close();
  rmSync(project, { recursive: true });
});

/** The title that the page gets, by options of the session, and whether its server isolates it. */
async function titleOf(origin: string, options: Readonly<Record<string, string>>): Promise<string> {
  const page = await browser?.newPage();
  if (!page) throw new Error('test: no browser');
  await page.goto(`${origin}/?${new URLSearchParams({ device: 'cpu', ...options })}`);
  await page.waitForFunction(() => document.title !== '', null, { timeout: 60_000 });
  const title = await page.title();
  await page.close();
  return title;
}

/** The same of a folder, on a server that gives it threads. */
async function titleIn(folder: string, options: Readonly<Record<string, string>>): Promise<string> {
  const server = await serve(folder, { isolated: true });
  try {
    return await titleOf(server.origin, options);
  } finally {
    server.close();
  }
}

const EXPECTED = '6,8 learns near same';
const vite = { root: project, configFile: false, logLevel: 'error' } as const;

test('vite dev finds the WebAssembly of both builds, without a configuration', async (t) => {
  t.timeout(3 * 60_000);
  const server = await createServer({ ...vite, server: { port: 0, host: '127.0.0.1', headers: ISOLATED } });
  t.teardown(() => server.close());
  await server.listen();
  const origin = (server.resolvedUrls?.local[0] ?? '').replace(/\/$/, '');
  t.is(await titleOf(origin, { threads: '1' }), EXPECTED);
  t.is(await titleOf(origin, { threads: '2' }), EXPECTED);
  t.is(await titleOf(origin, { threads: '1', device: 'webgpu' }), EXPECTED);
});

test('vite build does too, and threads start from ONNX Runtime alone', async (t) => {
  t.timeout(3 * 60_000);
  const outDir = path.join(project, 'vite');
  await viteBuild({ ...vite, build: { outDir, target: 'es2022' } });
  t.is(await titleIn(outDir, { threads: '1' }), EXPECTED);
  t.is(await titleIn(outDir, { threads: '2' }), EXPECTED);
  t.is(await titleIn(outDir, { threads: '1', device: 'webgpu' }), EXPECTED);
});

/** A folder with the page as esbuild bundles it. */
async function bundled(name: string, splitting: boolean): Promise<string> {
  const outdir = path.join(project, name);
  await esbuild({
    entryPoints: [path.join(project, 'main.js')],
    bundle: true,
    format: 'esm',
    splitting,
    outdir,
    logLevel: 'error',
  });
  writeFileSync(path.join(outdir, 'index.html'), PAGE('main.js'));
  return outdir;
}

const addRuntime = (file: string, folder: string) =>
  cpSync(path.join('node_modules/onnxruntime-web/dist', file), path.join(folder, file));

test('esbuild: in pieces, with the WebAssembly copied beside them, it has threads', async (t) => {
  const folder = await bundled('pieces', true);
  addRuntime(WASM, folder);
  t.is(await titleIn(folder, { threads: '2' }), EXPECTED);
});

test('esbuild: in one file without the WebAssembly, it says what to copy or to set', async (t) => {
  const folder = await bundled('one', false);
  t.regex(
    await titleIn(folder, { threads: '1' }),
    /^UserError: ONNX Runtime does not start .*: it needs ort-wasm-simd-threaded\.wasm .* wasmPaths/,
  );
  const elsewhere = path.join(folder, 'runtime');
  for (const file of [WASM, 'ort-wasm-simd-threaded.mjs']) addRuntime(file, elsewhere);
  t.is(await titleIn(folder, { threads: '2', wasmPaths: '/runtime/' }), EXPECTED);
});
