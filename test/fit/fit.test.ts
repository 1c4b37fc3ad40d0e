import test from 'ava';
import * as og from '../../src/index.ts';
import { model, sine } from './_sine.ts';

test('x → sin(x) in six lines', async (t) => {
  const x = Float32Array.from({ length: 1000 }, (_, i) => -3 + (6 * i) / 1000);
  const y = x.map(Math.sin);
  const run = await og.fit({
    model,
    loss: (out, { y }) => og.mse(out, y),
    data: { x, y },
    validation: 0.1,
    epochs: 60,
    optimizer: og.adamw({ learningRate: 0.03, weightDecay: 0 }),
    schedule: og.cosine(),
    verbose: false,
  });
  const at = [-2, 0, 0.5, 2.5];
  const predicted = await run.predict({ x: at });
  await run.release();
  t.deepEqual(
    at.map((point, i) => Math.abs((predicted[i] ?? Number.NaN) - Math.sin(point)) < 0.05),
    [true, true, true, true],
    String(predicted),
  );
  t.is(run.history.length, 60);
  t.is(run.outcome, 'done');
  // 900 examples train, in batches of 32.
  t.is(run.step, 60 * 28);
});

test('every optimizer, regularizer and schedule by name learns', async (t) => {
  const optimizers = {
    adamw: og.adamw({ learningRate: 0.01 }),
    adam: og.adam({ learningRate: 0.01 }),
    sgd: og.sgd({ learningRate: 0.05, nesterov: true }),
    rmsprop: og.rmsprop({ learningRate: 0.002 }),
  };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    const { history } = await og.fit({ ...sine, optimizer, schedule: og.cosine({ warmup: 1 }), epochs: 20 });
    t.true((history.at(-1)?.loss ?? 1) < 0.15, `${name}: ${history.at(-1)?.loss}`);
    t.true((history.at(-1)?.learningRate ?? 1) < 0.01 * optimizer.learningRate, name);
  }
  const regularizers = {
    exact: og.exactGr({ lambda: 0.01, warmup: 'zero' }),
    fd: og.finiteDifferenceGr({ warmup: 'r', warmupEpochs: 2 }),
    sam: og.sam({ r: 0.05 }),
  };
  for (const [name, regularizer] of Object.entries(regularizers)) {
    const { history } = await og.fit({
      ...sine,
      regularizer,
      schedule: og.stepDecay({ epochs: 15, gamma: 0.5 }),
      epochs: 20,
      clip: 1,
    });
    t.true((history.at(-1)?.loss ?? 1) < 0.15, `${name}: ${history.at(-1)?.loss}`);
    t.is(history.at(-1)?.learningRate, 0.005);
  }
});

test('micro-batches take the steps of the whole batch', async (t) => {
  const [whole, cut] = await Promise.all([
    og.fit({ ...sine, batchSize: 40 }),
    og.fit({ ...sine, batchSize: 40, microBatch: 10 }),
  ]);
  const path = 'hidden/kernel';
  whole.weights[path]?.data.forEach((value, i) => {
    const other = cut.weights[path]?.data[i] ?? Number.NaN;
    t.true(Math.abs(value - other) < 1e-5, `${value} ${other}`);
  });
});

test('a schedule of one’s own gives the rate of each step', async (t) => {
  const rates: number[] = [];
  await og.fit({
    ...sine,
    schedule: (step, { learningRate, totalSteps }) => learningRate * (1 - step / totalSteps),
    epochs: 2,
    onStep: ({ lr }) => {
      rates.push(lr);
    },
  });
  t.deepEqual(
    rates,
    Array.from({ length: 12 }, (_, step) => 0.01 * (1 - step / 12)),
  );
});

test('frozen variables stay, and groups have rates of their own', async (t) => {
  const frozen = await og.fit({ ...sine, freeze: /^hidden\// });
  const start = await og.fit({ ...sine, optimizer: og.sgd({ learningRate: 0 }), epochs: 1 });
  t.deepEqual(frozen.weights['hidden/kernel'], start.weights['hidden/kernel']);
  t.notDeepEqual(frozen.weights['out/kernel'], start.weights['out/kernel']);
  const grouped = await og.fit({ ...sine, groups: [{ match: /^out\//, learningRate: 0 }] });
  t.deepEqual(grouped.weights['out/kernel'], start.weights['out/kernel']);
  t.notDeepEqual(grouped.weights['hidden/kernel'], start.weights['hidden/kernel']);
});

test('a classifier of integer labels, with metrics by the only output', async (t) => {
  const points = Float32Array.from({ length: 400 }, (_, i) => Math.sin(1.7 * i));
  const labels = Int32Array.from({ length: 200 }, (_, i) =>
    Number((points[2 * i] ?? 0) * (points[2 * i + 1] ?? 0) > 0),
  );
  const run = await og.fit({
    model: (scope, { points }) =>
      og.dense(scope.sub('out'), og.tanh(og.dense(scope.sub('hidden'), points, 16)), 2),
    loss: (logits, { labels }) => og.crossEntropy(logits, labels),
    metrics: { accuracy: og.accuracy(), confusion: og.confusionMatrix() },
    data: { points: { data: points, shape: [200, 2] }, labels },
    validation: 0.2,
    epochs: 60,
    optimizer: og.adamw({ learningRate: 0.02 }),
    verbose: false,
  });
  t.is(run.best?.metric, 'accuracy');
  t.true((run.best?.value ?? 0) > 0.9, String(run.best?.value));
  const logits = await run.predict({ points: { data: points, shape: [200, 2] }, labels });
  const right = labels.filter((label, i) => {
    const [no = 0, yes = 0] = logits.subarray(2 * i, 2 * i + 2);
    return Number(yes > no) === label;
  });
  const { metrics } = await run.evaluate({ points: { data: points, shape: [200, 2] }, labels });
  t.is(Math.round(200 * (metrics.accuracy ?? 0)), right.length);
});

test('dropout draws the same in every run of a seed', async (t) => {
  const dropped = {
    ...sine,
    model: (scope: og.Scope, { x }: { x: og.Value }) =>
      og.dense(scope.sub('out'), og.dropout(scope, og.tanh(og.dense(scope.sub('hidden'), x, 16)), 0.2), 1),
  };
  const [one, same, other] = [
    await og.fit(dropped),
    await og.fit(dropped),
    await og.fit({ ...dropped, seed: 1 }),
  ];
  t.deepEqual(one.weights, same.weights);
  t.notDeepEqual(one.weights, other.weights);
});
