import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { train as trainHere } from '../../src/cli/train.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { loadModel } from '../../src/storage/checkpoint-folder.node.ts';
import { readDiagnostics } from '../../src/storage/diagnostics-log.node.ts';
import { readMetrics } from '../../src/storage/metrics-log.node.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { refusal } from './_own.ts';
import { command, program, start, workspace } from './_program.ts';

const space = workspace();
const out = (name: string) => path.join(space.folder, name);
const train = (name: string, ...flags: string[]) =>
  command('train', ...space.flags, '--out', out(name), '--epochs', '4', '--warmup-epochs', '1', ...flags);
const weights = (name: string) => readFileSync(path.join(out(name), 'last', 'model.safetensors'));
const moments = (name: string) => readFileSync(path.join(out(name), 'last', 'optimizer.safetensors'));
/** The log without its timings. */
const log = (name: string) =>
  readMetrics(path.join(out(name), 'metrics.jsonl')).map(({ examples_per_second: _, ...line }) => line);

test.after.always(() => rmSync(space.folder, { recursive: true, force: true }));

test.before(async (t) => {
  const { code, stderr } = await command('graphs', space.graph, '--micro-batch', '16');
  t.is(code, 0, stderr);
});

const REGULARIZERS = {
  none: [],
  exact: ['--lambda', '0.05', '--gr-warmup', 'zero'],
  fd: ['--r', '0.05', '--alpha', '0.5', '--gr-warmup', 'r'],
  sam: ['--r', '0.05', '--gr-warmup', 'zero'],
};

for (const [gr, flags] of Object.entries(REGULARIZERS)) {
  test.serial(
    `--gr ${gr}: the loss falls, and a run that was stopped and resumed equals one that was not`,
    async (t) => {
      const whole = await train(`${gr}-whole`, '--gr', gr, ...flags);
      t.is(whole.code, 0, whole.stderr);
      const lines = log(`${gr}-whole`).filter(({ split }) => split === 'train');
      t.is(lines.length, 16);
      t.true((lines.at(-1)?.loss ?? 9) < (lines[0]?.loss ?? 0));
      const norms = lines.map(({ gr_grad_norm, grad_norm }) => gr_grad_norm === grad_norm);
      if (gr === 'none') t.true(lines.every(({ gr_grad_norm }) => gr_grad_norm === null));
      // Warmup is 4 steps; at its first step every ramp is at 0, and with zero-warmup at all four.
      else
        t.deepEqual(
          norms,
          lines.map((_, step) => step < (gr === 'fd' ? 1 : 4)),
        );

      const first = await train(`${gr}-part`, '--gr', gr, ...flags, '--max-steps', '6');
      t.is(first.code, 0, first.stderr);
      const second = await command('train', '--resume', out(`${gr}-part`), '--max-steps', '0');
      t.is(second.code, 0, second.stderr);
      t.deepEqual(weights(`${gr}-part`).subarray(500), weights(`${gr}-whole`).subarray(500));
      t.deepEqual(
        decodeSafetensors(weights(`${gr}-part`), '').tensors,
        decodeSafetensors(weights(`${gr}-whole`), '').tensors,
      );
      t.deepEqual(
        decodeSafetensors(moments(`${gr}-part`), '').tensors,
        decodeSafetensors(moments(`${gr}-whole`), '').tensors,
      );
      const isTrain = ({ split }: { split: string }) => split === 'train';
      t.deepEqual(log(`${gr}-part`).filter(isTrain), log(`${gr}-whole`).filter(isTrain));
    },
  );
}

