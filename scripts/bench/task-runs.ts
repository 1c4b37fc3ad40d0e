/** The same training run by ortgrad and by PyTorch, on the same arrays, each in a process of its own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { type GraphFolder, openGraph } from '../../src/artifacts/store.node.ts';
import { configFor, type TrainConfig } from '../../src/config/config.ts';
import { assembleBatch, epochOrder } from '../../src/data/batches.ts';
import type { Dataset, Split } from '../../src/data/dataset.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { UserError } from '../../src/errors.ts';
import { datasetSource } from '../../src/inference/source.ts';
import { initialize } from '../../src/layers/scope.ts';
import { moduleBeside } from '../../src/module-beside.node.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { encodeSafetensors, type NamedTensor } from '../../src/storage/safetensors.ts';
import { isOwnSpec } from '../../src/tasks/spec.ts';
import { type PeerNetwork, peerNetwork } from './peer-network.ts';

/** What a run tells, on either side. */
export interface TaskRun {
  /** Of every step's batch. */
  readonly losses: readonly number[];
  /** On the test examples, after the last step; `loss` among them. */
  readonly metrics: Readonly<Record<string, number>>;
  /** From the first step to the last measurement, by the clock and of CPU time. */
  readonly seconds: number;
  readonly cpu: number;
  /** The most bytes that were resident in the process. */
  readonly peak: number;
}

/** Options of a run that a user could give to `train`. */
export type TaskOptions = Pick<
  TrainConfig,
  'graph' | 'epochs' | 'batchSize' | 'learningRate' | 'weightDecay' | 'gr' | 'seed' | 'threads'
> &
  Partial<Pick<TrainConfig, 'lambda' | 'maxSteps' | 'warmupEpochs' | 'data' | 'trainFraction' | 'augment'>>;

/** A task whose arrays both sides read. */
export interface SharedTask {
  readonly graph: GraphFolder;
  readonly dataset: Dataset;
  /** safetensors: `train/FIELD` and `test/FIELD`. */
  readonly arrays: string;
  readonly folder: string;
}

/** Opens a graph and its dataset, and writes what both sides read to `folder`. Throws UserError. */
export async function shareTask(
  options: Pick<TaskOptions, 'graph' | 'data' | 'trainFraction' | 'augment'>,
  folder: string,
): Promise<SharedTask> {
  const graph = await openGraph(options.graph);
  const dataset = await openDataset(datasetSource(configFor(options), graph));
  const arrays = path.join(folder, `${options.graph}.safetensors`);
  const tensors = await Promise.all(
    [dataset.train, dataset.test].map((split, i) => arraysOf(dataset, split, i === 0 ? 'train' : 'test')),
  );
  mkdirSync(folder, { recursive: true });
  write(arrays, tensors.flat());
  return { graph, dataset, arrays, folder };
}

async function arraysOf({ fields }: Dataset, split: Split, name: string): Promise<NamedTensor[]> {
  const all = Uint32Array.from({ length: split.length }, (_, i) => i);
  const { fields: data } = await assembleBatch(fields, split, all);
  return Object.entries(fields).map(([field, { shape }]) => {
    const values = data[field];
    if (!values) throw new Error(`internal: a batch without ${field}`);
    return { name: `${name}/${field}`, shape: [split.length, ...shape], data: values };
  });
}

/** ortgrad's run. */
export function runOurs({ folder }: Pick<SharedTask, 'folder'>, options: TaskOptions): TaskRun {
  const subject = fileURLToPath(moduleBeside('task-subject', import.meta.url));
  // Measured once, after the last step.
  const config = JSON.stringify({ ...options, evalEvery: options.epochs });
  const run = path.join(
    folder,
    `run-${options.graph}-${options.gr}-${options.seed}-${options.maxSteps ?? 0}`,
  );
  return runProcess('ortgrad', process.execPath, [...process.execArgv, subject, config, run]);
}

/** PyTorch's run. With `start` it begins with the weights and takes the examples in the order of ours. */
export function runPeer(
  shared: SharedTask,
  options: TaskOptions,
  python: string,
  start?: { readonly steps: number },
): TaskRun {
  const { graph, arrays, folder } = shared;
  const { batchSize, learningRate, weightDecay, warmupEpochs, clip, epochs, seed, gr, lambda } =
    configFor(options);
  const job = {
    ...ownNetwork(graph),
    ...{ batchSize, learningRate, weightDecay, warmupEpochs, clip, epochs, seed, data: arrays },
    ...(start && writeStart(shared, options, start.steps)),
    threads: options.threads,
    lambda: gr === 'exact' ? lambda : 0,
  };
  const file = path.join(folder, 'job.json');
  writeFileSync(file, JSON.stringify(job));
  const script = fileURLToPath(new URL('../peers/torch_tasks.py', import.meta.url));
  return runProcess('PyTorch', python, [script, file]);
}

function ownNetwork({ name, spec }: GraphFolder): PeerNetwork {
  if (!isOwnSpec(spec)) throw new UserError(`${name}: expected a graph of ours, got a user's module`);
  return peerNetwork(spec);
}

/** The weights that ours begins with, and the examples of its first steps. */
function writeStart(
  { graph, dataset, folder }: SharedTask,
  { seed, batchSize }: TaskOptions,
  steps: number,
): { readonly weights: string; readonly order: string } {
  const files = {
    weights: path.join(folder, 'weights.safetensors'),
    order: path.join(folder, 'order.safetensors'),
  };
  const weights = new TaskGraphs(graph.task, { batch: 1 }).parameters.map(({ path: name, shape, init }) => {
    const data = new Float32Array(sizeOf(shape));
    initialize(data, name, shape, init, seed);
    return { name, shape, data };
  });
  const order = orderOf(dataset.train.length, { seed, batchSize, steps });
  write(files.weights, weights);
  write(files.order, [{ name: 'indices', shape: [order.length], data: order }]);
  return files;
}

/** The examples of the first steps of a run, over as many epochs as they take. */
export function orderOf(
  examples: number,
  { seed, batchSize, steps }: Pick<TaskOptions, 'seed' | 'batchSize'> & { readonly steps: number },
): Int32Array {
  const perEpoch = Math.floor(examples / batchSize) * batchSize;
  const order = new Int32Array(steps * batchSize);
  for (let at = 0, epoch = 0; at < order.length; at += perEpoch, epoch++) {
    order.set(epochOrder(examples, seed, epoch, true).subarray(0, Math.min(perEpoch, order.length - at)), at);
  }
  return order;
}

function write(file: string, tensors: readonly NamedTensor[]): void {
  writeFileSync(file, Buffer.concat(encodeSafetensors(tensors)));
}

function runProcess(name: string, command: string, args: readonly string[]): TaskRun {
  const { status, signal, stdout, stderr, error } = spawnSync(command, [...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const last = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
  throw new UserError(`${name}: the run failed (${signal ?? `exit code ${status}`}): ${last}`);
}

/** The largest relative difference of two series of losses; infinite where they are of other lengths. */
export function worstLoss(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length || ours.length === 0) return Number.POSITIVE_INFINITY;
  const worst = Math.max(
    ...ours.map((loss, i) => Math.abs(loss - (theirs[i] ?? Number.NaN)) / Math.abs(loss)),
  );
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
