/**
 * A training run on this machine, from a config to a finished run folder: the run of run.ts with graphs, data, logs and
 * checkpoints in files. It can be stopped and resumed anywhere.
 */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createResidentSession, createSession, expectDevice } from '#runtime';
import type { GraphName } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { withRates } from '../artifacts/roles.ts';
import {
  type Artifact,
  ensureArtifact,
  type GraphFolder,
  graphsOf,
  taskHash,
} from '../artifacts/store.node.ts';
import type { TrainConfig } from '../config/config.ts';
import { isModulePath } from '../data/registry.node.ts';
import { UserError } from '../errors.ts';
import { type InitialWeights, initFrom } from '../inference/init-from.ts';
import { withStart } from '../inference/start.ts';
import type { MetricInfos } from '../metrics/info.ts';
import type { Session } from '../runtime/session.ts';
import type { Checkpoint } from '../storage/checkpoint.ts';
import type { EvaluationRecord, TrainRecord } from '../storage/metrics.ts';
import { createRunFolder, emptyRunFolder, writeConfig } from '../storage/run-folder.node.ts';
import { lockRun, type RunLock } from '../storage/run-lock.node.ts';
import { readSafetensors } from '../storage/safetensors.node.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import { infosOf } from '../tasks/infos.ts';
import { parseSpec } from '../tasks/parse-spec.ts';
import { isModuleSpec, isOnnxSpec, type ModuleSpec } from '../tasks/spec.ts';
import { beginTrainer, restoreTrainer } from './begin.ts';
import { openData, openFixedBatch, type RunData } from './data.node.ts';
import { createDeviceTrainer } from './device-trainer.ts';
import { createGauges } from './diagnostics/gauge.ts';
import { createHostTrainer } from './host-trainer.ts';
import { openLogs, type RunLogs } from './logs.node.ts';
import { expectDeviceOptions, graphsToRun, type Plan, planRun, remediesOf, stepPlanOf } from './plan.ts';
import { type PreparedRun, staysOnDevice } from './prepare.node.ts';
import { type RunResult as Result, Run, type RunSettings } from './run.ts';
import { type FolderStorage, openFolderStorage } from './storage.node.ts';
import type { Trainer } from './trainer.ts';

/** What a run reports while it trains. */
export interface RunObserver {
  /** A line for the user. */
  note(text: string): void;
  /** Everything is open; training begins after `step` steps. */
  started(plan: Plan, step: number, metrics: MetricInfos): void;
  step(record: TrainRecord): void;
  evaluated(record: EvaluationRecord): void;
  /** Called after every step: whether to save and stop. */
  shouldStop(): boolean;
}

/** How a run ended. */
export interface RunResult extends Result {
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly metrics: MetricInfos;
}

/**
 * Trains in `folder`: a new run that `prepareRun` has prepared, or a run that resumes from its checkpoint `resumed`, with
 * the config of that checkpoint.
 *
 *     const prepared = await prepareRun(parseConfig({ graph: 'vit-micro-mnist', epochs: 3 }, 'my options'));
 *     const { best } = await trainRun('runs/mine', prepared, { step: ({ step, loss }) => console.log(step, loss) });
 *
 * The folder of a new run must not exist, or be empty. It is created, with the folders above it, and `config.json` is
 * written there, after everything that can fail has been opened. One process at a time trains in a folder (run-lock.ts).
 * `held` is a lock that the caller has taken already, and releases itself; without `resumed`, the run in that folder then
 * begins again. If the checkpoint has taken all steps already, the folder is left as it is.
 *
 * Throws UserError for graphs, data and options that do not fit, a folder that is in use or cannot be written, a file
 * that cannot be written any more, and numbers that are not finite; the last checkpoint then stays.
 */
