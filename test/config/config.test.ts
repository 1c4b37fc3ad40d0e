import test from 'ava';
import fc from 'fast-check';
import {
  configFor,
  configText,
  holdOutOf,
  hyperparametersOf,
  OPTIONS,
  parseConfig,
  resumedConfig,
  runName,
} from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import { VERSION } from '../../src/version.ts';

test('without options: a micro ViT on MNIST with exact regularization and zero-warmup', (t) => {
  const config = configFor({});
  t.like(config, {
    graph: 'vit-micro-mnist',
    data: undefined,
    device: 'cpu',
    optimizer: 'adamw',
    gr: 'exact',
    grWarmup: 'zero',
    lambda: 0.01,
    r: undefined,
    alpha: undefined,
  });
  t.deepEqual(parseConfig({}, 'a.json'), config);
});

test('flags override the file, which overrides the defaults', (t) => {
  const file = { values: { epochs: 5, seed: 3 }, origin: '--config a.json' };
  t.like(configFor({ epochs: 7 }, file), { epochs: 7, seed: 3, batchSize: configFor({}).batchSize });
});

test('what depends on the method of regularization follows it', (t) => {
  t.like(configFor({ gr: 'none' }), { grWarmup: 'none', lambda: undefined, r: undefined, alpha: undefined });
  t.like(configFor({ gr: 'fd' }), { grWarmup: 'zero', lambda: undefined, r: 0.1, alpha: 0.5 });
  t.like(configFor({ gr: 'fd', lambda: 0.2, r: 0.4 }), { lambda: 0.2, r: 0.4, alpha: undefined });
  t.like(configFor({ gr: 'sam' }), { lambda: undefined, r: 0.1, alpha: undefined });
  t.like(configFor({ gr: 'asam' }), { grWarmup: 'zero', lambda: undefined, r: 0.5, alpha: undefined });
  t.like(configFor({ gr: 'gsam' }), { lambda: undefined, r: 0.1, alpha: 0.4 });
  t.like(configFor({ gr: 'gsam', r: 0.3 }), { r: 0.3, alpha: 0.4 });
  t.like(configFor({ gr: 'looksam', alpha: 0.5 }), { r: 0.1, alpha: 0.5, looksamEvery: 5 });
  t.is(configFor({ gr: 'sam' }).looksamEvery, undefined);
  t.like(configFor({ warmupEpochs: 0 }), { grWarmup: 'none', lambda: 0.01 });
});

test('weight decay is 0 but for AdamW, unless it is given', (t) => {
  const decay = (given: object) => configFor({ ...given }).weightDecay;
  t.is(decay({}), 0.05);
  for (const optimizer of ['adam', 'sgd', 'rmsprop']) {
    t.is(decay({ optimizer }), 0, optimizer);
    t.is(decay({ optimizer, weightDecay: 0.05 }), 0.05, optimizer);
    const { weightDecay: _, ...old } = configFor({ optimizer });
    t.is(
      resumedConfig({ ...old, weightDecay: 0.05 }, 'a', {}).weightDecay,
      0.05,
      'a run of before goes on as it was',
    );
  }
});

test('which images are held out follows the options and the seed', (t) => {
  t.is(holdOutOf(configFor({})), undefined);
  t.deepEqual(holdOutOf(configFor({ validation: 0.1, seed: 3 })), { fraction: 0.1, seed: 3 });
  t.deepEqual(holdOutOf(configFor({ validationImages: 500 })), { examples: 500, seed: 0 });
  t.throws(() => configFor({ validation: 0.1, validationImages: 500 }), {
    instanceOf: UserError,
    message:
      '--validation-images: --validation holds out a share of the examples already; give one of the two',
  });
});

test('a config survives being written as JSON and read', (t) => {
  const options = fc.record(
    {
      gr: fc.constantFrom('none', 'exact', 'fd', 'sam', 'asam', 'gsam', 'looksam'),
      optimizer: fc.constantFrom('adamw', 'adam', 'sgd', 'rmsprop'),
      schedule: fc.constantFrom('cosine', 'constant', 'step', 'exponential'),
      warmupEpochs: fc.constantFrom(0, 0.5, 1),
      seed: fc.nat(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(options, (given) => {
      const config = parseConfig(given, 'a.json');
      t.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)), 'checkpoint.json'), config);
    }),
  );
});

