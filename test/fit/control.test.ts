import test from 'ava';
import * as og from '../../src/index.ts';
import { bytesOf, sine, x, y } from './_sine.ts';

const recipe = {
  ...sine,
  validation: 0.2,
  metrics: { mae: (out: og.Value, { y }: { y: og.Value }) => og.mae(out, y) },
  regularizer: og.exactGr({ lambda: 0.01, warmup: 'zero', warmupEpochs: 2 }),
  model: (scope: og.Scope, { x }: { x: og.Value }) =>
    og.dense(scope.sub('out'), og.dropout(scope, og.tanh(og.dense(scope.sub('hidden'), x, 16)), 0.1), 1),
  ema: 0.9,
  clip: 1,
} as const;

test('ten epochs are five and five resumed, to the last bit', async (t) => {
  const whole = await og.fit({ ...recipe, epochs: 10 });
  const first = await og.fit({ ...recipe, epochs: 5 });
  const saved = await first.save();
  const second = await og.fit({ ...recipe, epochs: 10, resume: saved });
  t.deepEqual(second.history, whole.history);
  t.deepEqual(second.best, whole.best);
  t.deepEqual(await bytesOf(second.weights), await bytesOf(whole.weights));
  t.deepEqual(await bytesOf(second.averaged), await bytesOf(whole.averaged));
  t.deepEqual(await second.save(), await whole.save());
  const over = await og.fit({ ...recipe, epochs: 10, resume: await whole.save() });
  t.deepEqual([over.step, over.outcome], [whole.step, 'done']);
  t.deepEqual(await bytesOf(over.weights), await bytesOf(whole.weights));
});

test('stopped in the middle of an epoch and resumed, it is the same to the last bit', async (t) => {
  const cosine = { ...recipe, schedule: og.cosine({ warmup: 1 }) };
  const whole = await og.fit(cosine);
  const abort = new AbortController();
  const stopped = await og.fit({
    ...cosine,
    signal: abort.signal,
    onStep({ step }) {
      if (step === 13) abort.abort();
    },
  });
  t.deepEqual([stopped.step, stopped.outcome, stopped.history.length], [13, 'aborted', 2]);
  const on = await og.fit({ ...cosine, resume: await stopped.save() });
  t.deepEqual(await on.save(), await whole.save());
  t.deepEqual(on.history, whole.history);
});

test('LookSAM goes on between two perturbations, to the last bit', async (t) => {
  const looksam = {
    ...recipe,
    epochs: 3,
    regularizer: og.lookSam({ every: 4, warmup: 'zero', warmupEpochs: 1 }),
  };
  const whole = await og.fit(looksam);
  const abort = new AbortController();
  const stopped = await og.fit({
    ...looksam,
    signal: abort.signal,
    onStep({ step }) {
      if (step === 10) abort.abort();
    },
  });
  t.is(stopped.step, 10);
  const saved = await stopped.save();
  t.deepEqual(await (await og.fit({ ...looksam, resume: saved })).save(), await whole.save());
  await t.throwsAsync(og.fit({ ...looksam, regularizer: og.sam(), resume: saved }), {
    instanceOf: og.UserError,
    message: /^resume: regularizer: the run was begun with "looksam", got "sam"/,
  });
  t.throws(() => og.lookSam({ every: 0 }), { message: 'regularizer: every: expected an integer ≥ 1, got 0' });
});

test('a signal that was given before leaves the model as it began', async (t) => {
  const run = await og.fit({ ...sine, signal: AbortSignal.abort() });
  t.deepEqual([run.step, run.outcome, run.history.length], [0, 'aborted', 0]);
  t.is((await run.predict({ x: [1] })).length, 1);
});

test('what another run is resumed by is refused', async (t) => {
  const saved = await (await og.fit({ ...sine, epochs: 2, schedule: og.cosine() })).save();
  const again = (more: object) =>
    og.fit({ ...sine, epochs: 2, schedule: og.cosine(), ...more, resume: saved });
  const refused = async (more: object, message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(again(more), { instanceOf: og.UserError });
    t.regex(error?.message ?? '', message);
  };
  await refused({ epochs: 3 }, /^resume: schedule: .* "cosine over 2 epochs", which spans the epochs/);
  await refused({ batchSize: 16 }, /^resume: batchSize: the run was begun with 32, got 16/);
  await refused({ seed: 1 }, /^resume: seed: the run was begun with 0, got 1/);
  await refused({ optimizer: og.sgd() }, /^resume: optimizer: the run was begun with "adamw", got "sgd"/);
  await refused(
    { model: (scope: og.Scope, { x }: { x: og.Value }) => og.dense(scope, x, 1) },
    /^resume: the model, the loss, the metrics, the shapes of the data or the micro-batch are not those of the saved run/,
  );
  await t.throwsAsync(og.fit({ ...sine, resume: new Uint8Array(4) }), {
    message: /^resume: not a valid safetensors file/,
  });
  const weights = await og.saveWeights((await again({})).weights);
  await t.throwsAsync(og.fit({ ...sine, resume: weights }), {
    message: /give weights as initialWeights/,
  });
});

/** Validation examples that training makes worse: the opposite of what is learnt. */
const opposite = { x, y: y.map((value) => -value) };

