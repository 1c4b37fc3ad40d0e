/** Calls that only JavaScript can make: what TypeScript would refuse is a clear error at the call, and no NaN later. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createSession } from '#runtime';
import { type GraphName, type GraphOptions, TaskGraphs } from '../src/artifacts/graphs.ts';
import { openLoader } from '../src/data/loader.node.ts';
import { DATASET_NAMES } from '../src/data/names.ts';
import { openDataset } from '../src/data/open.node.ts';
import { UserError } from '../src/errors.ts';
import { initialize, Scope } from '../src/layers/scope.ts';
import { vit } from '../src/models/vit.ts';
import { exp, input, mul } from '../src/onnx/ops.ts';
import { print } from '../src/onnx/print.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { finish, prepare } from '../src/passes/finish.ts';
import { Random } from '../src/random.ts';
import { clipScale } from '../src/step/clip.ts';
import { grSchedule } from '../src/step/gr-warmup.ts';
import { createOptimizer } from '../src/step/optimizer.ts';
import { learningRateSchedule } from '../src/step/schedule.ts';
import { saveCheckpoint } from '../src/storage/checkpoint-folder.node.ts';
import { taskOf } from '../src/tasks/own.ts';
import { imageSpec } from './_networks.ts';
import { checkpointAt } from './storage/_checkpoint.ts';
import { temporaryFolder } from './storage/_records.ts';

const [x, weight] = [input('x', [2]), input('layer/kernel', [2])];
const y = mul(x, exp(weight));
const graph = { name: 'tiny', inputs: [x, weight], outputs: { y } };
const spec = imageSpec({
  dataset: 'mnist',
  image: { channels: 1, height: 4, width: 4 },
  classes: 3,
  model: { kind: 'mlp', hidden: [5] },
  microBatch: 4,
});
const graphsOf = (options: GraphOptions) => new TaskGraphs(taskOf(spec), options);
const graphOf = (name: GraphName) => graphsOf({ batch: 4 }).graph(name);
const images = input('images', [2, 1, 8, 8]);
const sgd = createOptimizer({ optimizer: 'sgd' });
const two = () => new Float32Array(2);
const update = () => ({ param: two(), grad: two(), slots: [two()], learningRate: 0.1, count: 1 });
const rate = { kind: 'step', peak: 1, warmupSteps: 1, totalSteps: 10, stepSize: 2, gamma: 0.5 };
const data = { dataset: 'mnist', classes: 10 };
const loader = {
  ...{ source: data, split: 'test', batchSize: 4, seed: 0, shuffle: true, dropLast: true },
  augment: false,
};

/** By the message: the function, and its arguments. `Reflect.apply` takes any. */
const WRONG: Readonly<Record<string, readonly [call: (...args: never) => unknown, ...args: unknown[]]>> = {
  'scope: kernel: init kind: expected one of zeros, ones, constant, normal, xavier-uniform, he-normal, lecun-normal, got "xavier"':
    [(...args: Parameters<Scope['param']>) => new Scope().param(...args), 'kernel', [2], { kind: 'xavier' }],
  'scope: kernel: init std: expected a finite number ≥ 0, got undefined': [
    (...args: Parameters<Scope['param']>) => new Scope().param(...args),
    'kernel',
    [2],
    { kind: 'normal' },
  ],
  'initialize: kernel: init kind: expected one of zeros, ones, constant, normal, xavier-uniform, he-normal, lecun-normal, got "he"':
    [initialize, two(), 'kernel', [2], { kind: 'he' }, 0],
  'initialize: kernel: seed: expected an integer ≥ 0, got undefined': [
    initialize,
    two(),
    'kernel',
    [2],
    { kind: 'ones' },
  ],
  'initialize: kernel: expected an array of the 6 elements of [2, 3], got 2': [
    initialize,
    two(),
    'kernel',
    [2, 3],
    { kind: 'ones' },
    0,
  ],
  'vit: expected a variant, or width, layers and heads': [
    vit,
    new Scope(),
    images,
    3,
    { kind: 'vit', patch: 4 },
  ],
  'vit: activation: expected ("gelu" | "gelu-tanh"), got "relu"': [
    vit,
    new Scope(),
    images,
    3,
    { kind: 'vit', variant: 'micro', patch: 4, activation: 'relu' },
  ],
  'createSession: device: expected one of cpu, cuda, webgpu, got "gpu"; did you mean cpu?': [
    createSession,
    serialize(graph),
    { device: 'gpu', threads: 1 },
  ],
  'createSession: device: expected one of cpu, cuda, webgpu, got undefined': [
    createSession,
    serialize(graph),
  ],
  'createSession: threads: expected an integer ≥ 0, got undefined': [
    createSession,
    serialize(graph),
    { device: 'cpu' },
  ],
  'createOptimizer: optimizer: expected one of adamw, adam, radam, adabelief, lion, sgd, rmsprop, got "adamW"; did you mean adamw?':
    [createOptimizer, { optimizer: 'adamW' }],
  'createOptimizer: beta1: expected a finite number ≥ 0, got NaN': [
    createOptimizer,
    { optimizer: 'adam', beta1: Number.NaN },
  ],
  'update: learningRate: expected a finite number, got undefined': [
    sgd.update,
    { ...update(), learningRate: undefined },
  ],
  'update: weightDecay: expected a finite number, got "0.1"': [
    sgd.update,
    { ...update(), weightDecay: '0.1' },
  ],
  'update: count: expected an integer ≥ 1, got 0': [sgd.update, { ...update(), count: 0 }],
  'update: grad: expected a Float32Array of 2 elements, as param has, got 3 elements': [
    sgd.update,
    { ...update(), grad: new Float32Array(3) },
  ],
  'update: slots: momentum: expected a Float32Array of 2 elements, as param has, got undefined': [
    sgd.update,
    { ...update(), slots: undefined },
  ],
  'update: param: expected a Float32Array, got object': [sgd.update, { ...update(), param: [1, 2] }],
  'clipScale: maxNorm: expected a finite number ≥ 0, got undefined': [clipScale, 1],
  'learningRateSchedule: kind: expected one of constant, cosine, step, exponential, got "cos"': [
    learningRateSchedule,
    { ...rate, kind: 'cos' },
  ],
  'learningRateSchedule: totalSteps: expected a finite number ≥ 0, got undefined': [
    learningRateSchedule,
    { ...rate, totalSteps: undefined },
  ],
  'learningRateSchedule: gamma: expected a finite number ≥ 0, got undefined': [
    learningRateSchedule,
    { ...rate, gamma: undefined },
  ],
  'grSchedule: kind: expected one of none, exact, fd, sam, asam, gsam, looksam, got "SAM"; did you mean sam?':
    [grSchedule, { kind: 'SAM', warmup: 'none', warmupSteps: 0 }],
  'grSchedule: warmup: expected one of none, lambda, r, zero, got undefined': [
    grSchedule,
    { kind: 'exact', lambda: 0.1, warmupSteps: 0 },
  ],
  'Random: stream: expected one of init, shuffle, augment, sample, probe, validation, mask, erase, mix, got "dropout"':
    [(seed: number, stream: 'init') => new Random(seed, stream), 0, 'dropout'],
  'prepare: without: expected one of bias-into-linear, slice-up, shared-input, norm-into-linear, lookup-last, scale-into-linear, common-subexpressions, narrow-factors, early-factors, scalars-into-products, lookup-pieces, sums, transposed-products, sums-into-products, sums-into-scatters, execution-order, recompute, got "slices-up"; did you mean slice-up?':
    [prepare, [y], ['slices-up']],
  'finish: target: expected one of cpu, webgpu, got "gpu"; did you mean cpu?': [
    finish,
    graph,
    { target: 'gpu' },
  ],
  'finish: recomputeAfter: expected one of y, got "loss"': [
    finish,
    graph,
    { target: 'cpu', recomputeAfter: ['loss'] },
  ],
  'finish: tiny: expected every input that the outputs need among `inputs`, got no layer/kernel; add it': [
    finish,
    { ...graph, inputs: [x] },
    { target: 'cpu' },
  ],
  'serialize: tiny: expected every input that the outputs need among `inputs`, got no layer/kernel; add it': [
    serialize,
    { ...graph, inputs: [x] },
  ],
  'graphs: batch: expected an integer ≥ 1, got undefined': [graphsOf, {}],
  'graphs: memory: expected one of fast, lean, remat, got "slow"': [graphsOf, { batch: 4, memory: 'slow' }],
  'graphs: target: expected one of cpu, webgpu, got "gpu"; did you mean cpu?': [
    graphsOf,
    { batch: 4, target: 'gpu' },
  ],
  'graphs: name: expected one of loss-grad, gr-exact, hvp, evaluate, weights, infer, got "loss"': [
    graphOf,
    'loss',
  ],
  'openLoader: batchSize: expected an integer ≥ 1, got undefined': [
    openLoader,
    { ...loader, batchSize: undefined },
  ],
  'openLoader: split: expected one of train, validation, test, got "val"': [
    openLoader,
    { ...loader, split: 'val' },
  ],
  'openLoader: seed: expected an integer ≥ 0, got undefined': [openLoader, { ...loader, seed: undefined }],
  'openLoader: shuffle: expected true or false, got undefined': [
    openLoader,
    { ...loader, shuffle: undefined },
  ],
  'openLoader: augment: expected true or false, got undefined': [
    openLoader,
    { ...loader, augment: undefined },
  ],
  [`dataset: expected one of ${DATASET_NAMES.join(', ')}, or the path of a module such as ./my-data.js, got "cifar"; did you mean cifar10?`]:
    [openDataset, { ...data, dataset: 'cifar' }],
  'dataset mnist: classes: expected an integer ≥ 1, got 0': [openDataset, { ...data, classes: 0 }],
};

