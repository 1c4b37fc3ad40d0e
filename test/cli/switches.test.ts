/** The switches of the authors' recipe, from the command to the weights: each changes what it says, and nothing else. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { train } from '../../src/cli/train.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { ownModule, ownProject, refusal, said, WAVES } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const MODEL = ['--model', './my-model.mjs', '--dataset', './waves.mjs'];
const own = (out: string, ...more: string[]) =>
  said(train, ...MODEL, '--batch-size', '16', '--threads', '1', '--out', out, ...more);

const modelOf = (run: string): Readonly<Record<string, Float32Array>> => {
  const file = `${run}/last/model.safetensors`;
  return Object.fromEntries(
    decodeSafetensors(readFileSync(file), file).tensors.map(({ name, data }) => [
      name,
      Float32Array.from(data, Number),
    ]),
  );
};

const flatOf = (run: string): number[] => Object.values(modelOf(run)).flatMap((values) => [...values]);
const moved = (from: readonly number[] = [], to: readonly number[] = []): number[] =>
  to.map((x, i) => x - (from[i] ?? Number.NaN));

const RATE = 0.01;
const DECAY = 0.1;
/** One step of plain gradient descent from the weights of `begun`. */
const stepOf = (decay: number): string[] => [
  ...['--optimizer', 'sgd', '--momentum', '0', '--schedule', 'constant', '--warmup-epochs', '0'],
  ...['--max-steps', '1', '--init-from', 'begun/last/model.safetensors'],
  ...['--lr', String(RATE), '--weight-decay', String(decay)],
];
const STEP = stepOf(DECAY);

test.before(async () => {
  project.write('my-model.mjs', ownModule());
  project.write('waves.mjs', WAVES);
  await own('begun', '--epochs', '2', '--lr', '0.01');
});

test.serial('--decay-all: biases decay as kernels do, and nothing else changes', async (t) => {
  const flags = [...STEP, '--clip', '0', '--gr', 'none'];
  await own('kernels', ...flags);
  await own('all', ...flags, '--decay-all');
  const [begun, kernels, all] = [modelOf('begun'), modelOf('kernels'), modelOf('all')];
  for (const [path, values] of Object.entries(all)) {
    if (path.endsWith('kernel')) {
      t.deepEqual(values, kernels[path], path);
      continue;
    }
    t.true(Math.hypot(...(begun[path] ?? [])) > 0);
    values.forEach((value, i) => {
      const lost = (kernels[path]?.[i] ?? Number.NaN) - value;
      const wanted = RATE * DECAY * (begun[path]?.[i] ?? Number.NaN);
      t.true(Math.abs(lost - wanted) < 1e-7, `${path} ${i}: ${lost}, not ${wanted}`);
    });
  }
  t.is(
    await refusal(t, train, '--model', './my-model.mjs', '--decay-all', '--weight-decay', '0'),
    '--decay-all: needs a weight decay, but --weight-decay is 0',
  );
});

test.serial('--mix normalized: the first gradient is a direction, unless alpha leaves it out', async (t) => {
  const fd = [...STEP, '--gr', 'fd', '--gr-warmup', 'none', '--clip', '0', '--r', '0.1', '--alpha'];
  for (const alpha of ['1', '0.5']) {
    await own(`plain-${alpha}`, ...fd, alpha);
    await own(`normalized-${alpha}`, ...fd, alpha, '--mix', 'normalized');
  }
  t.deepEqual(modelOf('normalized-1'), modelOf('plain-1'));
  await own('gradient', ...stepOf(0), '--gr', 'none', '--clip', '0');
  const [begun, there, plain, normalized] = ['begun', 'gradient', 'plain-0.5', 'normalized-0.5'].map(flatOf);
  const g = moved(begun, there).map((x) => -x / RATE);
  const share = 0.5 * (1 / Math.hypot(...g) - 1);
  moved(plain, normalized).forEach((x, i) => {
    const wanted = -RATE * share * (g[i] ?? Number.NaN);
    t.true(Math.abs(x - wanted) < 1e-6, `${i}: ${x}, not ${wanted}`);
  });
  t.is(
    await refusal(t, train, '--model', './my-model.mjs', '--gr', 'sam', '--mix', 'normalized'),
    '--mix: has an effect only with --gr fd, but --gr is sam',
  );
});