const REFUSED: [given: unknown, message: string][] = [
  [[], 'a.json: expected a JSON object of options, got []'],
  [null, 'a.json: expected a JSON object of options, got null'],
  [{ learnigRate: 1 }, 'a.json: learnigRate: unknown option; did you mean learningRate?'],
  [{ zzzzzzzzzzzzzzz: 1 }, 'a.json: zzzzzzzzzzzzzzz: unknown option'],
  [JSON.parse('{"__proto__": 1}'), 'a.json: __proto__: unknown option'],
  [{ epochs: '2' }, 'a.json: epochs: expected an integer ≥ 1, got "2"'],
  [{ epochs: 1.5 }, 'a.json: epochs: expected an integer ≥ 1, got 1.5'],
  [{ epochs: null }, 'a.json: epochs: expected an integer ≥ 1, got null'],
  [{ trainFraction: 0 }, 'a.json: trainFraction: expected a number > 0 and ≤ 1, got 0'],
  [{ labelSmoothing: 1 }, 'a.json: labelSmoothing: expected a number ≥ 0 and < 1, got 1'],
  [{ learningRate: Number.NaN }, 'a.json: learningRate: expected a number > 0, got NaN'],
  [{ seed: 2 ** 32 }, 'a.json: seed: expected an integer ≥ 0 and ≤ 4294967295, got 4294967296'],
  [{ graph: '' }, 'a.json: graph: expected text (NAME), got ""'],
  [{ nesterov: 'yes' }, 'a.json: nesterov: expected true or false, got "yes"'],
  [{ device: 'gpu' }, 'a.json: device: expected one of cpu, cuda, webgpu, got "gpu"'],
  [{ memory: 'less' }, 'a.json: memory: expected one of fast, lean, remat, got "less"'],
  [
    { batchSize: 128, microBatch: 48 },
    'a.json: microBatch: 48 does not divide --batch-size 128; take 32, or 0 to have it chosen',
  ],
  [
    { batchSize: 16, microBatch: 32 },
    'a.json: microBatch: 32 does not divide --batch-size 16; take 16, or 0 to have it chosen',
  ],
  [{ gr: 'fd', perturbationGroups: 3 }, 'a.json: perturbationGroups: 3 does not divide --batch-size 64'],
  [
    { gr: 'fd', perturbationGroups: 4, microBatch: 32 },
    'a.json: microBatch: 32 does not divide the 16 examples of each of the 4 groups of --perturbation-groups',
  ],
  [{ epochs: 1, warmupEpochs: 2 }, 'a.json: warmupEpochs: 2 is longer than the run of --epochs 1'],
  [
    { optimizer: 'sgd', beta1: 0.5 },
    'a.json: beta1: has an effect only with --optimizer adamw, adam, radam, adabelief or lion, but --optimizer is sgd',
  ],
  [
    { gamma: 0.5 },
    'a.json: gamma: has an effect only with --schedule step or exponential, but --schedule is cosine',
  ],
  [{ r: 0.1 }, 'a.json: r: has an effect only with --gr fd, sam, asam, gsam or looksam, but --gr is exact'],
  [{ looksamEvery: 3 }, 'a.json: looksamEvery: has an effect only with --gr looksam, but --gr is exact'],
  [
    { gr: 'none', grWarmup: 'zero' },
    'a.json: grWarmup: has an effect only with --gr exact, fd, sam, asam, gsam or looksam, but --gr is none',
  ],
  [
    { optimizer: 'sgd', nesterov: true, momentum: 0 },
    'a.json: nesterov: needs a momentum, but --momentum is 0',
  ],
];

for (const [given, message] of REFUSED) {
  test(`refused: ${message}`, (t) => {
    t.is(t.throws(() => parseConfig(given, 'a.json'), { instanceOf: UserError }).message, message);
  });
}

test('regularization that cannot be is refused before anything is opened', (t) => {
  const refused = (given: object, message: RegExp) =>
    t.throws(() => configFor({ ...given }), { instanceOf: UserError, message });
  refused({ grWarmup: 'r' }, /^--gr-warmup r: .* no r to ramp/);
  refused({ grWarmup: 'zero', warmupEpochs: 0 }, /^--gr-warmup zero: there is no warmup/);
  refused({ gr: 'sam', alpha: 0.5 }, /^--alpha 0\.5: /);
  refused({ gr: 'fd', r: 0.1 }, /^--gr fd: expected two of --lambda, --r and --alpha/);
});

