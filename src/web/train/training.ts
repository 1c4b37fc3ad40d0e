/**
 * A training run in a page: the run of run/run.ts, as in node. The graphs are written in the page, and the images come
 * with it.
 */
import { type GraphName, TaskGraphs } from '../../artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../artifacts/manifest.ts';
import { holdOutOf, parseConfig, runName, type TrainConfig } from '../../config/config.ts';
import { augmentationOf, IN_PLACE, normalizationTable, writeNormalized } from '../../data/augment.ts';
import { type Batches, batchesOf, IN_ORDER, inSequence, TO_TRAIN } from '../../data/batches.ts';
import { describeImages, imageFields, imageSplit } from '../../data/images.ts';
import { sha256 } from '../../digest.ts';
import { UserError } from '../../errors.ts';
import { imageModel } from '../../inference/inference-model.ts';
import { serialize } from '../../onnx/serialize.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import { setting } from '../../option-names.ts';
import { beginTrainer, restoreTrainer } from '../../run/begin.ts';
import { createDeviceTrainer } from '../../run/device-trainer.ts';
import { SPIKE_WINDOW } from '../../run/diagnostics/spikes.ts';
import { fieldFeeds, floatsOf, runOn } from '../../run/engine.ts';
import { createHostTrainer } from '../../run/host-trainer.ts';
import { expectDeviceOptions, type Plan, planRun, remediesOf, stepPlanOf } from '../../run/plan.ts';
import { type BatchSource, Run } from '../../run/run.ts';
import type { Trainer } from '../../run/trainer.ts';
import type { Session } from '../../runtime/session.ts';
import { type MetricsLine, metricsLine } from '../../storage/metrics.ts';
import { type ArchivedRun, encodeRun } from '../../storage/run-archive.ts';
import { infosOf } from '../../tasks/infos.ts';
import { taskOf } from '../../tasks/own.ts';
import { parseSpec } from '../../tasks/parse-spec.ts';
import { expectImageSpec, type ImageSpec, type Spec } from '../../tasks/spec.ts';
import type { Task } from '../../tasks/task.ts';
import type { Backend } from './backend.ts';
import { PAGE_NAMES } from './labels.ts';
import { type PageDataset, trainingImages } from './packed-dataset.ts';

/** The number of steps between measurements on the test images. */
const TEST_EVERY = 20;
const TEST_BATCH = 100;

export interface Training {
  readonly config: TrainConfig;
  readonly plan: Plan;
  /** The step after which the run ends. */
  readonly lastStep: number;
  /** The number of trained numbers, over all parameters. */
  readonly parameters: number;
  /** The number of steps done. */
  step(): number;
  /** All lines of metrics so far. */
  metrics(): readonly MetricsLine[];
  /** Takes a step and measures when it is due. Returns the new lines. Throws UserError where the loss is not finite. */
  advance(): Promise<readonly MetricsLine[]>;
  /** The logits of an image, uint8 [height, width], which is normalised here. */
  classify(pixels: Uint8Array): Promise<Float32Array>;
  /** The run as an archive that `npm run train -- --resume` reads, in pieces. */
  save(now: Date): Promise<NamedPieces>;
  /** The model as `npm run export` writes it. */
  export(): Promise<NamedPieces>;
  release(): Promise<void>;
}

export interface NamedPieces {
  readonly name: string;
  readonly pieces: readonly Uint8Array[];
}

export interface TrainingOptions {
  readonly dataset: PageDataset;
  readonly backend: Backend;
}

/** A new run. Throws UserError for options that do not fit each other. */
export async function newTraining(
  settings: unknown,
  spec: Spec,
  options: TrainingOptions,
): Promise<Training> {
  const config = parseConfig(settings, undefined, PAGE_NAMES);
  const microBatch = config.microBatch || config.batchSize;
  const whole = { ...config, microBatch, memory: config.memory ?? 'fast' };
  return openTraining(whole, expectImageSpec(spec, config.graph), options);
}

