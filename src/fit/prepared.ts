/** Everything that a run of `fit` is opened with: options checked, arrays read, graphs written. Also for browsers. */
import { TaskGraphs } from '../artifacts/graphs.ts';
import { describeTask, type Manifest } from '../artifacts/manifest.ts';
import { withLayerDecay } from '../artifacts/roles.ts';
import { readArrays } from '../data/arrays.ts';
import type { Split } from '../data/dataset.ts';
import { show, UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import type { Role, Variable } from '../layers/scope.ts';
import {
  isLoss,
  judgeOf,
  lossInfo,
  type MetricInfo,
  type MetricInfos,
  metricInfos,
} from '../metrics/info.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { slotsOf } from '../step/program.ts';
import type { Task } from '../tasks/task.ts';
import { expectOptions } from './option-names.ts';
import { expectFound, expectPattern, type FitPlan, finds, planFit, ratesOf } from './plan.ts';
import { split } from './split.ts';
import { taskOf } from './task.ts';
import type { AnyFitOptions } from './types.ts';

/** Everything that a run was opened with. */
export interface Prepared {
  readonly options: AnyFitOptions;
  readonly task: Task;
  readonly isSingle: () => boolean;
  readonly graphs: TaskGraphs;
  readonly manifest: Manifest;
  readonly infos: MetricInfos;
  readonly train: Split;
  readonly validation: Split | undefined;
  readonly batchSize: number;
  /** Examples that evaluation and prediction take at once. */
  readonly evaluatedAtOnce: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly plan: FitPlan;
  readonly session: SessionOptions;
  /** What training stops by, where it stops early. */
  readonly stopping: { readonly info: MetricInfo; readonly patience: number } | undefined;
}

/** Examples that evaluation and prediction take at once, at least. */
const EVALUATED = 256;

/** A model of fewer parameters is faster on one thread: its operators are shorter than waking another. */
const MANY_PARAMETERS = 100_000;

/** Throws UserError, before anything is trained, where something is not valid. */
export function prepare(options: AnyFitOptions): Prepared {
  expectOptions(options);
  const { seed = 0, shuffle = true, batchSize: wanted = 32, device = 'cpu', memory = 'fast' } = options;
  expectNumber('seed', seed, { min: 0, isInteger: true });
  expectNumber('batchSize', wanted, { min: 1, isInteger: true });
  const data = readArrays('data', options.data);
  const { train, validation } = split(data, options.validation, seed);
  const batchSize = Math.min(wanted, train.length);
  const microBatch = options.microBatch ?? batchSize;
  expectNumber('microBatch', microBatch, { min: 1, isInteger: true });
  if (batchSize % microBatch !== 0) {
    throw new UserError(`microBatch: ${microBatch} does not divide the batch of ${batchSize}`);
  }
  const plan = planFit(options, Math.floor(train.length / batchSize));
  const { task, isSingle } = taskOf(options, data.fields);
  const target = device === 'webgpu' ? 'webgpu' : 'cpu';
  const graphs = new TaskGraphs(task, { batch: microBatch, memory, target, roles: rolesOf(options) });
  const { variables } = graphs.pass;
  if (options.freeze)
    expectFound(
      `freeze: ${options.freeze}`,
      options.freeze,
      variables.map(({ path }) => path),
    );
  expectFieldNames(Object.keys(data.fields), variables, plan);
  const described = describeTask(task, graphs, {
    name: options.name ?? 'model',
    hash: '',
    rates: ratesOf(options.groups, graphs.parameters),
  });
  const manifest = withLayerDecay(described, layerDecayOf(options), 'layerDecay');
  const { threads = threadsFor(variables), wasmPaths } = options;
  const all = metricInfos(task.metrics);
  const infos = judgedBy(options, all);
  return {
    ...{ options, task, isSingle, graphs, manifest, train, validation, batchSize, seed, shuffle, plan },
    infos,
    evaluatedAtOnce: Math.max(batchSize, EVALUATED),
    stopping: stoppingOf(options, judgeOf(infos), all),
    session: { device, threads, ...(wasmPaths !== undefined && { wasmPaths }) },
  };
}

/** Threads for a model of these variables: one, or 0 for all. */
export function threadsFor(variables: readonly Pick<Variable, 'shape'>[]): number {
  return variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0) < MANY_PARAMETERS ? 1 : 0;
}

function layerDecayOf({ layerDecay = 1 }: AnyFitOptions): number {
  expectNumber('layerDecay', layerDecay);
  if (layerDecay > 0 && layerDecay <= 1) return layerDecay;
  throw new UserError(`layerDecay: expected a factor above 0 and at most 1, got ${layerDecay}`);
}

function rolesOf({ freeze }: AnyFitOptions): (variable: Variable) => Role {
  if (freeze === undefined) return ({ role }) => role;
  expectPattern('freeze', freeze);
  return ({ path, role }) => (role === 'trainable' && finds(freeze, path) ? 'frozen' : role);
}

/** Throws UserError for a field of a name that a graph has for something else. */
function expectFieldNames(names: readonly string[], variables: readonly Variable[], { step }: FitPlan): void {
  const taken = new Set([
    ...variables.map(({ path }) => path),
    ...['theta', 'lambda', 'learningRate', 'weightDecay', 'clip', ...slotsOf(step)],
    ...[...step.regularizer.scalars, ...Object.keys(step.rule.scalars(1))],
  ]);
  const clash = names.find((name) => taken.has(name) || name.includes('/'));
  if (clash !== undefined)
    throw new UserError(
      `data: ${clash}: a field cannot have this name, which the graphs use; call it otherwise`,
    );
}

function infoOf(what: string, name: string, infos: MetricInfos): MetricInfo {
  const found = infos.find((info) => info.name === name);
  if (found) return found;
  throw new UserError(
    `${what}: expected one of ${infos.map((info) => info.name).join(', ')}, got ${show(name)}`,
  );
}

/** The infos with the metric that judges first; the loss alone where that judges. */
function judgedBy({ judge }: AnyFitOptions, infos: MetricInfos): MetricInfos {
  if (judge === undefined) return infos;
  const found = infoOf('judge', judge, infos);
  return isLoss(found) ? [lossInfo(infos)] : [found, ...infos.filter((info) => info !== found)];
}

function stoppingOf(
  { earlyStopping, validation }: AnyFitOptions,
  judge: MetricInfo,
  infos: MetricInfos,
): Prepared['stopping'] {
  if (earlyStopping === undefined) return undefined;
  const { patience, metric } = earlyStopping;
  expectNumber('earlyStopping: patience', patience, { min: 1, isInteger: true });
  if (validation === undefined)
    throw new UserError('earlyStopping: there is nothing to judge by; give validation examples');
  if (metric === undefined) return { info: judge, patience };
  return { info: infoOf('earlyStopping: metric', metric, infos), patience };
}