export async function trainRun(
  folder: string,
  prepared: Pick<PreparedRun, 'config' | 'graph'>,
  observer: Partial<RunObserver> = {},
  resumed?: Checkpoint,
  held?: RunLock,
): Promise<RunResult> {
  let lock = held ?? (resumed ? await lockRun(folder) : undefined);
  const begin = async (): Promise<RunLock> => {
    if (lock && resumed) return lock;
    if (held) await emptyRunFolder(folder);
    await createRunFolder(folder);
    lock ??= await lockRun(folder);
    await writeConfig(folder, prepared.config);
    return lock;
  };
  try {
    return await train({ folder, ...prepared, observer: whole(observer), resumed, begin });
  } finally {
    if (!held) await lock?.release();
  }
}

/** An observer of everything, from one that leaves out some calls. */
function whole(observer: Partial<RunObserver>): RunObserver {
  return {
    note: (text) => observer.note?.(text),
    started: (plan, step, metrics) => observer.started?.(plan, step, metrics),
    step: (record) => observer.step?.(record),
    evaluated: (record) => observer.evaluated?.(record),
    shouldStop: () => observer.shouldStop?.() ?? false,
  };
}

interface Job {
  readonly folder: string;
  readonly config: TrainConfig;
  readonly graph: GraphFolder;
  readonly observer: RunObserver;
  readonly resumed: Checkpoint | undefined;
  /** Called when everything that can fail beforehand is open. Afterwards the folder exists, and this process holds it. */
  readonly begin: () => Promise<RunLock>;
}

/** What a job has open: closed in any case. */
interface Opened {
  readonly data: RunData;
  readonly trainer?: Trainer;
  readonly storage?: FolderStorage;
  readonly logs?: RunLogs;
}

async function train(job: Job): Promise<RunResult> {
  const { config, graph, observer, resumed } = job;
  if (staysOnDevice(config)) expectDeviceOptions(config);
  await expectDevice(config.device);
  if (resumed) expectSameGraph(graph, resumed);
  const data = await openData(config, graph, observer.note);
  observer.note(data.train.info.found);
  let opened: Opened = { data };
  try {
    const plan = planRun(config, data.train.batchesPerEpoch);
    const lastStep = config.maxSteps > 0 ? Math.min(config.maxSteps, plan.totalSteps) : plan.totalSteps;
    if (resumed && resumed.step >= lastStep) return unchanged(job, plan, resumed);
    const { run, ...more } = await openRun(job, data, plan, lastStep, (part) => {
      opened = { ...opened, ...part };
    });
    observer.started(plan, run.step, run.options.infos);
    const result = await follow(run, observer, more.logs);
    await more.storage.settled();
    return { ...result, config, plan, metrics: run.options.infos };
  } finally {
    await closeAll(opened);
  }
}

/** Takes all steps, tells the logs and the observer, and stops where the observer says so. */
async function follow(run: Run, observer: RunObserver, logs: RunLogs): Promise<Result> {
  for await (const event of run) {
    logs.take(event);
    switch (event.kind) {
      case 'step':
        observer.step(event.record);
        if (observer.shouldStop()) run.stop();
        break;
      case 'evaluated':
        observer.evaluated(event.record);
        break;
      case 'warned':
        observer.note(event.message);
        break;
      case 'stopped':
        return event.result;
    }
  }
  throw new Error('internal: a run without an end');
}

async function closeAll({ data, trainer, storage, logs }: Opened): Promise<void> {
  const saved = storage?.settled() ?? Promise.resolve();
  await saved.finally(() => Promise.all([storage?.close(), data.close(), trainer?.release()]));
  logs?.close();
}

