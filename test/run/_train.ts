/** Steps that tasks are trained by, on the host and in one graph, and how far two trainings are apart. */
import { type GraphOptions, TaskGraphs } from '../../src/artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../src/artifacts/manifest.ts';
import type { Batch } from '../../src/data/batch.ts';
import { expectAt } from '../../src/expect.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { createDeviceTrainer } from '../../src/run/device-trainer.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import type { StepPlan, StepTold, Trainer } from '../../src/run/trainer.ts';
import type { VariableArrays } from '../../src/run/variables.ts';
import { createResidentSession, createSession } from '../../src/runtime/ort.node.ts';
import type { Session } from '../../src/runtime/session.ts';
import type { Regularizer } from '../../src/step/program.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference, sam } from '../../src/step/regularizers/finite-difference.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import type { Task } from '../../src/tasks/task.ts';
import { batchOf } from './_tasks.ts';

const CPU = { device: 'cpu', threads: 1 } as const;
export const load = (graphs: TaskGraphs, name: Parameters<TaskGraphs['graph']>[0]): Promise<Session> =>
  createSession(serialize(graphs.graph(name)), CPU);

export const STRENGTHS: Readonly<
  Record<string, { regularizer: Regularizer; scalars: Record<string, number> }>
> = {
  none: { regularizer: none, scalars: {} },
  exact: { regularizer: exact, scalars: { lambda: 0.05 } },
  fd: { regularizer: finiteDifference, scalars: { r: 0.1, alpha: 0.5 } },
  sam: { regularizer: sam, scalars: { r: 0.1 } },
};

export function planOf(kind: string, more: Partial<StepPlan> = {}): StepPlan {
  const { regularizer = none, scalars = {} } = STRENGTHS[kind] ?? {};
  return {
    regularizer,
    strength: () => ({ active: kind !== 'none', scalars }),
    rule: adamw(),
    learningRate: (step) => 0.01 / (1 + step),
    weightDecay: 0.1,
    clip: 1,
    ...more,
  };
}

export interface Training extends Omit<GraphOptions, 'batch'> {
  readonly task: Task;
  readonly kind?: string;
  readonly batchSize?: number;
  readonly microBatch?: number;
  readonly steps?: number;
  readonly plan?: Partial<StepPlan>;
  readonly data?: (step: number) => Batch;
  /** Starting values in place of drawn ones. */
  readonly start?: (path: string, values: Float32Array) => void;
}

export interface Trained {
  readonly told: readonly StepTold[];
  readonly variables: Readonly<Record<string, Float32Array>>;
  readonly slots: Readonly<Record<string, readonly Float32Array[]>>;
}

export function described(task: Task, graphs: TaskGraphs): Manifest {
  return describeTask(task, graphs, {
    name: 'test',
    hash: '',
    rates: ({ path }) => ({
      learningRate: path.startsWith('out') ? 2 : 1,
      weightDecay: path.endsWith('kernel') ? 1 : 0,
    }),
  });
}

export function graphsOf({ task, batchSize = 8, microBatch = batchSize, ...options }: Training): TaskGraphs {
  return new TaskGraphs(task, { batch: microBatch, ...options });
}

async function train(
  { task, batchSize = 8, steps = 3, data = (step) => batchOf(task, batchSize, step), start }: Training,
  trainer: Trainer & { readonly variables: VariableArrays },
  manifest: Manifest,
): Promise<Trained> {
  trainer.variables.initialize(5);
  for (const { path } of start ? manifest.variables : []) start?.(path, trainer.variables.array(path));
  const told: StepTold[] = [];
  for (let step = 0; step < steps; step++) told.push(await trainer.step(step, data(step)));
  await trainer.pull();
  await trainer.release();
  const variables = manifest.variables.map(({ path }): [string, Float32Array] => [
    path,
    Float32Array.from(trainer.variables.array(path)),
  ]);
  return { told, variables: Object.fromEntries(variables), slots: trainer.slots };
}

export function onHost(training: Training): Promise<Trained> {
  const { task, kind = 'none', batchSize = 8, plan } = training;
  const graphs = graphsOf(training);
  const manifest = described(task, graphs);
  const trainer = createHostTrainer({
    manifest,
    plan: planOf(kind, plan),
    batchSize,
    seed: 3,
    load: (name) => load(graphs, name),
  });
  return train(training, trainer, manifest);
}

export function onDevice(training: Training): Promise<Trained> {
  const { task, kind = 'none', plan } = training;
  const graphs = graphsOf(training);
  const manifest = described(task, graphs);
  const trainer = createDeviceTrainer({
    manifest,
    graphs,
    plan: planOf(kind, plan),
    seed: 3,
    open: (model, next) => createResidentSession(model, CPU, next),
    load: (name) => load(graphs, name),
  });
  return train(training, trainer, manifest);
}

/** The largest relative difference between two trainings: of the numbers told, and of each variable by its norm. */
export function difference(got: Trained, wanted: Trained): number {
  const numbers = wanted.told.flatMap(({ loss, gradNorm, regularizedNorm, sums }, i) => {
    const other = expectAt(got.told, i);
    return [
      [other.loss, loss],
      [other.gradNorm, gradNorm],
      [other.regularizedNorm, regularizedNorm],
      ...Object.entries(sums).flatMap(([name, values]) =>
        [...values].map((x, k) => [other.sums[name]?.[k], x]),
      ),
    ].map(([a = Number.NaN, b = Number.NaN]) => Math.abs(a - b) / Math.max(Math.abs(b), 1e-30));
  });
  const whole = Math.hypot(...Object.values(wanted.variables).map((values) => Math.hypot(...values)));
  const arrays = Object.entries(wanted.variables).map(([path, values]) => {
    const error = Math.hypot(...values.map((x, i) => x - (got.variables[path]?.[i] ?? Number.NaN)));
    // A key's bias in attention is rounding alone.
    return error / Math.max(Math.hypot(...values), 1e-5 * whole);
  });
  return Math.max(...numbers, ...arrays);
}
