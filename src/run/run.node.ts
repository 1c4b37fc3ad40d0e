/**
 * A training run on this machine, from a config to a finished run folder: opens graphs and data, steps, measures,
 * saves, and can be stopped and resumed anywhere.
 */
import { existsSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createResidentSession, createSession, expectDevice } from '#runtime';
import type { GraphName, Variant } from '../artifacts/build.ts';
import { buildForSpec, ensureArtifact, type GraphFolder, openGraph } from '../artifacts/store.node.ts';
import { holdOutOf, hyperparametersOf, type TrainConfig } from '../config/config.ts';
import type { DatasetSource, SplitName } from '../data/dataset.ts';
import { imageFields, imageInfo, imagesOf } from '../data/images.ts';
import { type Loader, openLoader } from '../data/loader.node.ts';
import { expectDataFolder } from '../data/open.node.ts';
import { UserError } from '../errors.ts';
import { openModel, type TrainedModel } from '../inference/model.node.ts';
import type { Session } from '../runtime/session.ts';
import type { Checkpoint } from '../storage/checkpoint.ts';
import { saveCheckpoint } from '../storage/checkpoint-folder.node.ts';
import { openCheckpointWriter } from '../storage/checkpoint-writer.node.ts';
import type { DiagnosticsRecord } from '../storage/diagnostics.ts';
import { type DiagnosticsLog, openDiagnosticsLog } from '../storage/diagnostics-log.node.ts';
import type { EvaluationRecord, TrainRecord } from '../storage/metrics.ts';
import { lastMetrics, openMetricsLog } from '../storage/metrics-log.node.ts';
import { METRICS_FILE } from '../storage/run-archive.ts';
import { createRunFolder, emptyRunFolder, writeConfig } from '../storage/run-folder.node.ts';
import { lockRun, type RunLock } from '../storage/run-lock.node.ts';
import { openTensorBoard } from '../storage/tensorboard.node.ts';
import { type Best, isBetter } from './best.ts';
import { createGauges } from './diagnostics/gauge.ts';
import { measureHessian } from './diagnostics/hessian.ts';
import { createSpikeMarks, SPIKE_WINDOW } from './diagnostics/spikes.ts';
import { evaluate, type Scores } from './evaluate.ts';
import { createDeviceTrainer, expectDeviceOptions } from './images/device-trainer.ts';
import { createEngine, engineGraphs, type LabelledImages } from './images/engine.ts';
import { ParameterArrays, type WeightArrays } from './images/parameters.ts';
import {
  createTrainer,
  expectFiniteScores,
  expectFiniteState,
  type Plan,
  planRun,
} from './images/trainer.ts';
import { estimateMemory } from './memory-estimate.ts';
import { chooseMemory, gigabytes } from './micro-batch.ts';

/** How many test images one run of the inference graph holds. */
export const TEST_BATCH = 100;

/** What a run reports while it trains. */
export interface RunObserver {
  /** A line for the user. */
  note(text: string): void;
  /** Everything is open; training begins after `step` steps. */
  started(plan: Plan, step: number): void;
  step(record: TrainRecord): void;
  evaluated(record: EvaluationRecord): void;
  /** Called after every step: whether to save and stop. */
  shouldStop(): boolean;
}

/** How a run ended. */
export interface RunResult {
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly step: number;
  /** `interrupted` when `shouldStop` ended it, `done` when all steps or `maxSteps` are taken. */
  readonly outcome: 'done' | 'interrupted';
  readonly best: Checkpoint['best'];
  /** On the test images, of the best checkpoint, where validation images chose it; null elsewhere. */
  readonly testOfBest: Scores | null;
  readonly seconds: number;
}

export interface PreparedRun {
  readonly config: TrainConfig;
  readonly graph: GraphFolder;
  /** Estimated bytes at the peak. */
  readonly bytes: number;
  readonly note: string;
}

