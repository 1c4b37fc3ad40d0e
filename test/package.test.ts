/** The package as its user gets it: packed, installed in an empty project, and used as the README says. */
import { type ExecException, execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
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
/** All that git tracks or does not ignore, with the packages linked, as in a clean clone of the tree as it is. */
async function cleanClone(folder: string): Promise<string> {
  const { stdout } = await exec('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const clone = path.join(folder, 'clone');
  for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(name)))
    cpSync(file, path.join(clone, file));
  symlinkSync(path.resolve('node_modules'), path.join(clone, 'node_modules'));
  return clone;
}

const README = readFileSync('README.md', 'utf8');

/** The block of code in the README that begins so. */
function block(language: string, start: string): string {
  const blocks = README.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  const found = [...blocks].find(([, name, code]) => name === language && code?.startsWith(start));
  if (!found?.[2]) throw new Error(`test: the README has no block of ${language} that begins with ${start}`);
  return found[2];
}

/** Strict, and such that the package's declarations are checked, too. */
const STRICT = {
  ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
  ...{ module: 'nodenext', target: 'es2022', outDir: 'js', types: ['node'] },
};
/** What does not ask for much, for a page: no types of node, and an old library. */
const LAX = {
  ...{ module: 'esnext', moduleResolution: 'bundler', target: 'es2020', lib: ['es2020', 'dom'] },
  ...{ noEmit: true, skipLibCheck: false, types: [] },
};
/** A program without types of its own. */
const UNTYPED = `import * as og from 'ortgrad';
export async function train() {
  const x = [], y = [];
  for (let i = 0; i < 100; i++) { x.push(i / 50 - 1); y.push(Math.cos(x[i])); }
  const run = await og.fit({
    model: (scope, { x }) => og.dense(scope.sub('out'), og.tanh(og.dense(scope.sub('hidden'), x, 8)), 1),
    loss: (out, { y }) => og.mse(out, y),
    data: { x, y },
    epochs: 3,
  });
  console.log(run.history[0].loss, (await run.predict({ x, y }))[0]);
}
`;

const kB = ({ length }: Uint8Array) => Math.round(length / 1000);

