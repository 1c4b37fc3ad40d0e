/** Artifacts of foreign files: parts that stay as they are, adapters, losses of tokens and of one's own, any batch. */
import registerTest from 'ava';
import * as og from '../../src/index.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { file, info, node, tensor, weight } from '../import/_files.ts';
import { artifacts, batch } from './_mlp.ts';

const test = registerTest.serial;

const numbers = (tensor: { readonly data: unknown } | undefined): number[] =>
  Array.from(tensor?.data instanceof Float32Array ? tensor.data : [], Number);
const far = (a: readonly number[], b: readonly number[]): number =>
  Math.max(Math.abs(a.length - b.length), ...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN))));

test('a head trains on what the rest gives, which stays as it was in a file of its own', async (t) => {
  const made = artifacts({ trainable: /^fc2/ });
  t.true(made.trunkModel instanceof Uint8Array);
  const [head, whole] = [
    await og.TrainingSession.create(structuredClone(made)),
    await og.TrainingSession.create(artifacts()),
  ];
  t.deepEqual(head.trainingInputNames, ['input', 'labels']);
  for (const session of [head, whole]) await session.runTrainStep(batch(1));
  const [own, all] = [await head.getGradients(), await whole.getGradients()];
  t.deepEqual(Object.keys(own).sort(), ['fc2.bias', 'fc2.weight']);
  for (const [path, { data }] of Object.entries(own))
    t.true(far([...data], [...(all[path]?.data ?? [])]) < 1e-6, path);
  await head.runOptimizerStep();
  const { output } = await head.runEvalStep(batch(0));
  const exported = await createSession(await head.export(), { device: 'cpu', threads: 1 });
  t.true(far(numbers(output), numbers((await exported.run({ input: batch(0).input })).output)) < 1e-6);
  const { trunkModel: _trunk, ...withoutTrunk } = made;
  await t.throwsAsync(og.TrainingSession.create(withoutTrunk), {
    message: /^trunkModel: expected what generateArtifacts gave besides trainModel/,
  });
  const { forwardModel: _, ...files } = structuredClone(made);
  const alone = await og.TrainingSession.create(files);
  await t.throwsAsync(alone.export(), { message: /^export: the graphs are only the part that trains/ });
  await head.release();
  await whole.release();
  await alone.release();
});

test('with the forward model a clone takes batches of any size', async (t) => {
  const session = await og.TrainingSession.create(structuredClone(artifacts()));
  const five = {
    input: { dtype: 'float32', shape: [5, 4], data: new Float32Array(20).fill(0.5) },
    labels: { dtype: 'int32', shape: [5], data: new Int32Array(5) },
  } as const;
  const { loss } = await session.runTrainStep(five);
  const evaluated = await session.runEvalStep(five);
  t.true(far(numbers(loss), numbers(evaluated.loss)) < 1e-6);
  await session.release();
  await t.throwsAsync(
    og.TrainingSession.create({ ...structuredClone(artifacts()), forwardModel: new Uint8Array(3) }),
    { instanceOf: og.UserError },
  );
});

test('adapters train, and are added to the weights of the file that is exported', async (t) => {
  const made = artifacts({ lora: { target: /fc1/, rank: 2, alpha: 4 } });
  const session = await og.TrainingSession.create(made);
  t.is(await session.getParametersSize(), 2 * 4 + 5 * 2);
  const before = numbers((await session.runEvalStep(batch(0))).output);
  for (let j = 0; j < 4; j++) {
    await session.runTrainStep(batch(j));
    await session.runOptimizerStep();
    await session.lazyResetGrad();
  }
  const after = numbers((await session.runEvalStep(batch(0))).output);
  t.true(far(before, after) > 1e-3);
  const merged = await createSession(await session.export(), { device: 'cpu', threads: 1 });
  t.true(far(after, numbers((await merged.run({ input: batch(0).input })).output)) < 1e-5);
  await session.release();
});

