/** What a user can get wrong in a session is one line that says what, where and what to do. */
import registerTest, { type ExecutionContext } from 'ava';
import * as og from '../../src/index.ts';
import { file, info, node, weight } from '../import/_files.ts';
import { artifacts, batch, small } from './_mlp.ts';

const test = registerTest.serial;

async function refused(t: ExecutionContext, give: () => unknown, message: string | RegExp): Promise<void> {
  const error = await t.throwsAsync(async () => give(), { instanceOf: og.UserError }, String(message));
  t.false(error?.message.includes('\n'));
  if (typeof message === 'string') t.is(error?.message, message);
  else t.regex(error?.message ?? '', message);
}

/** An argument as a caller without a compiler would give it. */
const loosely = (value: unknown): { value: og.Feeds } => {
  const holder: { value: og.Feeds } = { value: {} };
  Object.assign(holder, { value });
  return holder;
};

test('feeds', async (t) => {
  const session = await og.TrainingSession.create(artifacts());
  const { input, labels } = batch(0);
  const run = (feeds: unknown) => () => session.runTrainStep(loosely(feeds).value);
  await refused(
    t,
    run(null),
    'runTrainStep: feeds: expected an object of tensors by the names input, labels, got null',
  );
  await refused(t, run([input]), /by the names input, labels, got a list$/);
  await refused(t, run(input), /got a tensor$/);
  await refused(
    t,
    run({ input }),
    "runTrainStep: feeds: input 'labels' is missing; expected input, labels, got input",
  );
  await refused(
    t,
    run({ input, labels, label: labels }),
    'runTrainStep: feeds: expected no inputs but input, labels, got "label"; did you mean labels?',
  );
  await refused(
    t,
    run({ input: 3, labels }),
    'runTrainStep: feeds: input: expected a tensor, {type, data, dims} or {dtype, data, shape}, got 3',
  );
  await refused(
    t,
    run({ input: { ...input, shape: [4, 6] }, labels }),
    'runTrainStep: feeds: input: expected float32 [batch, 4], got float32 [4,6]',
  );
  await refused(
    t,
    run({ input: { ...input, shape: [7, 4] }, labels }),
    'runTrainStep: feeds: input: shape [7,4] holds 28 elements, got 24',
  );
  await refused(
    t,
    run({ input: { ...input, dtype: 'float64' }, labels }),
    'runTrainStep: feeds: input: expected float32, got float64 in a Float32Array',
  );
  await refused(
    t,
    run({ input, labels: { dtype: 'int32', shape: [5], data: new Int32Array(5) } }),
    'runTrainStep: feeds: expected one batch size, got 6 of input and 5 of labels',
  );
  await refused(
    t,
    run({ input, labels: { dtype: 'int32', shape: [6], data: Int32Array.of(0, 1, 2, 3, 0, 0) } }),
    'runTrainStep: feeds: labels: expected classes of 0 to 2, or -100 for what does not count, got 3',
  );
  const none = new Float32Array();
  await refused(
    t,
    run({
      input: { dtype: 'float32', shape: [0, 4], data: none },
      labels: { dtype: 'int32', shape: [0], data: new Int32Array() },
    }),
    'runTrainStep: feeds: expected at least one example, got none',
  );
  await refused(
    t,
    () => session.runEvalStep(loosely({ input }).value),
    /^runEvalStep: feeds: input 'labels'/,
  );
  t.is(session.trainSteps, 0);
  await session.release();
});

test('fetches and buffers', async (t) => {
  const session = await og.TrainingSession.create(artifacts());
  await refused(
    t,
    () => session.runTrainStep(batch(0), ['output']),
    'runTrainStep: fetches: expected outputs among loss, got "output"',
  );
  await refused(t, () => session.runEvalStep(batch(0), []), /got an empty list$/);
  await refused(
    t,
    () => session.loadParametersBuffer(new Uint8Array(7)),
    'loadParametersBuffer: expected a Uint8Array of 172 bytes, 43 float32 numbers as getParametersSize(true) says, got 7 bytes',
  );
  await refused(
    t,
    () => session.runOptimizerStep(),
    'runOptimizerStep: there is no gradient since the last lazyResetGrad; call runTrainStep first',
  );
  await refused(t, () => session.getGradients(), /^getGradients: there is no gradient/);
  const broken = batch(0);
  await refused(
    t,
    () =>
      session.runTrainStep({
        ...broken,
        input: { ...broken.input, data: new Float32Array(24).fill(Number.NaN) },
      }),
    /^runTrainStep: the loss NaN is not finite, and nothing was changed; load an earlier checkpoint/,
  );
  await refused(t, () => session.load(new Uint8Array(3)), /^load: not a valid safetensors file/);
  await refused(
    t,
    async () => session.load(await og.saveWeights({ w: { shape: [1], data: new Float32Array(1) } })),
    /^load: expected the model's 4 variables, got 4 variables missing .* and 1 left over \(w\)/,
  );
  t.is(session.trainSteps, 0);
  await session.release();
  await refused(
    t,
    () => session.runTrainStep(batch(0)),
    'runTrainStep: the session was released; create another with TrainingSession.create',
  );
  await refused(t, () => session.release(), /^release: the session was released/);
});

