/** Steps of a session are PyTorch's; gradients add up; buffers, checkpoints and files give back what they took. */
import registerTest from 'ava';
import * as og from '../../src/index.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { artifacts, batch } from './_mlp.ts';

const test = registerTest.serial;

/**
 * import math, torch
 * def arr(shape, f):
 *     n = math.prod(shape)
 *     return torch.tensor([math.sin(f * (i + 1)) for i in range(n)], dtype=torch.float64).reshape(shape).float()
 * W = (arr((5, 4), 0.7), arr((5,), 1.3) * 0.1, arr((3, 5), 0.9), arr((3,), 1.7) * 0.1)
 * P = [p.clone().requires_grad_() for p in W]
 * opt = torch.optim.AdamW([{'params': [P[0], P[2]], 'weight_decay': 0.1},
 *                          {'params': [P[1], P[3]], 'weight_decay': 0.0}], lr=0.01)
 * def loss(x, y):
 *     return torch.nn.functional.cross_entropy(torch.relu(x @ P[0].T + P[1]) @ P[2].T + P[3], y, ignore_index=-100)
 * for step in range(3):
 *     opt.zero_grad()
 *     for k in range(2):
 *         j = 2 * step + k
 *         y = torch.tensor([(i * (j + 1)) % 3 for i in range(6)])
 *         if k == 1: y[1] = -100
 *         l = loss(arr((6, 4), 0.31 + 0.07 * j), y); l.backward(); print(l.item())
 *     print(math.sqrt(sum((p.grad.double() ** 2).sum() for p in P)))
 *     opt.step()
 * for p in P: print(p.flatten().tolist())
 *
 * with torch 2.13.0 on the CPU.
 */
const TORCH = {
  losses: [
    1.61980140209198, 1.4118075370788574, 0.7803340554237366, 1.593390941619873, 1.6361297369003296,
    1.024349331855774,
  ],
  norms: [2.3174521366, 2.4035392225, 1.9300785784],
  weights: {
    'fc1.weight': [
      0.626877, 0.9719604, 0.8536284, 0.3296333, -0.3490274, -0.8644685, -0.9519135, -0.613304, 0.0215701,
      0.6288965, 0.9626358, 0.8309446, 0.3054645, -0.3629156, -0.8508521, -0.9492675, -0.6071916, 0.0396557,
      0.6721187, 0.9923541,
    ],
    'fc1.bias': [0.0920288, 0.0247151, -0.0892936, -0.0926059, 0.0394881],
    'fc2.weight': [
      0.770315, 0.9428696, 0.4183125, -0.4433733, -0.9747159, -0.767163, -0.0094217, 0.7867882, 0.9395813,
      0.3816735, -0.4378318, -0.9513863, -0.7413105, 0.0618991, 0.8185105,
    ],
    'fc2.bias': [0.0886229, -0.0304629, -0.0645849],
  },
};

/**
 * g = torch.autograd.grad(loss(arr((6, 4), 0.31), torch.tensor([i % 3 for i in range(6)])), P, create_graph=True), at W;
 * n = torch.sqrt(sum((a * a).sum() for a in g)); r = torch.autograd.grad(l + 0.1 * n, P)
 */
const TORCH_EXACT = {
  'fc1.bias': [0.2912731, 0.2137427, 0.1694307, 0.0101723, -0.4955779],
  'fc2.weight': [
    0.5078474, -0.0443757, 0.3996418, -0.0721897, 0.1672112, -0.2406722, 0.1049245, -0.1197017, 0.181163,
    0.0217028, -0.2671752, -0.0605487, -0.2799401, -0.1089733, -0.1889141,
  ],
};

const far = (got: ArrayLike<number>, wanted: readonly number[]): number =>
  Math.max(
    Math.abs(got.length - wanted.length),
    ...wanted.map((x, i) => Math.abs(x - (got[i] ?? Number.NaN))),
  );
const lossOf = (results: og.TrainingResults): number => Number(results.loss?.data[0]);
const normOf = (weights: og.Weights): number =>
  Math.hypot(...Object.values(weights).flatMap(({ data }) => [...data]));

/** Three steps of the optimizer, each along the gradients of two batches. */
async function threeSteps(session: og.TrainingSession): Promise<{ losses: number[]; norms: number[] }> {
  const [losses, norms]: [number[], number[]] = [[], []];
  for (let j = 0; j < 6; j++) {
    losses.push(lossOf(await session.runTrainStep(batch(j))));
    if (j % 2 === 0) continue;
    norms.push(normOf(await session.getGradients()));
    await session.runOptimizerStep();
    await session.lazyResetGrad();
  }
  return { losses, norms };
}