/**
 * Opens the graph that a config names, and chooses the micro-batch and the memory level. The run may use `share` of the
 * free memory. Throws UserError.
 */
export async function prepareRun(given: TrainConfig, share = 1): Promise<PreparedRun> {
  const graph = await openGraph(given.graph);
  expectDataFolder(datasetSource(given, graph));
  const config = staysOnDevice(given)
    ? { ...given, microBatch: given.microBatch || given.batchSize, memory: given.memory ?? 'fast' }
    : given;
  const estimate = (variant: Variant): number =>
    estimateMemory(graph.spec, buildForSpec(graph, variant), config, variant, TEST_BATCH);
  const free = share * freeBytes();
  const { microBatch, memory, bytes, fits } = chooseMemory(graph.spec, config, estimate, free);
  const warning = fits ? '' : `, of ${gigabytes(free)} that are free`;
  return {
    config: { ...config, microBatch, memory },
    graph,
    bytes,
    note: `${graph.name}: batch ${config.batchSize}, micro-batch ${microBatch}, memory ${memory}, about ${gigabytes(bytes)} at the peak${warning}`,
  };
}

/** On WebGPU the state stays on the device, and a step is one run of one graph. */
function staysOnDevice({ device }: TrainConfig): boolean {
  return device === 'webgpu';
}

/** The machine's free memory, or the container's limit if that is smaller. */
function freeBytes(): number {
  const limit = process.constrainedMemory();
  return limit ? Math.min(freemem(), limit) : freemem();
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
    return await train(folder, prepared, whole(observer), resumed, begin);
  } finally {
    if (!held) await lock?.release();
  }
}

/** An observer of everything, from one that leaves out some calls. */
function whole(observer: Partial<RunObserver>): RunObserver {
  return {
    note: (text) => observer.note?.(text),
    started: (plan, step) => observer.started?.(plan, step),
    step: (record) => observer.step?.(record),
    evaluated: (record) => observer.evaluated?.(record),
    shouldStop: () => observer.shouldStop?.() ?? false,
  };
}