/** Continues a saved run. Throws UserError where it is of other images, or broken. `origin` names its file. */
export async function resumedTraining(
  run: ArchivedRun,
  origin: string,
  options: TrainingOptions,
): Promise<Training> {
  const { config, graph, dataset } = run.checkpoint;
  const spec = expectImageSpec(parseSpec(graph.spec, `${origin}: graph`), origin);
  const own = options.dataset;
  const size = (of: Pick<PageDataset, 'channels' | 'height' | 'width'>): string =>
    `${of.channels}×${of.height}×${of.width}`;
  if (dataset.name !== own.name || size(spec.image) !== size(own) || spec.classes !== own.classes.length) {
    throw new UserError(
      `${origin}: it was trained on ${dataset.name} of ${size(spec.image)} in ${spec.classes} classes, expected ${own.name} of ${size(own)} in ${own.classes.length}, the images that this page has; continue it in node: npm run train -- --resume`,
    );
  }
  // A page trains to the end: a limit on steps that the run had in node does not count here.
  const whole = { ...parseConfig(config, `${origin}: config`, PAGE_NAMES), maxSteps: 0 };
  return openTraining(whole, spec, options, { run, origin });
}

async function openTraining(
  config: TrainConfig,
  spec: ImageSpec,
  { dataset, backend }: TrainingOptions,
  resumed?: { readonly run: ArchivedRun; readonly origin: string },
): Promise<Training> {
  if (holdOutOf(config) !== undefined) {
    throw new UserError(
      `${resumed?.origin ?? 'settings'}: the run holds out validation images, and a page does not; train it in node: npm run train`,
    );
  }
  const saved = resumed?.run.checkpoint;
  const name = saved?.graph.name ?? config.graph;
  const task = taskOf(spec);
  const graphs = graphsOf(spec, config);
  const manifest = describeTask(task, graphs, { name, hash: saved?.graph.hash ?? '' });
  const load = (graph: GraphName) => backend.load(serialize(graphs.graph(graph)));

  const images = trainingBatches(config, dataset);
  // The number of images where the run began, not that of this page: so the schedules stay as they were.
  const plan = planRun(config, Math.floor(trainingImages(dataset, config.trainFraction) / config.batchSize));
  const lastStep = plan.totalSteps;
  const trainer = openTrainer(config, { task, manifest, plan, backend, load });
  if (resumed) restoreTrainer(trainer, resumed.run.checkpoint, resumed.origin);
  else beginTrainer(trainer, config.seed);

  const metrics = [...(resumed?.run.metrics ?? [])];
  const sessions = keptSessions(load);
  const infos = infosOf(task);
  const run = new Run({
    ...{ manifest, metrics: task.metrics, infos, trainer },
    settings: {
      ...{ batchSize: config.batchSize, plan, gr: config.gr, lastStep, copies: true },
      isEvaluated: (step) => step % TEST_EVERY === 0,
      isSaved: () => false,
      remedies: remediesOf(config, PAGE_NAMES),
    },
    ports: { train: cycled(images, plan), test: testBatches(dataset), load: sessions.open },
    from: {
      step: saved?.step ?? 0,
      best: saved?.best ?? null,
      recent: metrics.filter(({ split }) => split === 'train').slice(-SPIKE_WINDOW),
    },
  });
  const events = run[Symbol.asyncIterator]();
  const graph = {
    name,
    hash: saved?.graph.hash ?? (await sha256(serialize(graphs.graph('loss-grad')))),
    spec,
  };
  const about = {
    config,
    generator: { seed: config.seed },
    graph,
    dataset: saved?.dataset ?? describeImages(dataset),
  };

  return {
    config,
    plan,
    lastStep,
    parameters: manifest.variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    step: () => run.step,
    metrics: () => metrics,
    async advance() {
      const lines: MetricsLine[] = [];
      for (let isOver = false; !isOver; ) {
        const { value: event } = await events.next();
        if (event?.kind === 'step' || event?.kind === 'evaluated') lines.push(metricsLine(event.record));
        isOver = event === undefined || event.kind === 'settled' || event.kind === 'stopped';
      }
      metrics.push(...lines);
      return lines;
    },
    async classify(pixels) {
      await trainer.pull();
      const normalized = new Float32Array(pixels.length);
      writeNormalized(pixels, 0, dataset, normalizationTable(dataset), IN_PLACE, normalized, 0);
      const { labels: _, ...fields } = task.fields;
      const feeds = { ...trainer.variables.feeds, ...fieldFeeds({ fields }, { images: normalized }, 1) };
      return floatsOf(await runOn(await sessions.open('infer'), feeds), 'logits');
    },
    async save(now) {
      // The archive's name: short, and of characters that every system allows.
      const folder = runName(config, now)
        .replaceAll(/[^\w.-]/g, '-')
        .slice(-44);
      const { frozen, best, ...state } = await run.state(true);
      // The page keeps no copy of the best weights, so `best` is saved only where it is the current step.
      const checkpoint = {
        ...about,
        ...state,
        best: best?.step === state.step ? best : null,
        metrics: infos,
      };
      const pieces = await encodeRun(folder, { checkpoint, metrics }, now);
      return { name: `${folder}.tar`, pieces };
    },
    async export() {
      await trainer.pull();
      const { classes, mean, std } = dataset;
      const weights = new Map(manifest.variables.map(({ path }) => [path, trainer.variables.array(path)]));
      return { name: 'model.onnx', pieces: [imageModel({ spec, weights, classes, mean, std })] };
    },
    async release() {
      await trainer.release();
      await sessions.release();
    },
  };
}