for (const kind of ['artifacts', 'their clone'] as const) {
  test(`three steps of AdamW along two batches each are PyTorch's, from ${kind}`, async (t) => {
    const made = artifacts();
    const session = await og.TrainingSession.create(kind === 'artifacts' ? made : structuredClone(made));
    t.deepEqual(session.trainingInputNames, ['input', 'labels']);
    t.deepEqual(session.trainingOutputNames, ['loss']);
    t.deepEqual(session.evalInputNames, ['input', 'labels']);
    t.deepEqual(session.evalOutputNames, ['loss', 'output']);
    const { losses, norms } = await threeSteps(session);
    t.true(far(losses, TORCH.losses) < 1e-5, `${losses}`);
    t.true(far(norms, TORCH.norms) < 1e-5, `${norms}`);
    const weights = await session.getWeights();
    for (const [path, wanted] of Object.entries(TORCH.weights)) {
      t.true(far(weights[path]?.data ?? [], wanted) < 2e-6, path);
    }
    t.is(session.trainSteps, 6);
    t.is(session.optimizerSteps, 3);
    await session.release();
  });
}

test('with exact regularization a training step adds the gradient of L + λ‖∇L‖, as PyTorch differentiates twice', async (t) => {
  for (const made of [artifacts({ gr: og.exactGr({ lambda: 0.1 }) }), artifacts()]) {
    const gr = og.exactGr({ lambda: 0.1 });
    const session = await og.TrainingSession.create(made, { gr });
    const loss = lossOf(await session.runTrainStep(batch(0)));
    t.true(Math.abs(loss - 1.61980140209198) < 1e-5);
    const gradients = await session.getGradients();
    for (const [path, wanted] of Object.entries(TORCH_EXACT)) {
      t.true(far(gradients[path]?.data ?? [], wanted) < 1e-5, path);
    }
    t.true(Math.abs(normOf(gradients) - 1.3411725375699557) < 1e-5);
    await session.release();
  }
});

test('a finite difference of a short distance is near exact regularization', async (t) => {
  const gr = og.finiteDifferenceGr({ lambda: 0.1, r: 0.001 });
  const session = await og.TrainingSession.create(artifacts(), { gr });
  await session.runTrainStep(batch(0));
  const gradients = await session.getGradients();
  t.true(far(gradients['fc1.bias']?.data ?? [], TORCH_EXACT['fc1.bias']) < 1e-2);
  await session.release();
});

test('parameters go out in one buffer and come back, trained ones alone or all', async (t) => {
  const session = await og.TrainingSession.create(artifacts({ trainable: /^fc1/ }));
  t.is(await session.getParametersSize(), 25);
  t.is(await session.getParametersSize(true), 25);
  t.is(await session.getParametersSize(false), 43);
  const before = await session.getContiguousParameters(false);
  t.is(before.type, 'float32');
  t.deepEqual(before.dims, [43]);
  const first = await session.getWeights();
  // In the file's order.
  t.deepEqual(
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'].flatMap((path) => [...(first[path]?.data ?? [])]),
    Array.from(before.data, Number),
  );
  const doubled = Float32Array.from(await numbersIn(session, true), (x) => 2 * x);
  await session.loadParametersBuffer(new Uint8Array(doubled.buffer), true);
  const after = await session.getWeights();
  t.deepEqual(after['fc2.weight'], first['fc2.weight']);
  t.deepEqual(
    after['fc1.bias']?.data,
    first['fc1.bias']?.data.map((x) => 2 * x),
  );
  await session.loadParametersBuffer(new Uint8Array(Float32Array.from(before.data, Number).buffer), false);
  t.deepEqual(await session.getWeights(), first);
  await session.release();
});

async function numbersIn(session: og.TrainingSession, trainableOnly: boolean): Promise<number[]> {
  return Array.from((await session.getContiguousParameters(trainableOnly)).data, Number);
}

test('a checkpoint goes on to the last bit, also between two batches of one step', async (t) => {
  const made = artifacts();
  const whole = await og.TrainingSession.create(made);
  await threeSteps(whole);
  const cut = await og.TrainingSession.create(made);
  await cut.runTrainStep(batch(0));
  const saved = await cut.toCheckpoint();
  await cut.release();
  const resumed = await og.TrainingSession.create({ ...made, checkpointState: saved });
  for (let j = 1; j < 6; j++) {
    await resumed.runTrainStep(batch(j));
    if (j % 2 === 0) continue;
    await resumed.runOptimizerStep();
    await resumed.lazyResetGrad();
  }
  t.deepEqual(await resumed.getWeights(), await whole.getWeights());
  t.deepEqual(await resumed.toCheckpoint(), await whole.toCheckpoint());
  await resumed.load(saved);
  t.is(resumed.trainSteps, 1);
  await resumed.load(await og.saveWeights(await whole.getWeights()));
  t.deepEqual(await resumed.getWeights(), await whole.getWeights());
  await whole.release();
  await resumed.release();
});