async function train(
  folder: string,
  { config, graph }: Pick<PreparedRun, 'config' | 'graph'>,
  observer: RunObserver,
  resumed: Checkpoint | undefined,
  /** Called when everything that can fail beforehand is open. Afterwards the folder exists, and this process holds it. */
  begin: () => Promise<RunLock>,
): Promise<RunResult> {
  const onDevice = staysOnDevice(config);
  if (onDevice) expectDeviceOptions(config);
  await expectDevice(config.device);
  if (resumed && !isDeepStrictEqual(resumed.graph.spec, graph.spec)) {
    throw new UserError(
      `${path.join(graph.folder, 'spec.json')}: the graph has changed since the run began; restore its spec.json, or begin a new run`,
    );
  }
  const variant = { microBatch: config.microBatch, memory: config.memory ?? 'fast' };
  const { train, validation, test } = await openData(config, graph);
  observer.note(train.info.found);
  const closeData = () => Promise.all([train.close(), validation?.close(), test.close()]);
  const plan = planRun(config, train.batchesPerEpoch);
  const lastStep = config.maxSteps > 0 ? Math.min(config.maxSteps, plan.totalSteps) : plan.totalSteps;
  if (resumed && resumed.step >= lastStep) {
    await closeData();
    return {
      config,
      plan,
      step: resumed.step,
      outcome: 'done',
      best: resumed.best,
      testOfBest: null,
      seconds: 0,
    };
  }
  const { manifest, file, written, damaged } = await ensureArtifact(graph, variant, [
    ...(onDevice ? [] : engineGraphs(config)),
    'infer',
  ]).catch(async (error: unknown) => {
    await closeData();
    throw error;
  });
  if (written.length > 0) {
    const mended = damaged.length > 0 ? `; ${damaged.join(', ')} had been damaged there` : '';
    observer.note(`${graph.name}: ${written.join(', ')} written to ${path.dirname(file('infer'))}${mended}`);
  }
  const device = { device: config.device, threads: config.threads || availableParallelism() };
  const load = (name: GraphName): Promise<Session> =>
    createSession(file(name), { ...device, keepsMemory: variant.memory === 'fast' || name === 'infer' });
  const fixedBatch = config.hessianEvery > 0 ? await openFixedBatch(config, graph) : undefined;
  const lock = await begin();
  const parameters = new ParameterArrays(manifest);
  const engine = createEngine({
    manifest,
    parameters,
    kind: config.gr,
    labelSmoothing: config.labelSmoothing,
    load,
  });
  const resident = onDevice
    ? createDeviceTrainer(config, plan, manifest, parameters, {
        spec: { ...graph.spec, target: 'webgpu' },
        open: (model, next) => createResidentSession(model, device, next),
      })
    : undefined;
  const trainer = resident ?? createTrainer(config, plan, manifest, parameters, engine);
  if (resumed) {
    parameters.restore(parameters.values, resumed.parameters, folder);
    for (const [slot, arrays] of Object.entries(trainer.slots)) {
      parameters.restore(arrays, resumed.optimizer.slots[slot] ?? [], `${folder}: optimizer ${slot}`);
    }
  } else parameters.initialize(config.seed);

  let step = resumed?.step ?? 0;
  let best = resumed?.best ?? null;
  let testOfBest: Scores | null = null;
  const at = resumed ? { resumeAtStep: step } : {};
  const metrics = path.join(folder, METRICS_FILE);
  const board = openTensorBoard(path.join(folder, 'tensorboard'), {
    ...at,
    hyperparameters: hyperparametersOf(config),
  });
  const sinks = [openMetricsLog(metrics, at), board];
  const diagnostics = openDiagnostics(folder, config, at);
  const diagnose = (record: DiagnosticsRecord): void => {
    diagnostics?.write(record);
    board.diagnose(record);
  };
  const spikeOf = createSpikeMarks(lastMetrics(metrics, 'train', SPIKE_WINDOW));
  const gaugeOf = config.diagnosticsEvery > 0 ? createGauges(manifest.parameters, config) : undefined;
  const isDue = (every: number, taken: number): boolean => every > 0 && taken % every === 0;
  const start = performance.now();
  const writer = openCheckpointWriter();
  let saving: Promise<void> = Promise.resolve();

  const isMemoryShort = variant.memory !== 'fast';
  const tensors = (arrays: WeightArrays) =>
    isMemoryShort ? parameters.named(arrays) : parameters.snapshot(arrays);

  /** A thread writes copies of the arrays while training goes on; where memory is short, training waits instead. */
  const save = async (): Promise<void> => {
    await saving;
    await resident?.pull();
    await lock.check();
    for (const log of [...sinks, diagnostics]) log?.flush();
    const checkpoint: Checkpoint = {
      config,
      step,
      epoch: Math.floor(step / plan.stepsPerEpoch),
      parameters: tensors(parameters.values),
      optimizer: {
        name: trainer.rule.name,
        slots: Object.fromEntries(
          Object.entries(trainer.slots).map(([slot, arrays]) => [slot, tensors(arrays)]),
        ),
      },
      generator: { seed: config.seed },
      best,
      graph: { name: graph.name, hash: manifest.hash, spec: graph.spec },
      dataset: imageInfo(train.info),
    };
    expectFiniteState(config, checkpoint);
    const write = isMemoryShort ? saveCheckpoint : writer.save;
    saving = write(folder, checkpoint, { keep: config.keep });
    saving.catch(() => {}); // awaited before the next one, and at the end
    if (isMemoryShort) await saving;
  };

  /** Adds an evaluation of `weights` on the images of a loader to the logs. Throws DivergedError. */
  const measure = async (
    split: EvaluationRecord['split'],
    loader: Loader,
    weights = parameters.feeds,
  ): Promise<EvaluationRecord> => {
    const start = performance.now();
    // Released after each measurement, so that the graphs of the next steps can use its memory.
    const inference = await load('infer');
    const { images, ...scores } = await evaluate(inference, manifest, weights, loader.batches({ epoch: 0 }));
    await inference.release();
    return tell({
      step,
      epoch: Math.ceil(step / plan.stepsPerEpoch),
      split,
      ...scores,
      images_per_second: (1000 * images) / (performance.now() - start),
    });
  };

  const tell = (record: EvaluationRecord): EvaluationRecord => {
    expectFiniteScores(config, record);
    for (const sink of sinks) sink.write(record);
    observer.evaluated(record);
    return record;
  };

  /** Returns whether this is the best checkpoint so far: by validation images or, without any, by test images. */
  const assess = async (): Promise<boolean> => {
    await resident?.pull();
    const split = validation ? 'validation' : 'test';
    const { top1, loss } = await measure(split, validation ?? test);
    const isBest = isBetter({ top1, loss, split }, best);
    if (isBest) best = { top1, loss, split, step };
    return isBest;
  };

  /** At the end of a run with validation images: what its last and its best checkpoint make of the test images. */
  const conclude = async (): Promise<void> => {
    const last = await measure('test', test);
    if (best === null || best.step === step) {
      testOfBest = tell({ ...last, split: 'test_best' });
      return;
    }
    await saving;
    try {
      testOfBest = await measure('test_best', test, await bestWeights(folder, best));
    } catch (error) {
      // The run itself is fine, and its last checkpoint is still to be saved.
      if (!(error instanceof UserError)) throw error;
      observer.note(`best checkpoint: not measured on the test images: ${error.message}`);
    }
  };

  const curvature = async (images: LabelledImages): Promise<void> => {
    const start = performance.now();
    const measured = await measureHessian(
      (vector) => engine.hessianTimes(images, vector),
      parameters.values.views.map(({ length }) => length),
    );
    // Steps in two phases use its graph, too.
    if (config.gr !== 'exact' || config.microBatch === config.batchSize) await engine.free('hvp');
    diagnose({
      kind: 'hessian',
      step,
      epoch: Math.ceil(step / plan.stepsPerEpoch),
      ...measured,
      images: images.labels.length,
      seconds: (performance.now() - start) / 1000,
    });
  };

  const result = (outcome: RunResult['outcome']): RunResult => ({
    config,
    plan,
    step,
    outcome,
    best,
    testOfBest,
    seconds: (performance.now() - start) / 1000,
  });

  observer.started(plan, step);
  try {
    while (step < lastStep) {
      const epoch = Math.floor(step / plan.stepsPerEpoch);
      let previous = performance.now();
      for await (const batch of train.batches({ epoch, fromBatch: step % plan.stepsPerEpoch })) {
        const gauge = isDue(config.diagnosticsEvery, step + 1) ? gaugeOf?.() : undefined;
        const taken = await trainer.step(step, { ...batch, ...imagesOf(batch) }, gauge);
        step++;
        if (gauge) diagnose(gauge.record(taken));
        const now = performance.now();
        const record: TrainRecord = {
          ...taken,
          spike: spikeOf(taken),
          images_per_second: (1000 * config.batchSize) / (now - previous),
        };
        previous = now;
        for (const sink of sinks) sink.write(record);
        observer.step(record);
        const isCurved = isDue(config.hessianEvery, step);
        if (isCurved && fixedBatch) await curvature(fixedBatch);
        const epochEnds = step % plan.stepsPerEpoch === 0;
        const isEvaluated = step === lastStep || (epochEnds && (epoch + 1) % config.evalEvery === 0);
        const isSaved =
          epochEnds ||
          step === lastStep ||
          (config.checkpointEvery > 0 && step % config.checkpointEvery === 0);
        const isBest = isEvaluated ? await assess() : false;
        if (validation && step === lastStep) await conclude();
        const isStopped = observer.shouldStop() && step < lastStep;
        if (isSaved || isStopped || isBest) await save();
        if (isStopped) return result('interrupted');
        if (step === lastStep) break;
        previous = Math.max(previous, isEvaluated || isCurved ? performance.now() : 0);
      }
    }
    return result('done');
  } finally {
    await saving.finally(() =>
      Promise.all([writer.close(), train.close(), test.close(), engine.release(), resident?.release()]),
    );
    for (const log of [...sinks, diagnostics]) log?.close();
  }
}

