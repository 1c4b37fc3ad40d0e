/**
 * A training run in a page: the run of run/run.ts, as in node. The graphs are written in the page, and the images come
 * with it.
 */
import { type GraphName, TaskGraphs } from '../../artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../artifacts/manifest.ts';
import { withRates } from '../../artifacts/roles.ts';
import { holdOutOf, parseConfig, runName, type TrainConfig } from '../../config/config.ts';
import { IN_PLACE, normalizationTable, writeNormalized } from '../../data/augment.ts';
import { type Batches, batchesOf, IN_ORDER, inSequence, TO_TRAIN } from '../../data/batches.ts';
import type { DatasetInfo } from '../../data/dataset.ts';
import { describeImages, imageSplit } from '../../data/images.ts';
import { stepsFor } from '../../data/names.ts';
import { sha256 } from '../../digest.ts';
import { UserError } from '../../errors.ts';
import { imageModel } from '../../inference/inference-model.ts';
import { augmentationOf, specInUse } from '../../inference/source.ts';
import { serialize } from '../../onnx/serialize.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import { setting } from '../../option-names.ts';
import { beginTrainer, restoreTrainer } from '../../run/begin.ts';
import { createDeviceTrainer } from '../../run/device-trainer.ts';
import { SPIKE_WINDOW } from '../../run/diagnostics/spikes.ts';
import { fieldFeeds, floatsOf, runOn } from '../../run/engine.ts';
import { createHostTrainer } from '../../run/host-trainer.ts';
import { expectDeviceOptions, type Plan, planRun, remediesOf, stepPlanOf } from '../../run/plan.ts';
import { type BatchSource, Run, type RunEvent } from '../../run/run.ts';
import type { Trainer } from '../../run/trainer.ts';
import type { Session } from '../../runtime/session.ts';
import { type MetricsLine, metricsLine } from '../../storage/metrics.ts';
import { type ArchivedRun, encodeRun } from '../../storage/run-archive.ts';
import { infosOf } from '../../tasks/infos.ts';
import { taskOf } from '../../tasks/own.ts';
import { parseSpec } from '../../tasks/parse-spec.ts';
import { expectImageSpec, type ImageSpec, type Spec } from '../../tasks/spec.ts';
import type { Fields, Task } from '../../tasks/task.ts';
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
  return openTraining(whole, specInUse(expectImageSpec(spec, config.graph), config), options);
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
  options: TrainingOptions,
  resumed?: Resumed,
): Promise<Training> {
  if (holdOutOf(config) !== undefined) {
    throw new UserError(
      `${resumed?.origin ?? 'settings'}: the run holds out validation images, and a page does not; train it in node: npm run train`,
    );
  }
  const saved = resumed?.run.checkpoint;
  const graphs = graphsOf(spec, config);
  const graph = {
    name: saved?.graph.name ?? config.graph,
    hash: saved?.graph.hash ?? (await sha256(serialize(graphs.graph('loss-grad')))),
    spec,
  };
  return new PageTraining(config, graphs, graph, options, resumed);
}

interface Resumed {
  readonly run: ArchivedRun;
  readonly origin: string;
}

interface PageGraph {
  readonly name: string;
  readonly hash: string;
  readonly spec: ImageSpec;
}

class PageTraining implements Training {
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly lastStep: number;
  readonly parameters: number;
  readonly #graph: PageGraph;
  readonly #dataset: PageDataset;
  readonly #trained: DatasetInfo;
  readonly #task: Task;
  readonly #manifest: Manifest;
  readonly #trainer: Trainer;
  readonly #sessions: ReturnType<typeof keptSessions>;
  readonly #metrics: MetricsLine[];
  readonly #run: Run;
  readonly #events: AsyncIterator<RunEvent, void>;