test('the exported file is the original with trained weights: what evaluation gives, ONNX Runtime gives', async (t) => {
  const session = await og.TrainingSession.create(artifacts());
  await threeSteps(session);
  const { input, labels } = batch(7);
  const { output } = await session.runEvalStep({ input, labels });
  const exported = await session.export();
  const plain = await createSession(exported, { device: 'cpu', threads: 1 });
  t.deepEqual(plain.inputs, ['input']);
  t.deepEqual(plain.outputs, ['output']);
  const { output: again } = await plain.run({ input });
  t.true(
    far(again?.data instanceof Float32Array ? again.data : [], Array.from(output?.data ?? [], Number)) < 1e-6,
  );
  // What was exported trains on.
  const next = og.generateArtifacts(exported, { loss: 'cross-entropy', batchSize: 6 });
  t.true(next.trainModel.length > 0);
  await session.release();
});

test('rates are set between steps, or come from a schedule', async (t) => {
  const session = await og.TrainingSession.create(artifacts(), {
    optimizer: og.sgd({ learningRate: 1, momentum: 0 }),
  });
  t.is(session.learningRate, 1);
  const moved = async (): Promise<number> => {
    const before = await numbersIn(session, true);
    await session.runTrainStep(batch(0));
    const size = normOf(await session.getGradients());
    await session.runOptimizerStep();
    await session.lazyResetGrad();
    const after = await numbersIn(session, true);
    return Math.hypot(...after.map((x, i) => x - (before[i] ?? 0))) / size;
  };
  t.true(Math.abs((await moved()) - 1) < 1e-5);
  session.learningRate = 0.25;
  t.true(Math.abs((await moved()) - 0.25) < 1e-5);
  session.schedule = (step) => (step === 2 ? 0.5 : 0.125);
  t.is(session.learningRate, 0.5);
  t.true(Math.abs((await moved()) - 0.5) < 1e-5);
  t.true(Math.abs((await moved()) - 0.125) < 1e-5);
  session.weightDecay = 0.1;
  t.is(session.weightDecay, 0.1);
  await session.release();
});

test('batches of any size train, and a batch in parts is the batch', async (t) => {
  const made = artifacts();
  const [whole, parts] = [
    await og.TrainingSession.create(made),
    await og.TrainingSession.create(made, { microBatch: 2 }),
  ];
  const a = lossOf(await whole.runTrainStep(batch(1)));
  const b = lossOf(await parts.runTrainStep(batch(1)));
  t.true(Math.abs(a - b) < 1e-6);
  const [g, h] = [await whole.getGradients(), await parts.getGradients()];
  for (const path of Object.keys(g))
    t.true(far(h[path]?.data ?? [], [...(g[path]?.data ?? [])]) < 1e-6, path);
  const { input, labels } = batch(0);
  const five = {
    input: { ...input, shape: [5, 4], data: input.data.subarray(0, 20) },
    labels: { ...labels, shape: [5], data: labels.data.subarray(0, 5) },
  };
  t.true(Number.isFinite(lossOf(await whole.runTrainStep(five))));
  await whole.release();
  await parts.release();
});

test('outputs that are asked for come with the training step, and fetches choose among them', async (t) => {
  const session = await og.TrainingSession.create(
    artifacts({ additionalOutputs: ['output'], lossName: 'onnx::loss::8' }),
  );
  t.deepEqual(session.trainingOutputNames, ['onnx::loss::8', 'output']);
  const all = await session.runTrainStep(batch(0));
  const evaluated = await session.runEvalStep(batch(0));
  t.deepEqual(Object.keys(all), ['onnx::loss::8', 'output']);
  t.deepEqual(all.output?.dims, [6, 3]);
  t.true(
    far(Array.from(all.output?.data ?? [], Number), Array.from(evaluated.output?.data ?? [], Number)) < 1e-6,
  );
  t.deepEqual(Object.keys(await session.runTrainStep(batch(0), ['output'])), ['output']);
  t.deepEqual(Object.keys(await session.runEvalStep(batch(0), { 'onnx::loss::8': null })), ['onnx::loss::8']);
  t.deepEqual(Object.keys(await session.runEvalStep(batch(0), { tag: 'a run' })), [
    'onnx::loss::8',
    'output',
  ]);
  await session.release();
});

test('a page or a process that has only the files trains in the same way', async (t) => {
  const { checkpointState, trainModel, evalModel, optimizerModel } = structuredClone(artifacts());
  const session = await og.TrainingSession.create({ checkpointState, trainModel, evalModel, optimizerModel });
  await t.throwsAsync(
    session.runTrainStep({
      input: { dtype: 'float32', shape: [5, 4], data: new Float32Array(20) },
      labels: { dtype: 'int32', shape: [5], data: new Int32Array(5) },
    }),
    {
      message:
        'feeds: expected a batch of 6 examples, or a multiple, for which these artifacts were written, got 5; generate them with batchSize: [6, 5]',
    },
  );
  await session.release();
});