for (const [message, [call, ...args]] of Object.entries(WRONG)) {
  test(message, async (t) => {
    await t.throwsAsync(async () => Reflect.apply(call, undefined, args), { instanceOf: UserError, message });
  });
}

test('a Vision Transformer whose config leaves its defaults out has them', (t) => {
  const printed = (config: object) => {
    const logits = vit(new Scope(), images, 3, { kind: 'vit', variant: 'micro', patch: 4, ...config });
    return print({ name: 'vit', inputs: [], outputs: { logits } });
  };
  t.is(printed({}), printed({ mlpRatio: 4, pool: 'class', activation: 'gelu' }));
  t.not(printed({}), printed({ activation: 'gelu-tanh' }));
});

test('an update without a weight decay and a scale has none', (t) => {
  for (const optimizer of ['adamw', 'adam', 'sgd', 'rmsprop'] as const) {
    const { slots, update: step } = createOptimizer({ optimizer });
    const changed = (more: { weightDecay?: number; gradScale?: number }): Float32Array => {
      const param = Float32Array.of(1, -2);
      const grad = Float32Array.of(0.5, 0.25);
      step({ param, grad, slots: slots.map(two), learningRate: 0.1, count: 1, ...more });
      return param;
    };
    t.deepEqual(changed({}), changed({ weightDecay: 0, gradScale: 1 }));
    t.true(changed({}).every(Number.isFinite));
  }
});