interface TrainerParts {
  readonly task: Task;
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly load: (graph: GraphName) => Promise<Session>;
}

/** A trainer on the device or on the processor. */
function openTrainer(config: TrainConfig, { task, manifest, plan, backend, load }: TrainerParts): Trainer {
  const { batchSize, seed, memory = 'fast' } = config;
  const shared = { manifest, plan: stepPlanOf(config, plan, PAGE_NAMES), seed, load };
  if (!backend.open) return createHostTrainer({ ...shared, batchSize });
  expectDeviceOptions(config, PAGE_NAMES);
  const graphs = new TaskGraphs(task, { batch: batchSize, memory, target: 'webgpu' });
  return createDeviceTrainer({ ...shared, graphs, open: backend.open });
}

/** Sessions that are opened once and kept, since a page asks for them again and again. */
function keptSessions(load: (graph: GraphName) => Promise<Session>) {
  const kept = new Map<GraphName, Promise<Session>>();
  return {
    async open(graph: GraphName): Promise<Session> {
      const opened = kept.get(graph) ?? load(graph);
      kept.set(graph, opened);
      return { ...(await opened), release: async () => {} };
    },
    async release(): Promise<void> {
      for (const session of kept.values()) await (await session).release();
    },
  };
}

function graphsOf(spec: ImageSpec, { microBatch, batchSize, memory = 'fast' }: TrainConfig): TaskGraphs {
  try {
    return new TaskGraphs(taskOf(spec), { batch: microBatch || batchSize, memory, target: spec.target });
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('internal:')) throw error;
    throw new UserError(`the graph's spec: ${error.message}`);
  }
}

function trainingBatches(config: TrainConfig, dataset: PageDataset): Batches {
  const { batchSize, seed, augment } = config;
  const split = imageSplit(dataset.train, dataset, augmentationOf(augment, dataset.name));
  const batches = batchesOf(imageFields(dataset), split, {
    ...{ batchSize, seed, shuffle: true },
    ...TO_TRAIN,
  });
  if (batches.perEpoch > 0) return batches;
  throw new UserError(
    `${setting(PAGE_NAMES, 'batchSize', batchSize)}: expected at most ${dataset.train.length}, the training images that this page has`,
  );
}

/**
 * The batches that a run takes by its plan, whose epochs are those of where it began: of the page's images, which may be
 * fewer, one epoch after the other.
 */
function cycled(images: Batches, { stepsPerEpoch }: Plan): BatchSource {
  return {
    async *batches({ epoch, fromBatch = 0 }) {
      for (let step = fromBatch; step < stepsPerEpoch; step++) {
        const count = epoch * stepsPerEpoch + step;
        const batch = await images.batch(Math.floor(count / images.perEpoch), count % images.perEpoch);
        yield { ...batch, epoch, step };
      }
    },
  };
}

function testBatches(dataset: PageDataset): BatchSource {
  const split = imageSplit(dataset.test, dataset, augmentationOf('none', dataset.name));
  return inSequence(batchesOf(imageFields(dataset), split, { batchSize: TEST_BATCH, ...IN_ORDER }));
}
