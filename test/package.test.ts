/** The package as its user gets it: packed, installed in an empty project, and used as the README says. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { read } from '../src/onnx/read.ts';
import { workspace } from './cli/_program.ts';

const exec = promisify(execFile);

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