test.serial(
  'each memory level trains to the same losses; it is named, and has only its graphs written',
  async (t) => {
    const losses: number[][] = [];
    for (const memory of ['fast', 'lean', 'remat']) {
      const run = await train(`memory-${memory}`, '--gr', 'exact', '--micro-batch', '4', '--memory', memory);
      t.is(run.code, 0, run.stderr);
      t.regex(
        run.stdout,
        new RegExp(`batch 16, micro-batch 4, memory ${memory}, about \\d+\\.\\d GB at the peak`),
      );
      const folder = path.join(space.graph, memory === 'fast' ? 'batch-4' : `batch-4-${memory}`);
      t.deepEqual(readdirSync(folder).sort(), [
        'evaluate.onnx',
        'hvp.onnx',
        'loss-grad.onnx',
        'manifest.json',
      ]);
      losses.push(log(`memory-${memory}`).map(({ loss }) => loss ?? Number.NaN));
    }
    const [fast = [], ...others] = losses;
    t.is(fast.length, 20);
    for (const each of others)
      for (const [i, loss] of each.entries()) t.true(Math.abs(loss - (fast[i] ?? 0)) < 1e-3);

    const first = await train(
      'memory-part',
      '--gr',
      'exact',
      '--memory',
      'remat',
      '--micro-batch',
      '4',
      '--max-steps',
      '6',
    );
    t.is(first.code, 0, first.stderr);
    t.is((await command('train', '--resume', out('memory-part'), '--max-steps', '0')).code, 0);
    t.deepEqual(weights('memory-part'), weights('memory-remat'));
  },
);

test.serial(
  'diagnostics come at their cadence, change nothing of the run, and are the same after a kill and resumption',
  async (t) => {
    const flags = ['--gr', 'exact', '--gr-warmup', 'zero', '--checkpoint-every', '3'];
    const watch = ['--diagnostics-every', '2', '--hessian-every', '4'];
    const diagnostics = (name: string) =>
      readDiagnostics(path.join(out(name), 'diagnostics.jsonl')).map(({ seconds: _, ...line }) => line);
    for (const [name, more] of Object.entries({ unwatched: [], watched: watch })) {
      const run = await train(name, ...flags, ...more);
      t.is(run.code, 0, run.stderr);
    }
    t.deepEqual(log('watched'), log('unwatched'));
    t.deepEqual(
      decodeSafetensors(weights('watched'), '').tensors,
      decodeSafetensors(weights('unwatched'), '').tensors,
    );
    t.false(existsSync(path.join(out('unwatched'), 'diagnostics.jsonl')));
    const steps = (kind: string) =>
      diagnostics('watched').flatMap((line) => (line.kind === kind ? [line.step] : []));
    t.deepEqual(steps('step'), [2, 4, 6, 8, 10, 12, 14, 16]);
    t.deepEqual(steps('hessian'), [4, 8, 12, 16]);

    const first = await train('watched-part', ...flags, ...watch, '--max-steps', '7');
    t.is(first.code, 0, first.stderr);
    // A crash after step 9, of which a line is whole, and one cut.
    const file = path.join(out('watched-part'), 'diagnostics.jsonl');
    const [line = ''] = readFileSync(file, 'utf8').split('\n');
    appendFileSync(file, `${line.replace('"step":2', '"step":8')}\n{"kind":"st`);
    const second = await command('train', '--resume', out('watched-part'), '--max-steps', '0');
    t.is(second.code, 0, second.stderr);
    t.deepEqual(diagnostics('watched-part'), diagnostics('watched'));
    t.true(readFileSync(path.join(out('watched-part'), 'report.html'), 'utf8').includes('Hessian trace'));
  },
);

test.serial('Ctrl-C saves and leaves; what is saved can be resumed', async (t) => {
  const { child, done } = start('train', [...space.flags, '--out', out('stopped'), '--epochs', '4000']);
  if (child.stdout) await once(child.stdout, 'data');
  while (!existsSync(path.join(out('stopped'), 'metrics.jsonl'))) await sleep(20);
  await sleep(300);
  child.kill('SIGINT');
  const { code, stdout } = await done;
  t.is(code, 130);
  const step = Number(/saved at step (\d+)/.exec(stdout)?.[1]);
  t.true(step > 0, stdout);
  const resumed = await command('train', '--resume', out('stopped'), '--max-steps', String(step + 2));
  t.is(resumed.code, 0, resumed.stderr);
  t.is(log('stopped').filter(({ split }) => split === 'train').length, step + 2);
});

