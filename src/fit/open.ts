/** A run of `fit`, ready to begin: options checked, graphs written, arrays filled. Also for browsers. */
import { createResidentSession, createSession, expectDevice } from '#runtime';
import { TaskGraphs } from '../artifacts/graphs.ts';
import { describeTask, type Manifest } from '../artifacts/manifest.ts';
import { type Arrays, readArrays } from '../data/arrays.ts';
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
import { serialize } from '../onnx/serialize.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { createDeviceTrainer } from '../run/device-trainer.ts';
import { createHostTrainer } from '../run/host-trainer.ts';
import type { Trainer } from '../run/trainer.ts';
import type { SessionOptions } from '../runtime/session.ts';
import type { Task } from '../tasks/task.ts';
import { expectOptions } from './option-names.ts';
import { expectFound, expectPattern, type FitPlan, finds, planFit, ratesOf } from './plan.ts';
import { decodeSaved, type SavedRun } from './saved.ts';
import { FitSession } from './session.ts';
import { split } from './split.ts';
import { taskOf } from './task.ts';
import type { AnyFitOptions, FitOptions, Model, OpenFit } from './types.ts';
import { expectWeights } from './weights.ts';

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

/**
 * A run to be gone through by a loop of one's own: `for await (const event of run) …`, then `run.result()`. Options are
 * those of `fit`; it calls none of their callbacks, and stops where the loop says so. Throws UserError, before anything is trained, where something is not valid.
 */
export function openFit<const D extends Arrays, M extends Model<D>>(
  options: FitOptions<D, M>,
): Promise<OpenFit<Parameters<M>[1], ReturnType<M>, D>>;
export async function openFit(options: FitOptions<Arrays, Model<Arrays>>): Promise<FitSession> {
  const prepared = prepare(options);
  if (prepared.session.device !== 'cpu') await expectDevice(prepared.session.device);
  const trainer = trainerOf(prepared);
  const saved = options.resume === undefined ? undefined : decodeSaved(options.resume);
  const session = new FitSession(prepared, trainer, saved);
  try {
    if (saved) await resume(session, trainer, saved);
    else begin(prepared, trainer);
    return session;
  } catch (error) {
    await session.release();
    throw error;
  }
}

function prepare(options: AnyFitOptions): Prepared {
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
  const manifest = describeTask(task, graphs, {
    name: options.name ?? 'model',
    hash: '',
    rates: ratesOf(options.groups, graphs.parameters),
  });
  const elements = variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const { threads = elements < MANY_PARAMETERS ? 1 : 0, wasmPaths } = options;
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

function rolesOf({ freeze }: AnyFitOptions): (variable: Variable) => Role {
  if (freeze === undefined) return ({ role }) => role;
  expectPattern('freeze', freeze);
  return ({ path, role }) => (role === 'trainable' && finds(freeze, path) ? 'frozen' : role);
}

/** Throws UserError for a field of a name that a graph has for something else. */
function expectFieldNames(names: readonly string[], variables: readonly Variable[], { step }: FitPlan): void {
  const taken = new Set([
    ...variables.map(({ path }) => path),
    ...['theta', 'lambda', 'learningRate', 'weightDecay', 'clip', ...step.rule.slots],
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

function trainerOf({ manifest, graphs, plan, batchSize, seed, session }: Prepared): Trainer {
  const load = (name: Parameters<TaskGraphs['graph']>[0]) =>
    createSession(serialize(graphs.graph(name)), session);
  if (session.device !== 'webgpu') {
    return createHostTrainer({ manifest, plan: plan.step, batchSize, seed, load });
  }
  if (manifest.microBatch !== batchSize) {
    throw new UserError(
      'microBatch: on webgpu a batch goes through at once; leave it out, or take a smaller batchSize',
    );
  }
  return createDeviceTrainer({
    ...{ manifest, graphs, plan: plan.step, seed, load },
    open: (model, next) => createResidentSession(model, session, next),
  });
}

/** Fills the arrays: from the seed, or from weights that are given. */
function begin({ options, manifest, seed }: Prepared, trainer: Trainer): void {
  const { initialWeights, fresh } = options;
  trainer.variables.initialize(seed);
  if (initialWeights !== undefined) {
    if (fresh !== undefined) expectPattern('fresh', fresh);
    const isFresh = (path: string): boolean => fresh !== undefined && finds(fresh, path);
    const kept = Object.fromEntries(Object.entries(initialWeights).filter(([path]) => !isFresh(path)));
    const wanted = manifest.variables.filter(({ path }) => !isFresh(path));
    for (const { name, data } of expectWeights('initialWeights', kept, wanted)) {
      if (data instanceof Float32Array) trainer.variables.array(name).set(data);
    }
  } else if (fresh !== undefined) {
    throw new UserError('fresh: has an effect only with initialWeights');
  }
}

/** Fills the arrays with what was saved. */
async function resume(session: FitSession, trainer: Trainer, saved: SavedRun): Promise<void> {
  await session.expectSame(saved.document);
  const { variables, slots } = trainer;
  variables.restoreVariables(['trainable', 'state'], saved.now, 'resume');
  variables.restoreVariables(['frozen'], saved.frozen, 'resume');
  for (const [slot, arrays] of Object.entries(slots)) {
    variables.restore(arrays, saved.slots[slot] ?? [], 'resume');
  }
}