test('the file that is packed from a clean clone installs in an empty project, runs the README example and the ortgrad command', async (t) => {
  t.timeout(15 * 60_000);
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-package-'));
  const space = workspace();
  t.teardown(() => {
    rmSync(folder, { recursive: true });
    rmSync(space.folder, { recursive: true });
  });
  const clone = await cleanClone(folder);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const file = path.join(clone, 'dist', `ortgrad-${version}.tgz`);
  const refused = await t.throwsAsync<ExecException>(() => exec('npm', ['pack'], { cwd: clone }));
  t.true(refused.stderr?.includes(`no such file or directory, open '${file}'`), refused.stderr);
  t.false(existsSync(path.join(clone, 'dist')), 'without a build there is no package');
  // Twice: a package must not hold the one before.
  for (let i = 0; i < 2; i++) await exec('npm', ['pack', '--ignore-scripts=false'], { cwd: clone });
  const packed = (await exec('tar', ['-tf', file])).stdout.trim().split('\n');
  for (const name of [
    'cli/main.js',
    'index.js',
    'index.d.ts',
    'node.js',
    'runtime/ort.web.js',
    'web/page.js',
    'web/own/index.html',
    'web/own/own-worker.js',
  ])
    t.true(packed.includes(`package/dist/${name}`), name);
  const expected =
    /^package\/(dist\/.*\.(js|d\.ts)|dist\/web\/own\/index\.html|graphs\/[\w-]+\/spec\.json|recipes\/[\w-]+\.json|LICENSE|README\.md|package\.json)$/;
  t.deepEqual(
    packed.filter((name) => !expected.test(name)),
    [],
  );
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{"type": "module"}');
  const here = { cwd: project };
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  // The oldest TypeScript that the README names.
  await exec('npm', [...install, file, 'typescript@~5.1.6', '@types/node@20'], here);

  writeFileSync(path.join(project, 'sine.ts'), block('ts', 'import * as og'));
  writeFileSync(path.join(project, 'untyped.ts'), UNTYPED);
  for (const [name, options] of [
    ['sine', STRICT],
    ['untyped', LAX],
  ] as const) {
    const config = { compilerOptions: options, files: [`${name}.ts`] };
    writeFileSync(path.join(project, `tsconfig.${name}.json`), JSON.stringify(config));
    const compiled = await exec('npx', ['--no-install', 'tsc', '-p', `tsconfig.${name}.json`], here).catch(
      (error: ExecException) => error,
    );
    t.is(compiled.stdout, '', name);
  }
  const [loss = '', ...sines] = (await exec('node', ['js/sine.js'], here)).stdout.match(/-?\d+\.\d+/g) ?? [];
  t.true(Number(loss) < 0.01, loss);
  [0, 1, 2].forEach((x, i) => {
    t.true(Math.abs(Number(sines[i]) - Math.sin(x)) < 0.1, sines.join());
  });
  t.true(existsSync(path.join(project, 'sin.safetensors')));

  writeFileSync(path.join(project, 'example.js'), block('js', 'import { writeFileSync'));
  const { stdout } = await exec('node', ['example.js'], here);
  const losses = [...stdout.matchAll(/step \d+: loss (\S+)/g)].map(([, loss]) => Number(loss));
  t.is(losses.length, 3);
  t.true((losses[2] ?? 1) < 0.1, stdout);
  const { graph } = read(readFileSync(path.join(project, 'xor.onnx')));
  t.deepEqual(Object.keys(graph.outputs).slice(0, 2), ['loss', 'grad/hidden/kernel']);

  const ortgrad = (...args: string[]) => exec('npx', ['--no-install', 'ortgrad', ...args], here);
  await ortgrad('graphs', 'vit-micro-mnist');
  t.true(existsSync(path.join(project, 'graphs', 'vit-micro-mnist', 'gr-exact.onnx')));
  await t.throwsAsync(ortgrad('train', '--recipe', 'gnp-vit', '--epochs', '9'), {
    message: /--warmup-epochs: 40 is longer than the run of --epochs 9/,
  });
  await ortgrad('train', ...space.flags, '--epochs', '1', '--warmup-epochs', '0', '--out', 'run');
  t.true(existsSync(path.join(project, 'run', 'report.html')));
  t.regex((await ortgrad('evaluate', '--checkpoint', 'run/best')).stdout, /^20 test images/);
  writeFileSync(path.join(project, 'my-model.js'), block('js', '// my-model.js'));
  writeFileSync(path.join(project, 'my.json'), '{"model": "./my-model.js", "epochs": 2}');
  await ortgrad('train', '--config', 'my.json', '--out', 'own');
  t.regex(
    (await ortgrad('evaluate', '--checkpoint', 'own/best', '--model', './my-model.js')).stdout,
    /^200 test .*R² 0\.\d+/s,
  );
  const options = {
    graph: space.graph,
    data: space.data,
    batchSize: 16,
    epochs: 2,
    warmupEpochs: 0,
    gr: 'none',
  };
  const short = block('js', 'import { loadCheckpoint')
    .replace(/\{ graph: [^}]*\}/, JSON.stringify(options))
    .replace('() => false', '() => true');
  writeFileSync(path.join(project, 'run.js'), `${short}\nconsole.log(best);`);
  t.regex((await exec('node', ['run.js'], here)).stdout, /^1 \d+\.\d+\nnull\n$/);
  const metrics = readFileSync(path.join(project, 'runs/mine/metrics.jsonl'), 'utf8');
  t.is(metrics.match(/"split":"train"/g)?.length, 8);
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

  // TypeScript before 5.7 has no typed arrays over a kind of buffer.
  const installed = path.join(project, 'node_modules/ortgrad/dist');
  for (const file of readdirSync(installed, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.d.ts')) continue;
    t.notRegex(readFileSync(path.join(installed, file), 'utf8'), /Array<ArrayBuffer/, file);
  }

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
  t.true(bytes.length < 600_000);
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
