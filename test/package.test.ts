/** The package as its user gets it: packed, installed in an empty project, and used as the README says. */
import { type ExecException, execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { build } from 'esbuild';
import { read } from '../src/onnx/read.ts';
import { workspace } from './cli/_program.ts';

const exec = promisify(execFile);
const kB = ({ length }: Uint8Array) => Math.round(length / 1000);

test('the packed file installs in an empty project, runs the README example and the ortgrad command', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-package-'));
  const space = workspace();
  t.teardown(() => {
    rmSync(folder, { recursive: true });
    rmSync(space.folder, { recursive: true });
  });
  await exec('npm', ['run', 'build']);
  await exec('npm', ['pack', '--pack-destination', folder]);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{"type": "module"}');
  const here = { cwd: project };
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  await exec('npm', [...install, path.join(folder, `ortgrad-${version}.tgz`)], here);

  const example = /```js\n(import \{ writeFileSync[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1];
  writeFileSync(path.join(project, 'example.js'), example ?? '');
  const { stdout } = await exec('node', ['example.js'], here);
  const losses = [...stdout.matchAll(/step \d+: loss (\S+)/g)].map(([, loss]) => Number(loss));
  t.is(losses.length, 3);
  t.true((losses[2] ?? 1) < 0.1, stdout);
  const { graph } = read(readFileSync(path.join(project, 'xor.onnx')));
  t.deepEqual(Object.keys(graph.outputs).slice(0, 2), ['loss', 'grad/hidden/kernel']);

  const ortgrad = (...args: string[]) => exec('npx', ['--no-install', 'ortgrad', ...args], here);
  await ortgrad('graphs', 'vit-micro-mnist');
  t.true(existsSync(path.join(project, 'graphs', 'vit-micro-mnist', 'gr-exact.onnx')));
  await ortgrad('train', ...space.flags, '--epochs', '1', '--warmup-epochs', '0', '--out', 'run');
  t.true(existsSync(path.join(project, 'run', 'report.html')));
  t.regex((await ortgrad('evaluate', '--checkpoint', 'run/best')).stdout, /^20 test images/);
  await ortgrad('export', '--checkpoint', 'run/best', '--out', 'model.onnx');
  t.true(existsSync(path.join(project, 'model.onnx')));
  const { stderr } = await t.throwsAsync<ExecException>(() =>
    ortgrad('export', '--checkpoint', 'run/best', '--web'),
  );
  t.regex(
    stderr ?? '',
    /^error: --web: expected the package onnxruntime-web, .*; run npm install onnxruntime-web\n$/,
  );
  symlinkSync(
    path.resolve('node_modules/onnxruntime-web'),
    path.join(project, 'node_modules/onnxruntime-web'),
  );
  await ortgrad('export', '--checkpoint', 'run/best', '--web');
  t.regex(readFileSync(path.join(project, 'model-web/page.js'), 'utf8'), /import\("\.\/ort\.js"\)/);
  t.true(existsSync(path.join(project, 'model-web/ort.js')));

  // What a bundler makes of it for a browser.
  const { metafile, outputFiles } = await build({
    stdin: { contents: "export * from 'ortgrad'", resolveDir: project },
    platform: 'browser',
    format: 'esm',
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    external: ['onnxruntime-web', 'onnxruntime-web/*'],
    absWorkingDir: project,
  });
  const inputs = Object.keys(metafile.inputs);
  t.true(inputs.includes('node_modules/ortgrad/dist/runtime/ort.web.js'));
  for (const { imports } of Object.values(metafile.inputs)) {
    for (const { path: to, external } of imports) {
      t.false(/^node:|sharp|onnxruntime-node/.test(to), to);
      if (external) t.regex(to, /^onnxruntime-web/);
    }
  }
  const [bundle] = outputFiles;
  const bytes = bundle?.contents ?? new Uint8Array();
  t.log(`the core without ONNX Runtime: ${kB(bytes)} kB minified, ${kB(gzipSync(bytes))} kB compressed`);
  t.true(bytes.length < 400_000);
});

test('the part for browsers reaches no module of node, and neither sharp nor onnxruntime-node', async (t) => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, specifier = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import) '([^']+)'/g)) {
      t.false(/^node:|^sharp$|^onnxruntime-node$/.test(specifier), `${file} imports ${specifier}`);
      if (specifier.startsWith('.')) visit(path.resolve(path.dirname(file), specifier));
      if (specifier === '#runtime') visit(path.resolve('src/runtime/ort.web.ts'));
    }
  };
  visit(path.resolve('src/index.ts'));
  t.true(seen.size > 30);
});