test('an optimizer takes a number that is undefined as left out', (t) => {
  const { slots, update: step } = createOptimizer(JSON.parse('{"optimizer": "adamw"}'));
  const other = Reflect.apply(createOptimizer, undefined, [{ optimizer: 'adamw', beta1: undefined }]);
  const [a, b] = [Float32Array.of(1), Float32Array.of(1)];
  const rest = { grad: Float32Array.of(0.5), learningRate: 0.1, count: 1 };
  step({ ...rest, param: a, slots: slots.map(() => new Float32Array(1)) });
  other.update({ ...rest, param: b, slots: slots.map(() => new Float32Array(1)) });
  t.deepEqual(a, b);
});

test('a checkpoint that is none is refused before anything is written', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const whole = checkpointAt(3);
  for (const [changes, options, message] of [
    [{ step: undefined }, { keep: 1 }, 'saveCheckpoint: step: missing; this is not a checkpoint'],
    [{ optimizer: undefined }, { keep: 1 }, 'saveCheckpoint: optimizer: missing; this is not a checkpoint'],
    [{ epoch: 'two' }, { keep: 1 }, 'saveCheckpoint: epoch: expected number, got "two"'],
    [{}, {}, 'saveCheckpoint: keep: expected an integer ≥ 1, got undefined'],
  ] as const) {
    await t.throwsAsync(
      async () => Reflect.apply(saveCheckpoint, undefined, [run, { ...whole, ...changes }, options]),
      { instanceOf: UserError, message },
    );
  }
  t.false(existsSync(run));
});