test.serial('a finished run evaluates, exports and reports', async (t) => {
  const run = await train('finished');
  t.is(run.code, 0, run.stderr);
  const evaluated = await command('evaluate', '--checkpoint', path.join(out('finished'), 'best'));
  t.regex(
    evaluated.stdout,
    /^20 test images: loss \d+\.\d{4}, accuracy \d+\.\d\d%, top-5 \d+\.\d\d%\n\nclass +images +accuracy +most often taken for\n(.+\n){10}\nconfusion matrix: .*\n(.+\n){11}$/,
  );
  t.is((await command('evaluate', path.join(out('finished'), 'best'))).stdout, evaluated.stdout);
  const file = out('model.onnx');
  const exported = await command('export', '--checkpoint', path.join(out('finished'), 'best'), '--out', file);
  t.is(exported.code, 0, exported.stderr);
  const session = await createSession(file, { device: 'cpu', threads: 1 });
  t.deepEqual(session.inputs, ['images']);
  const image = Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i));
  const one = await session.run({ images: { dtype: 'float32', shape: [1, 3, 32, 32], data: image } });
  const three = await session.run({
    images: { dtype: 'float32', shape: [3, 3, 32, 32], data: Float32Array.of(...image, ...image, ...image) },
  });
  t.deepEqual(three.logits?.shape, [3, 10]);
  const [a, b] = [one.logits?.data ?? [], three.logits?.data ?? []];
  for (let i = 0; i < 10; i++) t.true(Math.abs(Number(a[i]) - Number(b[20 + i])) < 1e-5);
  const page = readFileSync(path.join(out('finished'), 'report.html'), 'utf8');
  t.true(page.includes('<svg') && page.includes('data:image/png;base64,'));
  t.true(page.includes('<h2>Classes</h2>') && page.includes('final test accuracy'));
  t.true(statSync(path.join(out('finished'), 'tensorboard')).isDirectory());
  t.is((await command('report', out('finished'))).code, 0);
});

