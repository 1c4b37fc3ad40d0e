/**
 * A training run of the page's own images. The graphs are written in the page, and the images come with it.
 */
import { TaskGraphs } from '../../artifacts/graphs.ts';
import { describeTask } from '../../artifacts/manifest.ts';
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
import { beginTrainer, restoreTrainer } from '../../run/begin.ts';
import { fieldFeeds, floatsOf, runOn } from '../../run/engine.ts';
import { type Plan, planRun } from '../../run/plan.ts';
import type { BatchSource } from '../../run/run.ts';
import { type ArchivedRun, encodeRun } from '../../storage/run-archive.ts';
import { infosOf } from '../../tasks/infos.ts';
import { taskOf } from '../../tasks/own.ts';
import { parseSpec } from '../../tasks/parse-spec.ts';
import { expectImageSpec, type ImageSpec, type Spec } from '../../tasks/spec.ts';
import type { Fields, Task } from '../../tasks/task.ts';
import type { Backend } from './backend.ts';
import { PAGE_NAMES } from './labels.ts';
import { type PageDataset, trainingImages } from './packed-dataset.ts';
import { expectBatch, type NamedPieces, PageRun, type Training } from './page-run.ts';

/** The number of steps between measurements on the test images. */
const TEST_EVERY = 20;
const TEST_BATCH = 100;

/** A run of a classifier of images. */
export interface ImageTraining extends Training {
  /** The logits of an image, uint8 [height, width], which is normalised here. */
  classify(pixels: Uint8Array): Promise<Float32Array>;
  /** The run as an archive that `npm run train -- --resume` reads, in pieces. */
  save(now: Date): Promise<NamedPieces>;
  /** The model as `npm run export` writes it. */
  export(): Promise<NamedPieces>;
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
): Promise<ImageTraining> {
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
): Promise<ImageTraining> {
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
): Promise<ImageTraining> {
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

/** What the images of a run are, and what it began as. */
interface Origin {
  readonly graph: PageGraph;
  readonly dataset: PageDataset;
  readonly trained: DatasetInfo;
  readonly task: Task;
}

class PageTraining extends PageRun implements ImageTraining {
  readonly #origin: Origin;

  constructor(
    config: TrainConfig,
    graphs: TaskGraphs,
    graph: PageGraph,
    { dataset, backend }: TrainingOptions,
    resumed: Resumed | undefined,
  ) {
    const { task } = graphs;
    const saved = resumed?.run.checkpoint;
    const images = trainingBatches(config, graph.spec, task.fields, dataset);
    const described = describeTask(task, graphs, { name: graph.name, hash: saved?.graph.hash ?? '' });
    // The number of images where the run began, not that of this page: so the schedules stay as they were.
    const began = trainingImages(dataset, config.trainFraction);
    const plan = planRun(config, Math.floor(began / config.batchSize));
    super({
      ...{ config, graphs, plan, backend, manifest: withRates(described, config) },
      ...{ train: cycled(images, plan), test: testBatches(task.fields, dataset), testEvery: TEST_EVERY },
      begin: (trainer) =>
        resumed
          ? restoreTrainer(trainer, resumed.run.checkpoint, resumed.origin)
          : beginTrainer(trainer, config.seed),
      ...(resumed && { from: resumed.run }),
    });
    this.#origin = { graph, dataset, trained: saved?.dataset ?? describeImages(dataset, task.fields), task };
  }

  async classify(pixels: Uint8Array): Promise<Float32Array> {
    const { dataset, task } = this.#origin;
    await this.trainer.pull();
    const images = new Float32Array(pixels.length);
    writeNormalized(pixels, 0, dataset, normalizationTable(dataset), IN_PLACE, images, 0);
    const { labels: _, ...fields } = task.fields;
    const feeds = { ...this.trainer.variables.feeds, ...fieldFeeds({ fields }, { images }, 1) };
    return floatsOf(await runOn(await this.sessions.open('infer'), feeds), 'logits');
  }

  async save(now: Date): Promise<NamedPieces> {
    const { graph, trained, task } = this.#origin;
    // The archive's name: short, and of characters that every system allows.
    const folder = runName(this.config, now)
      .replaceAll(/[^\w.-]/g, '-')
      .slice(-44);
    const { frozen, best, ...state } = await this.state();
    const checkpoint = {
      ...{ config: this.config, generator: { seed: this.config.seed } },
      ...{ graph, dataset: trained },
      ...state,
      // The page keeps no copy of the best weights, so `best` is saved only where it is the current step.
      best: best?.step === state.step ? best : null,
      metrics: infosOf(task),
    };
    const pieces = await encodeRun(folder, { checkpoint, metrics: this.metrics() }, now);
    return { name: `${folder}.tar`, pieces };
  }

  async export(): Promise<NamedPieces> {
    const { spec } = this.#origin.graph;
    const { classes, mean, std } = this.#origin.dataset;
    const weights = await this.weights();
    return { name: 'model.onnx', pieces: [imageModel({ spec, weights, classes, mean, std })] };
  }
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
  expectBatch(batches, config, `${dataset.train.length}, the training images that this page has`);
  return batches;
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