test('batch normalizations train where labels may not count, each with statistics of its own', async (t) => {
  const statistics = (mean: string, variance: string) => ['bn.weight', 'bn.bias', mean, variance];
  const bytes = file({
    inputs: [info('input', ['n', 4])],
    initializers: [
      ...[weight('fc', 4, 3), weight('bn.weight', 3), weight('bn.bias', 3)],
      ...[tensor('mean', [3], new Float32Array(3)), tensor('var', [3], new Float32Array(3).fill(1))],
    ],
    // What starts alike is there once: PyTorch's older exporter has an Identity of it, its newer one names it again.
    nodes: [
      node('Identity', ['mean'], 'second.mean'),
      node('MatMul', ['input', 'fc'], 'h'),
      node('BatchNormalization', ['h', ...statistics('mean', 'var')], 'a'),
      node('BatchNormalization', ['a', ...statistics('second.mean', 'var')], 'output'),
    ],
    outputs: [info('output', ['n', 3])],
  });
  const session = await og.TrainingSession.create(og.generateArtifacts(bytes, { loss: 'cross-entropy' }));
  await session.runTrainStep(batch(1));
  t.deepEqual(Object.keys(await session.getGradients()).sort(), ['bn.bias', 'bn.weight', 'fc']);
  const weights = await session.getWeights();
  // The first one's output has the bias as its mean and the scale as its deviation.
  const moved = (path: string) => numbers(weights[path]);
  const [scale, bias] = [moved('bn.weight'), moved('bn.bias')];
  const expected = scale.map((x) => 0.9 + 0.1 * (6 / 5) * x * x);
  t.true(
    far(
      moved('second.mean'),
      bias.map((x) => 0.1 * x),
    ) < 1e-5,
  );
  t.true(far(moved('var.2'), expected) < 1e-4);
  t.true(far(moved('mean'), [0, 0, 0]) > 1e-3);
  const { output } = await session.runEvalStep(batch(0));
  const exported = await createSession(await session.export(), { device: 'cpu', threads: 1 });
  t.true(far(numbers(output), numbers((await exported.run({ input: batch(0).input })).output)) < 1e-6);
  await session.release();
});

/** Tokens → logits of the next: an embedding, a mask and a head. */
const language = file({
  inputs: [info('input_ids', ['n', 5], 7), info('attention_mask', ['n', 5], 7)],
  initializers: [weight('embedding', 7, 4), weight('head', 4, 7), tensor('last', [1], BigInt64Array.of(2n))],
  nodes: [
    node('Gather', ['embedding', 'input_ids'], 'e'),
    node('Cast', ['attention_mask'], 'm', { to: 1 }),
    node('Unsqueeze', ['m', 'last'], 'column'),
    node('Mul', ['e', 'column'], 'kept'),
    node('MatMul', ['kept', 'head'], 'logits'),
  ],
  outputs: [info('logits', ['n', 5, 7])],
});

test('a language model learns the next token, but none that is masked or marked', async (t) => {
  const made = og.generateArtifacts(language, { loss: 'next-token', batchSize: 2 });
  const session = await og.TrainingSession.create(made);
  t.deepEqual(session.trainingInputNames, ['input_ids', 'attention_mask', 'labels']);
  const ids = BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n, 5n, 4n, 0n, 0n);
  const attention = BigInt64Array.of(1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 0n, 0n);
  const labels = ids.slice();
  labels[2] = -100n;
  const feeds = (data: BigInt64Array) => ({ type: 'int64' as const, data, dims: [2, 5] });
  const { loss, logits } = await session.runEvalStep({
    input_ids: feeds(ids),
    attention_mask: feeds(attention),
    labels: feeds(labels),
  });
  // Of the text's places: what follows each, unless it is marked, or masked.
  const scores = numbers(logits);
  const places = [0, 1, 2, 3, 5, 6, 7, 8].filter((i) => labels[i + 1] !== -100n && attention[i + 1] === 1n);
  const each = places.map((i) => {
    const row = scores.slice(7 * i, 7 * (i + 1));
    return (
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - (row[Number(labels[i + 1])] ?? Number.NaN)
    );
  });
  t.is(places.length, 5);
  t.true(Math.abs(Number(loss?.data[0]) - each.reduce((a, b) => a + b) / 5) < 1e-6);
  const first = await session.runTrainStep({
    input_ids: feeds(ids),
    attention_mask: feeds(attention),
    labels: feeds(labels),
  });
  t.true(far(numbers(first.loss), numbers(loss)) < 1e-6);
  await session.release();
});