/** The file of diagnostics, if there is one. A resumed run without diagnostics still removes the lines past its step. */
function openDiagnostics(
  folder: string,
  config: TrainConfig,
  at: { resumeAtStep?: number },
): DiagnosticsLog | undefined {
  const file = path.join(folder, 'diagnostics.jsonl');
  const isWanted = config.diagnosticsEvery > 0 || config.hessianEvery > 0;
  return isWanted || existsSync(file) ? openDiagnosticsLog(file, at) : undefined;
}

/** The images that a run of a config takes, as its graph wants them. */
export function datasetSource(config: TrainConfig, { spec }: GraphFolder): DatasetSource {
  return {
    dataset: spec.dataset,
    dir: config.data,
    fields: imageFields(spec.image),
    classes: spec.classes,
    augmentation: config.augment,
    trainFraction: config.trainFraction,
    holdOut: holdOutOf(config),
  };
}

/** Throws UserError where the checkpoint that a run names as its best is not there. */
async function bestWeights(folder: string, { step }: Best): Promise<TrainedModel['weights']> {
  const { checkpoint, weights } = await openModel(path.join(folder, 'best'));
  if (checkpoint.step === step) return weights;
  throw new UserError(
    `${path.join(folder, 'best')}: expected the checkpoint of step ${step}, got that of step ${checkpoint.step}`,
  );
}