  constructor(
    config: TrainConfig,
    graphs: TaskGraphs,
    graph: PageGraph,
    { dataset, backend }: TrainingOptions,
    resumed: Resumed | undefined,
  ) {
    const { task } = graphs;
    const saved = resumed?.run.checkpoint;
    const load = (name: GraphName) => backend.load(serialize(graphs.graph(name)));
    const images = trainingBatches(config, graph.spec, task.fields, dataset);
    this.config = config;
    this.#graph = graph;
    this.#dataset = dataset;
    this.#trained = saved?.dataset ?? describeImages(dataset, task.fields);
    this.#task = task;
    const described = describeTask(task, graphs, { name: graph.name, hash: saved?.graph.hash ?? '' });
    this.#manifest = withRates(described, config);
    this.parameters = this.#manifest.variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    // The number of images where the run began, not that of this page: so the schedules stay as they were.
    const began = trainingImages(dataset, config.trainFraction);
    this.plan = planRun(config, Math.floor(began / config.batchSize));
    this.lastStep = this.plan.totalSteps;
    this.#trainer = openTrainer(config, { graphs, manifest: this.#manifest, plan: this.plan, backend, load });
    if (resumed) restoreTrainer(this.#trainer, resumed.run.checkpoint, resumed.origin);
    else beginTrainer(this.#trainer, config.seed);
    this.#sessions = keptSessions(load);
    this.#metrics = [...(resumed?.run.metrics ?? [])];
    this.#run = new Run({
      ...{ manifest: this.#manifest, metrics: task.metrics, infos: infosOf(task), trainer: this.#trainer },
      settings: {
        ...{ batchSize: config.batchSize, plan: this.plan, gr: config.gr, lastStep: this.lastStep },
        copies: true,
        isEvaluated: (step) => step % TEST_EVERY === 0,
        isSaved: () => false,
        remedies: remediesOf(config, PAGE_NAMES),
      },
      ports: {
        train: cycled(images, this.plan),
        test: testBatches(task.fields, dataset),
        load: this.#sessions.open,
      },
      from: {
        step: saved?.step ?? 0,
        best: saved?.best ?? null,
        recent: this.#metrics.filter(({ split }) => split === 'train').slice(-SPIKE_WINDOW),
      },
    });
    this.#events = this.#run[Symbol.asyncIterator]();
  }

  step(): number {
    return this.#run.step;
  }

  metrics(): readonly MetricsLine[] {
    return this.#metrics;
  }

  async advance(): Promise<readonly MetricsLine[]> {
    const lines: MetricsLine[] = [];
    for (let isOver = false; !isOver; ) {
      const { value: event } = await this.#events.next();
      if (event?.kind === 'step' || event?.kind === 'evaluated') lines.push(metricsLine(event.record));
      isOver = event === undefined || event.kind === 'settled' || event.kind === 'stopped';
    }
    this.#metrics.push(...lines);
    return lines;
  }

  async classify(pixels: Uint8Array): Promise<Float32Array> {
    await this.#trainer.pull();
    const images = new Float32Array(pixels.length);
    writeNormalized(pixels, 0, this.#dataset, normalizationTable(this.#dataset), IN_PLACE, images, 0);
    const { labels: _, ...fields } = this.#task.fields;
    const feeds = { ...this.#trainer.variables.feeds, ...fieldFeeds({ fields }, { images }, 1) };
    return floatsOf(await runOn(await this.#sessions.open('infer'), feeds), 'logits');
  }

  async save(now: Date): Promise<NamedPieces> {
    // The archive's name: short, and of characters that every system allows.
    const folder = runName(this.config, now)
      .replaceAll(/[^\w.-]/g, '-')
      .slice(-44);
    const { frozen, best, ...state } = await this.#run.state(true);
    const checkpoint = {
      ...{ config: this.config, generator: { seed: this.config.seed } },
      ...{ graph: this.#graph, dataset: this.#trained },
      ...state,
      // The page keeps no copy of the best weights, so `best` is saved only where it is the current step.
      best: best?.step === state.step ? best : null,
      metrics: infosOf(this.#task),
    };
    const pieces = await encodeRun(folder, { checkpoint, metrics: this.#metrics }, now);
    return { name: `${folder}.tar`, pieces };
  }

  async export(): Promise<NamedPieces> {
    await this.#trainer.pull();
    const { classes, mean, std } = this.#dataset;
    const { variables } = this.#trainer;
    const weights = new Map(this.#manifest.variables.map(({ path }) => [path, variables.array(path)]));
    const { spec } = this.#graph;
    return { name: 'model.onnx', pieces: [imageModel({ spec, weights, classes, mean, std })] };
  }

  async release(): Promise<void> {
    await this.#trainer.release();
    await this.#sessions.release();
  }
}

interface TrainerParts {
  readonly graphs: TaskGraphs;
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly load: (graph: GraphName) => Promise<Session>;
}

/** A trainer on the device or on the processor. */
function openTrainer(config: TrainConfig, { graphs, manifest, plan, backend, load }: TrainerParts): Trainer {
  const { batchSize, seed, memory = 'fast' } = config;
  const shared = { manifest, plan: stepPlanOf(config, plan, PAGE_NAMES), seed, load };
  if (!backend.open) return createHostTrainer({ ...shared, batchSize });
  expectDeviceOptions(config, PAGE_NAMES);
  const own = new TaskGraphs(graphs.task, { batch: batchSize, memory, target: 'webgpu' });
  return createDeviceTrainer({ ...shared, graphs: own, open: backend.open });
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

function trainingBatches(
  config: TrainConfig,
  spec: ImageSpec,
  fields: Fields,
  dataset: PageDataset,
): Batches {
  const { batchSize, seed } = config;
  const split = imageSplit(dataset.train, dataset, stepsFor(augmentationOf(config, spec), dataset.name));
  const batches = batchesOf(fields, split, {
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

function testBatches(fields: Fields, dataset: PageDataset): BatchSource {
  const split = imageSplit(dataset.test, dataset, []);
  return inSequence(batchesOf(fields, split, { batchSize: TEST_BATCH, ...IN_ORDER }));
}