test('early stopping ends a run that gets no better, and the best epoch is kept', async (t) => {
  const run = await og.fit({
    ...sine,
    epochs: 40,
    validation: opposite,
    earlyStopping: { patience: 3 },
    keepBest: true,
  });
  t.is(run.outcome, 'stopped early');
  const losses = run.history.map(({ validation }) => validation?.loss ?? Number.NaN);
  const lowest = Math.min(...losses);
  const best = losses.indexOf(lowest);
  t.is(losses.length, best + 1 + 3);
  t.is(run.best?.loss, lowest);
  t.is((await run.evaluate(opposite)).loss, lowest);
  const last = await og.fit({ ...sine, epochs: losses.length, validation: opposite, keepBest: false });
  t.is((await last.evaluate(opposite)).loss, losses.at(-1) ?? Number.NaN);
});

test('a metric may judge, another one stop', async (t) => {
  const run = await og.fit({
    ...sine,
    epochs: 30,
    metrics: {
      mae: (out, { y }) => og.mae(out, y),
      negative: { each: (out, { y }) => og.neg(og.mae(out, y)), better: 'higher' },
    },
    validation: opposite,
    judge: 'negative',
    earlyStopping: { patience: 2, metric: 'loss' },
  });
  t.is(run.best?.metric, 'negative');
  t.is(run.best?.better, 'higher');
  const values = run.history.map(({ validation }) => validation?.metrics.negative ?? Number.NaN);
  t.is(run.best?.value, Math.max(...values));
  t.is(values.length, 1 + run.history.findIndex((_, i, all) => isStale(all.slice(0, i + 1), 2)));
});

function isStale(history: readonly og.EpochRecord[], patience: number): boolean {
  const losses = history.map(({ validation }) => validation?.loss ?? Number.NaN);
  return losses.length - 1 - losses.indexOf(Math.min(...losses)) >= patience;
}

test('the average of the weights is that of its formula', async (t) => {
  const seen: og.Weights[] = [];
  const run = await og.fit({
    ...sine,
    epochs: 1,
    ema: 0.5,
    async onStep(_, control) {
      const { tensors } = await savedTensors(await control.save());
      seen.push(tensors);
    },
  });
  const path = 'now/out/bias';
  // It starts as a copy of the parameters, of which the bias is 0.
  const wanted = seen.reduce((ema, { [path]: bias }) => 0.5 * ema + 0.5 * (bias?.data[0] ?? Number.NaN), 0);
  t.true(Math.abs((run.averaged?.['out/bias']?.data[0] ?? Number.NaN) - wanted) < 1e-6);
  t.notDeepEqual(run.averaged, run.weights);
  const [raw, averaged] = [await run.predict({ x }), await run.predict({ x }, { weights: run.averaged })];
  t.notDeepEqual(raw, averaged);
});

async function savedTensors(bytes: Uint8Array): Promise<{ readonly tensors: og.Weights }> {
  return { tensors: await og.loadWeights(bytes) };
}

test('callbacks see every step, every epoch and every event, in order, and may stop', async (t) => {
  const told: string[] = [];
  const run = await og.fit({
    ...sine,
    validation: 0.2,
    onStep: ({ step }) => {
      told.push(`step ${step}`);
    },
    async onEpoch({ epoch }, control) {
      told.push(`epoch ${epoch} of ${control.history.length}`);
      if (epoch === 2) control.stop();
    },
    onEvent: ({ kind }) => {
      told.push(kind);
    },
  });
  const epoch = (n: number) => [
    ...[1, 2, 3, 4].flatMap((k) => [`step ${5 * (n - 1) + k}`, 'step', 'settled']),
    ...[`step ${5 * n}`, 'step'],
    'evaluated',
    `epoch ${n} of ${n}`,
    'epoch',
    'saved',
    'settled',
  ];
  t.deepEqual(told, [...epoch(1), ...epoch(2), 'stopped']);
  t.is(run.outcome, 'aborted');
  await t.throwsAsync(
    og.fit({
      ...sine,
      onStep() {
        throw new Error('mine');
      },
    }),
    { message: 'mine' },
  );
});

test('a logger as of a service is ten lines', async (t) => {
  const lines: Record<string, number>[] = [];
  const service = { log: (values: Record<string, number>) => lines.push(values) };
  const logger: og.FitCallbacks = {
    onStep: ({ step, loss, grad_norm }) => {
      service.log({ step, 'train/loss': loss, 'train/grad_norm': grad_norm });
    },
    onEpoch: ({ step, validation }) => {
      if (validation) service.log({ step, 'val/loss': validation.loss, ...validation.metrics });
    },
  };
  await og.fit({ ...sine, ...logger, epochs: 1, validation: 0.2 });
  t.deepEqual(
    lines.map((line) => Object.keys(line).join()),
    [...Array.from({ length: 5 }, () => 'step,train/loss,train/grad_norm'), 'step,val/loss'],
  );
});

test('a loop of one’s own goes through the events, and leaves when it likes', async (t) => {
  const run = await og.openFit(sine);
  const losses: number[] = [];
  for await (const event of run) {
    if (event.kind === 'step') losses.push(event.record.loss);
    if (losses.length === 4) break;
  }
  t.is(run.step, 4);
  for await (const event of run) if (event.kind === 'epoch' && event.record.epoch === 2) run.finish();
  const trained = await run.result();
  t.is(trained.outcome, 'stopped early');
  const same = await og.fit({ ...sine, epochs: 2 });
  t.deepEqual(trained.weights, same.weights);
  t.deepEqual(trained.history, same.history);
});
