/** Steps whose state stays on the device are the trainer's: on CPU the same numbers, but for float32 in between. */
import test, { type ExecutionContext } from 'ava';
import { configFor } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import { expectDeviceOptions } from '../../src/run/plan.ts';
import { createResidentSession, createSession } from '../../src/runtime/ort.node.ts';
import { imageSpec } from '../_networks.ts';
import {
  batchOf,
  deviceTrainer,
  differences,
  noise,
  type Steps,
  start,
  stepsInTrainer,
  stepsOnDevice,
} from '../_steps.ts';

const device = { device: 'cpu', threads: 1 } as const;
const image = { channels: 1, height: 8, width: 8 };
const small = { kind: 'vit', patch: 4, width: 16, layers: 2, heads: 2 };
const specOf = (model: object) => imageSpec({ dataset: 'mnist', image, classes: 7, model, microBatch: 8 });
const steps = (options: object, model: object = small): Steps => ({
  spec: specOf(model),
  batch: 8,
  count: 6,
  options,
});

async function isTheTrainers(t: ExecutionContext, taken: Steps): Promise<void> {
  const expected = await stepsInTrainer(taken, (model) => createSession(model, device));
  const got = await stepsOnDevice(taken, (model, next) => createResidentSession(model, device, next));
  t.is(got.records.length, taken.count);
  got.records.forEach(({ sums, ...norms }, i) => {
    const { sums: counted, ...wanted } = expected.records[i] ?? {
      sums: {},
      loss: 0,
      gradNorm: 0,
      regularizedNorm: 0,
    };
    t.deepEqual(sums, counted, `step ${i + 1}`);
    for (const key of ['loss', 'gradNorm', 'regularizedNorm'] as const) {
      const [value, right] = [norms[key], wanted[key]];
      t.true(Math.abs(value - right) <= 1e-5 * right, `step ${i + 1}: ${key} ${value}, not ${right}`);
    }
  });
  const names = start(taken).manifest.variables.map(({ path }) => path);
  const still = noise(expected.arrays.mu ?? expected.arrays.nu ?? expected.arrays.momentum ?? []);
  for (const [array, wanted] of Object.entries(expected.arrays)) {
    for (const { name, error } of differences(got.arrays[array] ?? [], wanted, names, still)) {
      // Adam divides a gradient that is only rounding by its own size: those weights differ, as far as a few steps go.
      const limit = still[names.indexOf(name)] ? 5e-3 : 5e-5;
      t.true(error < limit, `${array}: ${name} ${error}`);
    }
  }
}

const RUNS: Readonly<Record<string, object>> = {
  'plain AdamW': { gr: 'none' },
  'exact regularization after a zero-warmup, labels smoothed': {
    ...{ gr: 'exact', grWarmup: 'zero', warmupEpochs: 0.3, lambda: 0.05, labelSmoothing: 0.1 },
  },
  'exact regularization with λ-warmup, Adam, no clipping': {
    ...{ gr: 'exact', grWarmup: 'lambda', warmupEpochs: 0.3, optimizer: 'adam', clip: 0 },
  },
  'finite-difference regularization, clipped hard': { gr: 'fd', clip: 0.5, beta1: 0.8, beta2: 0.99 },
  'SGD with Nesterov momentum': { gr: 'none', optimizer: 'sgd', nesterov: true, weightDecay: 0.1 },
  'RMSProp, exactly regularized': { gr: 'exact', optimizer: 'rmsprop', learningRate: 1e-3 },
  'every block a rate of its own, every parameter decays': {
    ...{ gr: 'fd', layerDecay: 0.5, decayAll: true, headLrScale: 2, weightDecay: 0.3 },
  },
  'LookSAM after a zero-warmup': {
    ...{ gr: 'looksam', looksamEvery: 2, grWarmup: 'zero', warmupEpochs: 0.2, r: 0.05 },
  },
  'SAM with r-warmup': { gr: 'sam', grWarmup: 'r', warmupEpochs: 0.3, r: 0.05, weightDecay: 0.3 },
};

for (const [name, options] of Object.entries(RUNS)) {
  test(`${name}: parameters, slots and the log are the trainer's`, (t) => isTheTrainers(t, steps(options)));
}

test('a multilayer perceptron too', (t) =>
  isTheTrainers(t, steps({ gr: 'exact' }, { kind: 'mlp', hidden: [20] })));

test('of a whole batch in slices, through the model twice, the numbers are the same', (t) =>
  isTheTrainers(t, { ...steps({ gr: 'exact', memory: 'remat' }), batch: 200, count: 2 }));

test('a run that goes on from saved arrays is the run that never stopped', async (t) => {
  const taken = steps({ gr: 'fd' });
  const whole = await stepsOnDevice(taken, (model, next) => createResidentSession(model, device, next));
  const first = await stepsOnDevice({ ...taken, count: 3 }, (model, next) =>
    createResidentSession(model, device, next),
  );
  const trainer = deviceTrainer(taken, (model, next) => createResidentSession(model, device, next));
  for (const [name, arrays] of Object.entries({ parameters: trainer.variables.theta, ...trainer.slots })) {
    arrays.forEach((array, k) => {
      array.set(first.arrays[name]?.[k] ?? []);
    });
  }
  for (let i = 3; i < 6; i++) t.deepEqual(await trainer.step(i, batchOf(taken, i)), whole.records[i]);
  await trainer.pull();
  t.deepEqual(
    trainer.variables.theta.map((view) => [...view]),
    whole.arrays.parameters?.map((view) => [...view]),
  );
  await trainer.release();
});

test('a step that diverges says so, and leaves the state as it was before it', async (t) => {
  const taken = steps({ gr: 'none' });
  const trainer = deviceTrainer(taken, (model, next) => createResidentSession(model, device, next));
  await trainer.step(0, batchOf(taken, 0));
  await trainer.pull();
  const before = trainer.variables.theta.map((view) => [...view]);
  const { fields, ...about } = batchOf(taken, 1);
  const broken = { ...about, fields: { ...fields, images: new Float32Array(8 * 64).fill(Number.NaN) } };
  const error = await t.throwsAsync(() => trainer.step(1, broken), { instanceOf: UserError });
  t.regex(
    error?.message ?? '',
    /^step 2: loss NaN is not finite, on batch 2 of epoch 1; .* Try a lower --learning-rate/,
  );
  await trainer.pull();
  t.deepEqual(
    trainer.variables.theta.map((view) => [...view]),
    before,
  );
  await trainer.release();
});

test('options that a step on the device does not have are errors', (t) => {
  for (const [options, message] of [
    [{ microBatch: 4 }, /^--micro-batch 4: .* the whole batch of 8 at once; leave it out, /],
    [{ diagnosticsEvery: 10 }, /^--diagnostics-every 10: .*; leave it out, or take --device cpu$/],
    [{ hessianEvery: 5 }, /^--hessian-every 5: /],
  ] as const) {
    const config = configFor({ batchSize: 8, ...options });
    t.throws(() => expectDeviceOptions(config), { instanceOf: UserError, message });
  }
});