test('files', async (t) => {
  const made = artifacts();
  const { checkpointState, trainModel, evalModel } = made;
  const create = (files: Partial<og.TrainingSessionCreateOptions>) => () =>
    og.TrainingSession.create({ ...made, ...files });
  await refused(
    t,
    create({ trainModel: small }),
    'trainModel: expected a file of og.generateArtifacts, got another ONNX model; if it computes predictions, og.generateArtifacts(bytes, { loss }) makes artifacts of it',
  );
  await refused(
    t,
    create({ trainModel: evalModel }),
    /^trainModel: format: expected "training", got "evaluation"/,
  );
  await refused(t, create({ trainModel: new Uint8Array([1, 2, 3]) }), /^trainModel: expected an ONNX file/);
  await refused(t, create({ trainModel: 'nowhere.onnx' }), /nowhere\.onnx/);
  await refused(t, create({ trainModel: '' }), /^trainModel: expected bytes, a path or an address, got ""/);
  await refused(
    t,
    async () => og.TrainingSession.create({ ...made, checkpointState: (await other()).checkpointState }),
    /^checkpointState: expected the model's 4 variables/,
  );
  const alone = await og.TrainingSession.create({ checkpointState, trainModel });
  await alone.runTrainStep(batch(0));
  await refused(
    t,
    () => alone.evalInputNames,
    'TrainingSession: this session has no evalModel; create it with one',
  );
  await refused(t, () => alone.runEvalStep(batch(0)), /this session has no evalModel/);
  await refused(
    t,
    () => alone.runOptimizerStep(),
    'runOptimizerStep: this session has no optimizer; create it with optimizerModel, or with the option optimizer',
  );
  const saved = await alone.toCheckpoint();
  await alone.release();
  await refused(
    t,
    create({ checkpointState: saved }),
    'checkpointState: it was saved with the optimizer none, which keeps nothing, and this session has adamw, which keeps mu, nu; create the session with that optimizer, or begin with the weights alone',
  );
});

/** Of another model. */
async function other(): Promise<og.TrainingArtifacts> {
  const bytes = file({
    inputs: [info('x', ['n', 2])],
    initializers: [weight('w', 2, 3)],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    outputs: [info('y', ['n', 3])],
  });
  return og.generateArtifacts(bytes, { loss: 'mse' });
}