test.serial('resuming a finished run says so and changes nothing', async (t) => {
  const run = await train('over', '--gr', 'none');
  t.is(run.code, 0, run.stderr);
  const files = () =>
    readdirSync(out('over'), { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(out('over'), name))
      .filter((file) => statSync(file).isFile())
      .map((file) => [file, statSync(file).mtimeMs, readFileSync(file, 'base64')]);
  const before = files();
  const resumed = await command('train', '--resume', out('over'));
  t.is(resumed.code, 0, resumed.stderr);
  t.regex(resumed.stdout, /^nothing is left to do: all 16 steps of the run are taken; best test accuracy /m);
  t.deepEqual(files(), before);
  const ended = await command('train', '--resume', out('over'), '--max-steps', '3');
  t.regex(ended.stdout, /^nothing is left to do: all 16 steps/m);
  t.deepEqual(files(), before);
});

test.serial('a run that was killed before its first checkpoint begins again on --resume', async (t) => {
  const whole = await train('never-killed', '--gr', 'none');
  t.is(whole.code, 0, whole.stderr);
  // What a kill in the first epoch leaves.
  mkdirSync(path.join(out('killed-early'), 'checkpoints', '.tmp-x'), { recursive: true });
  mkdirSync(path.join(out('killed-early'), 'tensorboard'));
  writeFileSync(path.join(out('killed-early'), 'tensorboard', 'events.out.tfevents.1.1'), '');
  for (const name of ['config.json', 'metrics.jsonl']) {
    const content = readFileSync(path.join(out('never-killed'), name), 'utf8');
    writeFileSync(
      path.join(out('killed-early'), name),
      name === 'config.json' ? content : content.slice(0, 700),
    );
  }
  const resumed = await command('train', '--resume', out('killed-early'));
  t.is(resumed.code, 0, resumed.stderr);
  t.regex(resumed.stdout, /killed-early: the run ended before its first checkpoint; it begins again/);
  t.deepEqual(
    decodeSafetensors(weights('killed-early'), '').tensors,
    decodeSafetensors(weights('never-killed'), '').tensors,
  );
  t.deepEqual(log('killed-early'), log('never-killed'));
  t.is(readdirSync(path.join(out('killed-early'), 'tensorboard')).length, 1);
});

test.serial('the data and the run folder are looked at before graphs are written', async (t) => {
  const fresh = workspace();
  t.teardown(() => rmSync(fresh.folder, { recursive: true }));
  const empty = path.join(fresh.folder, 'empty');
  mkdirSync(empty);
  const file = path.join(fresh.data, 'test_batch.bin');
  const attempt = (...flags: string[]) => command('train', '--graph', fresh.graph, ...flags);
  const refused: [flags: string[], error: RegExp][] = [
    [
      ['--data', '/nope'],
      /^error: --data \/nope: no such folder; expected the folder with the files of cifar10\n$/,
    ],
    [['--data', file], /^error: --data \S+: it is a file; expected the folder with the files of cifar10\n$/],
    [['--data', empty], /^error: cifar10: no training images in /],
    [['--data', fresh.data, '--out', fresh.data], /^error: \S+: the folder is not empty;/],
  ];
  for (const [flags, error] of refused) {
    const { code, stderr } = await attempt(...flags);
    t.is(code, 1);
    t.regex(stderr, error);
    t.deepEqual(readdirSync(fresh.graph), ['spec.json']);
  }
});

test.serial('a loss that is not finite stops with the step, the batch and what to try', async (t) => {
  const { code, stderr } = await train(
    'diverged',
    '--gr',
    'none',
    '--lr',
    '1e30',
    '--clip',
    '0',
    '--optimizer',
    'sgd',
  );
  t.is(code, 1);
  t.regex(
    stderr,
    /^error: step \d+: (loss|gradient norm) \S+ is not finite, on batch \d of epoch \d; the last checkpoint is untouched\. Try a lower --learning-rate, or more --warmup-epochs, or --clip 1\n$/,
  );
});

const wild = [...space.flags, '--gr', 'none', '--lr', '1e300'];

test.serial(
  'a model that its last step broke is neither last nor best, and the run has diverged',
  async (t) => {
    const flags = ['--out', out('broken'), '--warmup-epochs', '0', '--max-steps', '1'];
    const { code, stderr } = await command('train', ...wild, ...flags);
    t.is(code, 1);
    t.regex(
      stderr,
      /^error: step 1: test loss NaN is not finite; the last checkpoint is untouched\. Try .*\n$/,
    );
    for (const name of ['last', 'best', 'report.html'])
      t.false(existsSync(path.join(out('broken'), name)), name);
    t.deepEqual(
      log('broken').map(({ split }) => split),
      ['train'],
    );
  },
);

test.serial(
  'a step whose update is not finite does not replace the one checkpoint that is kept',
  async (t) => {
    // At its first step warmup leaves the learning rate at 0.
    const flags = ['--out', out('kept'), '--warmup-epochs', '1', '--checkpoint-every', '1', '--keep', '1'];
    const { code, stderr } = await command('train', ...wild, ...flags);
    t.is(code, 1);
    t.regex(
      stderr,
      /^error: step 2: parameter \S+ is not finite; the last checkpoint is untouched\. Try .*\n$/,
    );
    t.deepEqual(readdirSync(path.join(out('kept'), 'checkpoints')), ['step-000001']);
    const evaluated = await command('evaluate', '--checkpoint', out('kept'));
    // The head begins with zeros: all logits are equal, and the first class is named, which is right for a tenth.
    t.regex(evaluated.stdout, /loss 2\.3026, accuracy 10\.00%, top-5 50\.00%/);
  },
);

test.serial(
  'with validation images they choose the best, and the test images are measured at the end',
  async (t) => {
    // The learning rate is 0 at first and far too high in the end, so that the best is not the last.
    const flags = [
      '--gr',
      'none',
      '--validation',
      '0.25',
      '--lr',
      '3',
      '--optimizer',
      'adam',
      '--schedule',
      'constant',
    ];
    const begin = (name: string, ...more: string[]) =>
      command(
        'train',
        ...space.flags,
        '--out',
        out(name),
        '--epochs',
        '4',
        '--warmup-epochs',
        '4',
        ...flags,
        ...more,
      );
    const whole = await begin('validated');
    t.is(whole.code, 0, whole.stderr);
    t.regex(whole.stdout, /; 16 training examples held out for validation, 48 left\n/);
    const steps = (split: string) =>
      log('validated').flatMap((line) => (line.split === split ? [line.step] : []));
    t.is(steps('train').length, 12);
    t.deepEqual(steps('validation'), [3, 6, 9, 12]);
    t.deepEqual([steps('test'), steps('test_best')], [[12], [12]]);

    const { best } = await loadModel(out('validated'));
    const chosen = log('validated').find(({ split, step }) => split === 'validation' && step === best?.step);
    t.like(best, {
      ...{ split: 'validation', metric: 'top1', better: 'higher' },
      ...{ value: chosen?.metrics.top1, loss: chosen?.loss },
    });
    t.true(best !== null && best.step < 12);
    t.is(best?.step, (await loadModel(path.join(out('validated'), 'best'))).step);
    for (const [checkpoint, split] of [
      ['last', 'test'],
      ['best', 'test_best'],
    ] as const) {
      const { stdout } = await command('evaluate', '--checkpoint', path.join(out('validated'), checkpoint));
      const line = log('validated').find((each) => each.split === split);
      t.true(
        stdout.includes(
          `loss ${line?.loss?.toFixed(4)}, accuracy ${(100 * (line?.metrics.top1 ?? 0)).toFixed(2)}%`,
        ),
        stdout,
      );
    }
    t.regex(
      whole.stdout,
      /; best validation accuracy \S+% at step \d+, test accuracy of that checkpoint \S+%\n/,
    );
    t.regex(readFileSync(path.join(out('validated'), 'report.html'), 'utf8'), /best validation accuracy/);

    t.is((await begin('validated-part', '--max-steps', '5')).code, 0);
    const resumed = await command('train', '--resume', out('validated-part'), '--max-steps', '0');
    t.is(resumed.code, 0, resumed.stderr);
    t.deepEqual(weights('validated-part').subarray(500), weights('validated').subarray(500));
    t.deepEqual(
      log('validated-part').filter(({ split, step }) => step > 5 || split === 'train'),
      log('validated').filter(({ split, step }) => step > 5 || split === 'train'),
    );
  },
);

const mistakes: Record<string, { flags: string[]; prepare?: () => void; error: RegExp }> = {
  'an unknown flag': {
    flags: ['--epoch', '3'],
    error: /^--epoch: unknown flag; did you mean --epochs\?$/,
  },
  'a value that is no number': {
    flags: ['--epochs', 'three'],
    error: /^--epochs: expected an integer ≥ 1, got "three"$/,
  },
  'a graph that is not there': {
    flags: ['--graph', 'vit-micro-mnits'],
    error:
      /^--graph vit-micro-mnits: no such graph\. Did you mean vit-micro-mnist\? Expected a folder with a spec\.json or one of .*$/,
  },
  'a folder that is not there': {
    flags: ['--data', '/no/such/folder'],
    error: /^.*\/no\/such\/folder.*$/,
  },
  'r-warmup of exact regularization': {
    flags: ['--gr', 'exact', '--gr-warmup', 'r'],
    error: /^--gr-warmup.* r\b.*$/,
  },
  'validation images that leave none to train on': {
    flags: ['--validation-images', '64'],
    error: /^--validation-images 64: holds out 64 of 64 training examples, expected 1 to 54, .*$/,
  },
  'two ways to hold out images': {
    flags: ['--validation-images', '8', '--validation', '0.1'],
    error: /^--validation-images: --validation holds out a share .*$/,
  },
  'a device that is not there': {
    flags: ['--device', 'cuda'],
    error: /^device cuda: .*=cuda12 npm rebuild onnxruntime-node .*$/,
  },
  'a folder with another run in it': {
    flags: ['--out', path.join(process.cwd(), 'src')],
    error: /^.*src: the folder is not empty.*$/,
  },
  'a spec with a wrong field': {
    flags: ['--graph', out('wrong-spec')],
    prepare: () => {
      const folder = out('wrong-spec');
      rmSync(folder, { recursive: true, force: true });
      const spec = JSON.parse(readFileSync(path.join(space.graph, 'spec.json'), 'utf8'));
      writeSpec(folder, { ...spec, microbatch: 3 });
    },
    error: /^.*wrong-spec\/spec\.json: microbatch: unknown field; did you mean microBatch\?.*$/,
  },
  'a patch that does not divide the image': {
    flags: ['--graph', out('wrong-patch')],
    prepare: () => {
      const spec = JSON.parse(readFileSync(path.join(space.graph, 'spec.json'), 'utf8'));
      writeSpec(out('wrong-patch'), { ...spec, model: { ...spec.model, patch: 5 } });
    },
    error: /^.*wrong-patch\/spec\.json: vit: expected an image size that patch 5 divides, got \[32, 32\]$/,
  },
  'a model that no memory holds': {
    flags: ['--graph', out('large')],
    prepare: () => {
      const spec = JSON.parse(readFileSync(path.join(space.graph, 'spec.json'), 'utf8'));
      const model = { ...spec.model, patch: 1, width: 1024, heads: 1024, layers: 32 };
      writeSpec(out('large'), { ...spec, model });
    },
    error:
      /^memory: the run takes about \d+\.\d GB even with --micro-batch 1 --memory remat, but may take only \d+\.\d GB of the \d+\.\d GB that are free; .*$/,
  },
};

function writeSpec(folder: string, spec: unknown): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'spec.json'), JSON.stringify(spec));
}