/** The run over its ports, from the beginning or from its checkpoint. `opens` is told what is to be closed. */
async function openRun(
  job: Job,
  data: RunData,
  plan: Plan,
  lastStep: number,
  opens: (part: Partial<Opened>) => void,
): Promise<{ readonly run: Run; readonly logs: RunLogs; readonly storage: FolderStorage }> {
  const { folder, config, graph, resumed, begin } = job;
  const artifact = await openArtifact(job);
  const manifest = withRates(artifact.manifest, config);
  expectScalars(config, manifest);
  const infos = infosOf(graph.task);
  const fixedBatch = config.hessianEvery > 0 ? await openFixedBatch(config, graph) : undefined;
  const start = resumed ? undefined : await startOf(job, manifest);
  const lock = await begin();
  const trainer = openTrainer(job, manifest, artifact, plan);
  opens({ trainer });
  if (resumed) {
    restoreTrainer(trainer, { ...resumed, parameters: withStart(graph.task, resumed.parameters) }, folder);
  } else beginTrainer(trainer, config.seed, start);
  const logs = openLogs(folder, config, resumed ? { resumeAtStep: resumed.step } : {});
  opens({ logs });
  const settings = settingsOf(config, manifest, plan, lastStep);
  const storage = await openFolderStorage(
    {
      ...{ folder, keep: config.keep, copies: settings.copies, remedies: remediesOf(config) },
      about: {
        config,
        generator: { seed: config.seed },
        graph: {
          ...{ name: graph.name, hash: manifest.hash, spec: graph.spec },
          ...(isModuleSpec(graph.spec) && { task: taskHash(graph.task) }),
        },
        dataset: data.train.info,
        metrics: infos,
      },
      async before() {
        await lock.check();
        logs.flush();
      },
    },
    frozenToSave(job, trainer),
    resumed !== undefined,
  );
  opens({ storage });
  const { train, validation, test } = data;
  const ports = { train, validation, test, fixedBatch, storage, load: loaderOf(config, artifact) };
  const at = resumed ?? { step: 0, best: null };
  const run = new Run({
    ...{ manifest, metrics: graph.task.metrics, infos, trainer, settings, ports },
    from: { step: at.step, best: at.best, recent: logs.recent },
  });
  return { run, logs, storage };
}

/** The frozen variables that are in no file yet. Those of a file that the spec names stay there. */
function frozenToSave({ graph: { spec, task } }: Job, { variables }: Trainer): readonly NamedTensor[] {
  const kept = isOnnxSpec(spec) ? task.start?.values() : undefined;
  return variables.variables(['frozen']).filter(({ name }) => !kept?.has(name));
}

/** Throws UserError for an option whose scalar the task does not have, so that it would be ignored silently. */
function expectScalars({ labelSmoothing }: TrainConfig, { name, scalars }: Manifest): void {
  if (labelSmoothing === 0 || scalars.some((scalar) => scalar.name === 'labelSmoothing')) return;
  throw new UserError(
    `--label-smoothing ${labelSmoothing}: it has no effect on ${name}, whose loss has no labels to smooth; leave it out`,
  );
}

/** The graphs that a run loads, written where they are missing. */
async function openArtifact({ config, graph, observer }: Job): Promise<Artifact> {
  const names = [...(staysOnDevice(config) ? [] : graphsToRun(config)), 'evaluate'] as const;
  const artifact = await ensureArtifact(graph, variantOf(config), names);
  const { written, damaged, file } = artifact;
  if (written.length > 0) {
    const mended = damaged.length > 0 ? `; ${damaged.join(', ')} had been damaged there` : '';
    const folder = path.dirname(file('evaluate'));
    observer.note(`${graph.name}: ${written.join(', ')} written to ${folder}${mended}`);
  }
  return artifact;
}

function variantOf({ microBatch, memory = 'fast', freeze }: TrainConfig) {
  return { microBatch, memory, freeze };
}

/** The weights to begin from: those that the task brings, and in their place those of the file that the config names. */
async function startOf(
  { config, graph, observer }: Job,
  manifest: Manifest,
): Promise<Pick<InitialWeights, 'values'> | undefined> {
  const own = graph.task.start?.values();
  const { initFrom: file } = config;
  if (file === undefined) return own && { values: own };
  const tensors = await readSafetensors(file);
  const wanted = manifest.variables.filter(({ path, role }) => !(role === 'frozen' && own?.has(path)));
  const start = initFrom(tensors, wanted, { origin: `--init-from ${file}` });
  observer.note(`weights of ${file}, with the names of ${start.naming}`);
  for (const note of start.notes) observer.note(note);
  return { values: new Map([...(own ?? []), ...start.values]) };
}