test('losses of numbers are those of fit, and a loss of your own reads its own fields', async (t) => {
  const { input } = batch(0);
  const target = {
    dtype: 'float32',
    shape: [6, 3],
    data: Float32Array.from({ length: 18 }, (_, i) => i % 2),
  } as const;
  const lossOf = async (
    options: Partial<og.GenerateOptions>,
    more: og.Feeds,
  ): Promise<[number, number[]]> => {
    const session = await og.TrainingSession.create(artifacts(options));
    const { loss, output } = await session.runEvalStep({ input, ...more });
    await session.release();
    return [Number(loss?.data[0]), numbers(output)];
  };
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [mse, output] = await lossOf({ loss: 'mse' }, { target });
  const errors = output.map((x, i) => x - (target.data[i] ?? 0));
  t.true(Math.abs(mse - mean(errors.map((e) => e * e))) < 1e-6);
  const [mae] = await lossOf({ loss: 'mae' }, { target });
  t.true(Math.abs(mae - mean(errors.map(Math.abs))) < 1e-6);
  const [bce] = await lossOf({ loss: { kind: 'bce', target: 'y' } }, { y: target });
  const softplus = output.map((x, i) => Math.log1p(Math.exp(x)) - (target.data[i] ?? 0) * x);
  t.true(Math.abs(bce - mean(softplus)) < 1e-6);
  const own: Partial<og.GenerateOptions> = {
    loss: ({ output: boxes }, { wanted, share }) => {
      if (!boxes || !wanted || !share) throw new Error('test: a field is missing');
      return { boxes: { each: og.mul(og.mse(boxes, wanted), 2), weight: share } };
    },
    fields: {
      wanted: { dtype: 'float32', shape: [3] },
      share: { dtype: 'float32', shape: [3] },
    },
  };
  const share = { ...target, data: Float32Array.from({ length: 18 }, (_, i) => Number(i < 9)) };
  const [weighted] = await lossOf(own, { wanted: target, share });
  t.true(Math.abs(weighted - 2 * mean(errors.slice(0, 9).map((e) => e * e))) < 1e-6);
});

test('where a classifier ends in Softmax the loss is of what goes into it', async (t) => {
  const bytes = file({
    inputs: [info('input', ['n', 4])],
    initializers: [weight('w', 4, 3)],
    nodes: [
      node('MatMul', ['input', 'w'], 'scores'),
      node('Softmax', ['scores'], 'probabilities', { axis: 1 }),
    ],
    outputs: [info('probabilities', ['n', 3])],
  });
  const session = await og.TrainingSession.create(og.generateArtifacts(bytes, { loss: 'cross-entropy' }));
  const { input } = batch(0);
  const labels = { dtype: 'int32', shape: [6], data: Int32Array.of(0, 1, 2, 0, 1, 2) } as const;
  const { loss, probabilities } = await session.runEvalStep({ input, labels });
  const each = Array.from(labels.data, (label, i) => -Math.log(numbers(probabilities)[3 * i + label] ?? 0));
  t.true(Math.abs(Number(loss?.data[0]) - each.reduce((a, b) => a + b) / 6) < 1e-6);
  const exported = await createSession(await session.export(), { device: 'cpu', threads: 1 });
  t.deepEqual(exported.outputs, ['probabilities']);
  await session.release();
});