test.serial('--weight-decay-in loss: the same without clipping and GR, another step with them', async (t) => {
  const apart = (a: string, b: string) => Math.max(...moved(flatOf(a), flatOf(b)).map(Math.abs));
  const inLoss = ['--weight-decay-in', 'loss'];
  const plain = [...STEP, '--gr', 'none', '--clip', '0'];
  await own('update', ...plain);
  await own('loss', ...plain, ...inLoss);
  t.true(apart('update', 'loss') < 1e-7);
  const clipped = [...STEP, '--gr', 'none', '--clip', '0.01'];
  await own('update-clipped', ...clipped);
  await own('loss-clipped', ...clipped, ...inLoss);
  t.true(Math.abs(Math.hypot(...moved(flatOf('begun'), flatOf('loss-clipped'))) - 0.01 * RATE) < 1e-7);
  t.true(apart('update-clipped', 'loss-clipped') > 1e-4);

  // By two graphs, since the one of exact regularization as a whole has no decay in its loss.
  const exact = [
    ...STEP,
    ...inLoss,
    '--gr',
    'exact',
    '--lambda',
    '0.1',
    '--gr-warmup',
    'none',
    '--clip',
    '0',
  ];
  await own('loss-exact', ...exact);
  await own('loss-exact-cut', ...exact, '--micro-batch', '4');
  t.true(apart('loss', 'loss-exact') > 1e-5);
  t.true(apart('loss-exact', 'loss-exact-cut') < 1e-6);
  t.is(
    await refusal(t, train, '--model', './my-model.mjs', '--optimizer', 'sgd', ...inLoss),
    '--weight-decay-in: needs a weight decay, but --weight-decay is 0',
  );
});

test.serial(
  '--gr asam, gsam and looksam train, resume, and write a report that names their strengths',
  async (t) => {
    for (const [gr, told] of [
      ['asam', { lambda: null, r: 0.5, alpha: null }],
      ['gsam', { lambda: null, r: 0.1, alpha: 0.4 }],
      ['looksam', { lambda: null, r: 0.1, alpha: 0.7 }],
    ] as const) {
      // The checkpoint of step 3 lies between two perturbations.
      const every = gr === 'looksam' ? ['--looksam-every', '2'] : [];
      const flags = ['--gr', gr, '--gr-warmup', 'none', '--epochs', '2', ...every];
      await own(gr, ...flags);
      await own(`${gr}-part`, ...flags, '--max-steps', '3');
      await said(train, '--resume', `${gr}-part`, '--max-steps', '0');
      t.deepEqual(modelOf(`${gr}-part`), modelOf(gr));
      const [line = ''] = readFileSync(`${gr}/metrics.jsonl`, 'utf8').split('\n');
      t.like(JSON.parse(line), told);
    }
  },
);

test.serial('--perturbation-groups: another step for fd, and each group fits a micro-batch', async (t) => {
  const fd = [...STEP, '--gr', 'fd', '--gr-warmup', 'none', '--clip', '0', '--r', '0.5', '--alpha', '1'];
  await own('whole', ...fd);
  await own('groups', ...fd, '--perturbation-groups', '4');
  const apart = Math.max(...moved(flatOf('whole'), flatOf('groups')).map(Math.abs));
  t.true(apart > 1e-6 && apart < 0.1, String(apart));
  t.is(JSON.parse(readFileSync('groups/config.json', 'utf8')).microBatch, 4);
  await own('groups-cut', ...fd, '--perturbation-groups', '4', '--micro-batch', '2');
  t.true(Math.max(...moved(flatOf('groups'), flatOf('groups-cut')).map(Math.abs)) < 1e-6);
});

test.serial('--recipe sets its options, which the run keeps; flags beside it win', async (t) => {
  await own('recipe', '--recipe', 'gnp-cnn', '--augment', 'none', '--epochs', '2', '--lr', '0.01');
  const config = JSON.parse(readFileSync('recipe/config.json', 'utf8'));
  t.like(config, { optimizer: 'sgd', nesterov: true, weightDecayIn: 'loss', decayAll: true, alpha: 0.8 });
  t.like(config, { epochs: 2, learningRate: 0.01, batchSize: 16, augment: 'none' });
  project.write(
    'options.json',
    JSON.stringify({ recipe: 'gnp-cnn', augment: 'none', epochs: 2, learningRate: 0.01 }),
  );
  await own('named', '--config', 'options.json');
  t.deepEqual(JSON.parse(readFileSync('named/config.json', 'utf8')), { ...config, out: 'named' });
  t.deepEqual(modelOf('named'), modelOf('recipe'));
  t.is(
    await refusal(t, train, '--resume', 'recipe', '--recipe', 'gnp-vit'),
    '--recipe: a resumed run takes its options from its checkpoint; leave --recipe out',
  );
});