function loaderOf(config: TrainConfig, { file }: Artifact): (name: GraphName) => Promise<Session> {
  const { device, memory } = config;
  const threads = config.threads || availableParallelism();
  return (name) =>
    createSession(file(name), { device, threads, keepsMemory: memory === 'fast' || name === 'evaluate' });
}

function openTrainer({ config, graph }: Job, manifest: Manifest, artifact: Artifact, plan: Plan): Trainer {
  const { batchSize, seed, device, threads } = config;
  const shared = { manifest, plan: stepPlanOf(config, plan), seed, load: loaderOf(config, artifact) };
  if (!staysOnDevice(config)) return createHostTrainer({ ...shared, batchSize });
  const onDevice = { device, threads: threads || availableParallelism() };
  return createDeviceTrainer({
    ...shared,
    graphs: graphsOf({ ...graph, spec: { ...graph.spec, target: 'webgpu' } }, variantOf(config)),
    open: (model, next) => createResidentSession(model, onDevice, next),
  });
}

function settingsOf(config: TrainConfig, manifest: Manifest, plan: Plan, lastStep: number): RunSettings {
  const { stepsPerEpoch } = plan;
  const { batchSize, evalEvery, checkpointEvery, diagnosticsEvery, hessianEvery, gr } = config;
  const trained = manifest.variables.filter(({ role }) => role === 'trainable');
  return {
    ...{ batchSize, plan, gr, lastStep, diagnosticsEvery, hessianEvery },
    isEvaluated: (step) => step % (stepsPerEpoch * evalEvery) === 0,
    isSaved: (step) => step % stepsPerEpoch === 0 || (checkpointEvery > 0 && step % checkpointEvery === 0),
    ...(diagnosticsEvery > 0 && { gauge: createGauges(trained, config) }),
    // Where memory is short, training waits until its own arrays are written.
    copies: config.memory === 'fast',
    remedies: remediesOf(config),
  };
}

/** Throws UserError where the graph is another one than that of the checkpoint. */
function expectSameGraph({ spec, task, folder }: GraphFolder, { graph }: Checkpoint): void {
  const file = path.join(folder, 'spec.json');
  const saved = parseSpec(graph.spec, file);
  if (isModuleSpec(spec) && isModuleSpec(saved)) {
    expectSameModule(spec, saved, graph.task === taskHash(task));
    return;
  }
  if (isDeepStrictEqual(saved, spec)) return;
  throw new UserError(
    `${file}: the graph has changed since the run began; restore its spec.json, or begin a new run`,
  );
}

/** Throws UserError where a user's module computes something else than when the run began. It may lie elsewhere now. */
function expectSameModule(now: ModuleSpec, saved: ModuleSpec, isSameTask: boolean): void {
  const { module } = now.task;
  if (!isSameTask) {
    throw new UserError(
      `${module}: its task computes something else than when the run began: fields, variables, outputs, loss or metrics differ; restore it, or begin a new run (--init-from takes the weights of this one)`,
    );
  }
  if (isModulePath(now.dataset) && isModulePath(saved.dataset)) return;
  if (now.dataset === saved.dataset) return;
  throw new UserError(
    `--dataset: the run was begun with ${saved.dataset}, got ${now.dataset}; --resume cannot change that`,
  );
}

/** The result of a run whose steps had all been taken before. */
function unchanged({ config, graph }: Job, plan: Plan, { step, best }: Checkpoint): RunResult {
  const metrics = infosOf(graph.task);
  return { config, plan, metrics, step, best, outcome: 'done', testOfBest: null, seconds: 0 };
}