test("files of Python's onnxruntime.training are told from others", async (t) => {
  const how =
    'make ours from the forward model that it was made from, with og.generateArtifacts or ortgrad artifacts';
  // As onnxruntime.training.artifacts 1.19.2 writes them: gradients and updates by operators that stock builds do not have.
  const model = (nodes: readonly ReturnType<typeof node>[], output: string) =>
    file({
      inputs: [info('input', ['n', 4]), info('labels', ['n'], 7)],
      nodes,
      outputs: [output],
      opsets: [{ domain: 'com.microsoft', version: 1 }],
    });
  const theirs = {
    trainModel: model(
      [
        node('com.microsoft.SoftmaxCrossEntropyLossGrad', ['input', 'labels'], 'grad'),
        node('com.microsoft.InPlaceAccumulatorV2', ['grad'], 'output'),
      ],
      'output',
    ),
    evalModel: model(
      [node('SoftmaxCrossEntropyLoss', ['input', 'labels'], 'onnx::loss::2')],
      'onnx::loss::2',
    ),
    optimizerModel: model([node('com.microsoft.AdamWOptimizer', ['input'], 'flag')], 'flag'),
    // The header of a flatbuffer: where its root lies, then the identifier of the schema.
    checkpointState: Uint8Array.of(16, 0, 0, 0, ...new TextEncoder().encode('ODTC'), 0, 0, 0, 0),
  };
  const said = {
    trainModel: `it was written by Python's onnxruntime.training (its SoftmaxCrossEntropyLossGrad is in no stock ONNX Runtime); ${how}`,
    evalModel: `it was written by Python's onnxruntime.training (its output onnx::loss::2 is the loss); ${how}`,
    optimizerModel: `it was written by Python's onnxruntime.training (its AdamWOptimizer is in no stock ONNX Runtime); ${how}`,
    checkpointState: `it is a checkpoint of Python's onnxruntime.training, a flatbuffer; ${how}`,
  };
  for (const name of ['trainModel', 'evalModel', 'optimizerModel', 'checkpointState'] as const) {
    const create = () => og.TrainingSession.create({ ...artifacts(), [name]: theirs[name] });
    await refused(t, create, `${name}: ${said[name]}`);
    const generate = () => og.generateArtifacts(theirs[name], { loss: 'cross-entropy' });
    await refused(t, generate, `import: ${said[name]}`);
  }
  await refused(
    t,
    () => og.TrainingSession.create({ ...artifacts(), trainModel: theirs.checkpointState }),
    `trainModel: ${said.checkpointState}`,
  );
});

test('options', async (t) => {
  const create = (options: object) => () => og.TrainingSession.create(artifacts(), options);
  await refused(
    t,
    create({ learningrate: 1 }),
    /there is no option learningrate; did you mean learningRate\?/,
  );
  await refused(t, create({ learningRate: -1 }), 'learningRate: expected a finite number ≥ 0, got -1');
  await refused(t, create({ device: 'gpu' }), /^device: expected one of cpu, cuda, webgpu, got "gpu"/);
  await refused(
    t,
    create({ executionProviders: ['webnn'] }),
    /^executionProviders: expected one of wasm, cpu/,
  );
  await refused(t, create({ gr: 'exakt' }), /^gr: expected one of none, exact.*did you mean exact\?/);
  await refused(t, create({ gr: og.exactGr({ warmup: 'zero' }) }), /give the session's option warmupSteps$/);
  await refused(t, create({ optimizer: 'adamax' }), /^optimizer: expected one of adamw, adam/);
  await refused(
    t,
    create({ gr: 'exact', optimizer: og.sgd({ weightDecay: 0.1, weightDecayIn: 'loss' }) }),
    /^optimizer: weightDecayIn 'loss': in a session/,
  );
  await refused(t, create({ schedule: 3 }), 'schedule: expected a function of the step, got 3');
  const session = await og.TrainingSession.create(artifacts(), {
    executionProviders: ['wasm'],
    ...{ graphOptimizationLevel: 'all', logSeverityLevel: 3 },
  });
  await session.release();
});

test('what artifacts are made of', async (t) => {
  const make = (options: object) => () => artifacts(options);
  await refused(t, make({ loss: 'crossentropy' }), /^loss: expected one of .*did you mean cross-entropy\?/);
  await refused(
    t,
    make({ loss: { kind: 'cross-entropy', output: 'logits' } }),
    'loss: expected an output of the model, output, got "logits"; name it: { kind, output }',
  );
  await refused(
    t,
    make({ loss: 'next-token' }),
    /next-token: expected logits \[batch, length, vocabulary\], got output \[batch, 3\]/,
  );
  await refused(t, make({ trainable: /^fc9/ }), /fc9/);
  await refused(t, make({ batchSize: 0 }), 'batchSize: expected an integer ≥ 1, got 0');
  await refused(t, make({ batchSize: [] }), 'batchSize: expected at least one, got none');
  await refused(
    t,
    make({ additionalOutputs: ['h'] }),
    /^additionalOutputs: expected outputs of the model, output, got "h"/,
  );
  await refused(
    t,
    make({ optimizer: { rule: og.sgd().rule, learningRate: 1 } }),
    /^optimizer: an update rule of your own cannot be written into a file/,
  );
  await refused(
    t,
    () => og.generateArtifacts(small, Object.assign({ loss: 'mse' as const }, { loss: undefined })),
    /^generateArtifacts: expected \{ loss \}/,
  );
});
