/** `ortgrad export`, its files and its messages. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { decodeModel } from '../../src/onnx/proto.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { VERSION } from '../../src/version.ts';
import { command, program, workspace } from './_program.ts';

const space = workspace();
const out = (...names: string[]) => path.join(space.folder, ...names);
const best = out('run', 'best');

test.before(async () => {
  const flags = [...space.flags, '--epochs', '2', '--warmup-epochs', '0', '--out', out('run')];
  const { code, stderr } = await command('train', ...flags);
  if (code !== 0) throw new Error(stderr);
});

test.after.always(() => rmSync(space.folder, { recursive: true }));

test.serial('raw pixels in fp16, what that costs, and a folder for the web', async (t) => {
  const file = out('model.onnx');
  const flags = ['--out', file, '--raw-pixels', '--precision', 'fp16', '--web'];
  const { code, stdout, stderr } = await program('export', '--checkpoint', best, ...flags);
  t.is(code, 0, stderr);
  const [first, second, third] = stdout.split('\n');
  t.true(first?.endsWith('images uint8 [batch, 32, 32, 3] → logits float32 [batch, 10]'), first);
  t.regex(
    second ?? '',
    /^accuracy on 20 test images: \d+\.\d\d% in fp32, \d+\.\d\d% in fp16 \(loss \d\.\d{4} and \d\.\d{4}\)$/,
  );
  const evaluated = await command('evaluate', '--checkpoint', best);
  t.is(/accuracy (\S+),/.exec(evaluated.stdout)?.[1], /(\S+) in fp32/.exec(second ?? '')?.[1]);
  t.is(third, `${out('model-web')}: a page for any static server; 20 sample images`);

  const web = out('model-web');
  t.deepEqual(readdirSync(web).sort(), [
    'index.html',
    'model.json',
    'model.onnx',
    'ort-wasm-simd-threaded.wasm',
    'ort.js',
    'page.js',
    'samples',
  ]);
  t.deepEqual(readFileSync(path.join(web, 'model.onnx')), readFileSync(file));
  const info = JSON.parse(readFileSync(path.join(web, 'model.json'), 'utf8'));
  t.is(info.model.bytes, statSync(file).size);
  t.is(info.classes.length, 10);
  t.is(readdirSync(path.join(web, 'samples')).length, 20);
  const session = await createSession(file, { device: 'cpu', threads: 1 });
  const images = { dtype: 'uint8', shape: [2, 32, 32, 3], data: new Uint8Array(6144) } as const;
  t.deepEqual((await session.run({ images })).logits?.shape, [2, 10]);
  await session.release();
});

test.serial('fp32 has its accuracy printed, too, and a folder that is not there is created', async (t) => {
  const file = out('new', 'folder', 'model.onnx');
  const { code, stdout, stderr } = await command('export', best, '--out', file);
  t.is(code, 0, stderr);
  const [first, second] = stdout.split('\n');
  t.true(first?.startsWith(`${file}: `), first);
  t.regex(second ?? '', /^accuracy on 20 test images: \d+\.\d\d% \(loss \d\.\d{4}\)$/);
  const { producerName, producerVersion } = decodeModel(readFileSync(file));
  t.deepEqual([producerName, producerVersion], ['ortgrad', VERSION]);
});

test.serial('a file that cannot be written is named as it was given', async (t) => {
  mkdirSync(out('folder.onnx'));
  const refused: [file: string, error: string][] = [
    [out('folder.onnx'), `error: ${out('folder.onnx')}: it is a folder, expected a file; check the path\n`],
    [
      out('cifar', 'test_batch.bin', 'model.onnx'),
      `error: ${out('cifar', 'test_batch.bin')}: it is a file, expected a folder; take another path\n`,
    ],
  ];
  for (const [file, error] of refused) {
    const { code, stderr } = await command('export', best, '--out', file);
    t.is(code, 1);
    t.is(stderr, error);
  }
  const twice = await command('export', best, '--checkpoint', best);
  t.regex(twice.stderr, /^error: --checkpoint: ".*best" was given as well; leave one of the two out\n$/);
});

test.serial(
  'without the data the accuracy is not measured and the page has no samples, and both are said',
  async (t) => {
    const data = out('nothing');
    mkdirSync(data);
    const flags = ['--out', out('bare.onnx'), '--precision', 'fp16', '--web', '--data', data];
    const { code, stdout, stderr } = await program('export', '--checkpoint', best, ...flags);
    t.is(code, 0, stderr);
    const [, second, third] = stdout.split('\n');
    t.regex(second ?? '', /^accuracy not measured: cifar10: /);
    t.regex(third ?? '', /bare-web: a page for any static server; no sample images: cifar10: /);
    const { samples, accuracy } = JSON.parse(readFileSync(out('bare-web', 'model.json'), 'utf8'));
    t.deepEqual([samples, accuracy], [[], null]);
  },
);

test.serial('a folder with something else in it is left alone', async (t) => {
  mkdirSync(out('mine-web'));
  writeFileSync(out('mine-web', 'index.html'), 'mine');
  const { code, stderr } = await command('export', '--checkpoint', best, '--out', out('mine.onnx'), '--web');
  t.is(code, 1);
  t.regex(
    stderr,
    /^error: --web: \S*mine-web holds other files; expected a new folder or an earlier export; take another name for --out\n$/,
  );
  t.is(readFileSync(out('mine-web', 'index.html'), 'utf8'), 'mine');
  t.false(existsSync(out('mine.onnx')));
});