test('an error names the flag where a flag is wrong, the file where the file is', (t) => {
  const file = { values: { microBatch: 48 }, origin: '--config a.json' };
  const refused = (flags: object, message: RegExp) =>
    t.throws(() => configFor({ ...flags }, file), { instanceOf: UserError, message });
  refused({}, /^--config a\.json: microBatch: 48 does not divide/);
  refused({ microBatch: 50 }, /^--micro-batch: 50 does not divide/);
  refused({ epochs: 0 }, /^--epochs: expected an integer ≥ 1, got 0$/);
});

test('a resumed run can change where it runs, not what it computes', (t) => {
  const saved: unknown = JSON.parse(JSON.stringify(configFor({ epochs: 3 })));
  const resumed = resumedConfig(saved, 'runs/a', { device: 'cuda', maxSteps: 10, keep: 5, epochs: 3 });
  t.deepEqual(resumed, { ...configFor({ epochs: 3 }), device: 'cuda', maxSteps: 10, keep: 5 });
  const changed = (flags: object) =>
    t.throws(() => resumedConfig(saved, 'runs/a', { ...flags }), { instanceOf: UserError }).message;
  const only =
    'with --resume only --device, --threads, --max-steps, --on-broken, --checkpoint-every, --keep, --diagnostics-every, --hessian-every and --epochs can change';
  t.regex(changed({ epochs: 4 }), /^--epochs: the cosine schedule spans the 3 epochs /);
  t.regex(changed({ epochs: 2 }), /^--epochs: 2 is fewer than the 3 epochs /);
  const constant: unknown = JSON.parse(JSON.stringify(configFor({ epochs: 3, schedule: 'constant' })));
  t.is(resumedConfig(constant, 'runs/a', { epochs: 4 }).epochs, 4);
  t.is(
    changed({ model: './my-model.js' }),
    `--model: the run was begun without it, and --resume cannot change that; ${only}`,
  );
  t.is(
    changed({ data: 'x' }),
    `--data: the run was begun without it, and --resume cannot change that; ${only}`,
  );
});

test('a run from before memory levels resumes as it was, and no run resumes with another level', (t) => {
  const { memory: _, ...old } = configFor({});
  t.is(resumedConfig(JSON.parse(JSON.stringify(old)), 'runs/a', {}).memory, undefined);
  const saved: unknown = JSON.parse(JSON.stringify(configFor({ memory: 'lean' })));
  t.is(resumedConfig(saved, 'runs/a', { memory: 'lean' }).memory, 'lean');
  t.regex(
    t.throws(() => resumedConfig(saved, 'runs/a', { memory: 'fast' }), { instanceOf: UserError }).message,
    /^--memory: the run was begun with "lean", and --resume cannot change that; /,
  );
});

test('every option that depends on another names one that exists, with values that it takes', (t) => {
  const table = new Map<string, { info: { expected: string; only?: readonly [string, readonly string[]] } }>(
    Object.entries(OPTIONS),
  );
  for (const [key, { info }] of table) {
    const [other, values] = info.only ?? [key, []];
    const expected = table.get(other)?.info.expected ?? '';
    for (const value of values) t.regex(expected, new RegExp(`\\b${value}\\b`), key);
  }
});

test('a run is named by its graph, its regularization and the time', (t) => {
  const now = new Date(2024, 0, 31, 23, 5, 9);
  t.is(runName(configFor({}), now), 'vit-micro-mnist-exact-20240131-230509');
  t.is(runName(configFor({ graph: '../my graphs/tiny/', gr: 'none' }), now), 'tiny-plain-20240131-230509');
  t.is(runName(configFor({ graph: '..' }), now), 'graph-exact-20240131-230509');
});

test('a config file says which version wrote it, and is read with it and without', (t) => {
  const config = configFor({ epochs: 4 });
  const written: unknown = JSON.parse(configText(config));
  t.like(written, { version: VERSION, epochs: 4 });
  t.deepEqual(parseConfig(written, 'config.json'), config);
  t.deepEqual(configFor({}, { values: written, origin: '--config config.json' }), config);
  t.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)), 'config.json'), config);
});

test('hyperparameters are the options with an effect on what is computed', (t) => {
  const keys = Object.keys(hyperparametersOf(configFor({ optimizer: 'sgd', gr: 'none', out: 'runs/a' })));
  t.true(['graph', 'seed', 'momentum', 'nesterov', 'learningRate'].every((key) => keys.includes(key)));
  const idle = ['out', 'threads', 'keep', 'samples', 'beta1', 'decay', 'lambda', 'grWarmup', 'gamma'];
  t.deepEqual(
    idle.filter((key) => keys.includes(key)),
    [],
  );
});