for (const [name, { flags, prepare, error }] of Object.entries(mistakes)) {
  test.serial(`one line says what is wrong: ${name}`, async (t) => {
    prepare?.();
    const given = new Set(flags);
    const usual = [...space.flags, '--out', out('mistake')].flatMap((flag, i, all) =>
      i % 2 === 0 && !given.has(flag) ? [flag, all[i + 1] ?? ''] : [],
    );
    t.regex(await refusal(t, trainHere, ...usual, ...flags), error);
    t.false(existsSync(out('mistake')), 'nothing is left behind');
  });
}

test.serial('a flag that npm took is explained, and the exit code is 1', async (t) => {
  const { code, stderr } = await program('train', '3');
  t.is(code, 1);
  t.is(
    stderr,
    'error: unexpected argument "3": flags begin with --, and npm passes them on only after a separate --, as in: npm run train -- --epochs 3\n',
  );
});

test.serial('one line says what is wrong with a cut data file and with a broken checkpoint', async (t) => {
  const run = await train('to-break', '--gr', 'none');
  t.is(run.code, 0, run.stderr);
  truncateSync(path.join(out('to-break'), 'last', 'model.safetensors'), 1000);
  const resumed = await command('train', '--resume', out('to-break'));
  t.is(resumed.code, 1);
  t.regex(
    resumed.stderr,
    /^error: .*model\.safetensors: expected \d+ bytes, got 1000: it is truncated; .*\n$/,
  );

  const cut = workspace();
  truncateSync(path.join(cut.data, 'data_batch_1.bin'), 64 * 3073 - 10);
  const { code, stderr } = await command('train', ...cut.flags, '--out', path.join(cut.folder, 'run'));
  t.is(code, 1);
  t.regex(stderr, /^error: .*data_batch_1\.bin.*\n$/);
  rmSync(cut.folder, { recursive: true, force: true });
});