/** A batch of training images without augmentation. It is the same for every seed, unless the seed holds out images. */
async function openFixedBatch(config: TrainConfig, graph: GraphFolder): Promise<LabelledImages> {
  const loader = await openLoader({
    source: datasetSource(config, graph),
    split: 'train',
    batchSize: config.batchSize,
    seed: 0,
    shuffle: true,
    dropLast: true,
    augment: false,
    prefetch: 0,
  });
  try {
    for await (const batch of loader.batches({ epoch: 0 })) return imagesOf(batch);
    throw new Error('internal: a loader without a batch');
  } finally {
    await loader.close();
  }
}

interface Loaders {
  readonly train: Loader;
  readonly validation: Loader | undefined;
  readonly test: Loader;
}

async function openData(config: TrainConfig, graph: GraphFolder): Promise<Loaders> {
  const source = datasetSource(config, graph);
  const opened: Loader[] = [];
  const open = async (loader: Promise<Loader>): Promise<Loader> => {
    opened.push(await loader);
    return loader;
  };
  try {
    const train = await open(
      openLoader({
        source,
        split: 'train',
        batchSize: config.batchSize,
        seed: config.seed,
        shuffle: true,
        dropLast: true,
        augment: true,
      }),
    );
    const validation = train.hasValidation ? await open(openInOrder(source, 'validation')) : undefined;
    return { train, validation, test: await open(openInOrder(source, 'test')) };
  } catch (error) {
    await Promise.all(opened.map((loader) => loader.close()));
    throw error;
  }
}

/** The test images of a dataset, in order, not augmented. */
export function openTestLoader(source: DatasetSource): Promise<Loader> {
  return openInOrder(source, 'test');
}

function openInOrder(source: DatasetSource, split: SplitName): Promise<Loader> {
  return openLoader({
    source,
    split,
    batchSize: TEST_BATCH,
    seed: 0,
    shuffle: false,
    dropLast: false,
    augment: false,
  });
}
