/**
 * A training run in a page. The trainer, engine, schedules, batches and checkpoints are the same as in node. The graphs
 * are written in the page, and the images come with it.
 */
import { type BuiltGraphs, buildGraphs, type GraphName } from '../../artifacts/build.ts';
import { describeGraphs } from '../../artifacts/image-manifest.ts';
import { holdOutOf, parseConfig, runName, type TrainConfig } from '../../config/config.ts';
import {
  augmentationOf,
  IN_PLACE,
  NO_AUGMENTATION,
  normalizationTable,
  writeNormalized,
} from '../../data/augment.ts';
import type { Batch } from '../../data/batch.ts';
import { type Batches, batchesOf } from '../../data/batches.ts';
import { imageFields, imageSplit, imagesOf } from '../../data/images.ts';
import { sha256 } from '../../digest.ts';
import { UserError } from '../../errors.ts';
import { inferenceModel } from '../../inference/inference-model.ts';
import { classifierMetrics, judgeOf } from '../../metrics/info.ts';
import { serialize } from '../../onnx/serialize.ts';
import { setting } from '../../option-names.ts';
import { asBest, isBetter } from '../../run/best.ts';
import { createSpikeMarks } from '../../run/diagnostics/spikes.ts';
import { evaluate, infer } from '../../run/evaluate.ts';
import { createDeviceTrainer } from '../../run/images/device-trainer.ts';
import { createEngine } from '../../run/images/engine.ts';
import { ParameterArrays } from '../../run/images/parameters.ts';
import {
  createTrainer,
  expectFiniteScores,
  type Plan,
  planRun,
  type Trainer,
} from '../../run/images/trainer.ts';
import type { Checkpoint } from '../../storage/checkpoint.ts';
import { type EvaluationRecord, type MetricsLine, metricsLine } from '../../storage/metrics.ts';
import { type ArchivedRun, encodeRun } from '../../storage/run-archive.ts';
import { parseSpec, type Spec } from '../../tasks/spec.ts';
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
  return openTraining({ ...config, microBatch, memory: config.memory ?? 'fast' }, spec, options);
}

/** Continues a saved run. Throws UserError where it is of other images, or broken. `origin` names its file. */
export async function resumedTraining(
  run: ArchivedRun,
  origin: string,
  options: TrainingOptions,
): Promise<Training> {
  const { config, graph, dataset } = run.checkpoint;
  const spec = parseSpec(graph.spec, `${origin}: graph`);
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
  spec: Spec,
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
  const microBatch = config.microBatch || config.batchSize;
  const built = graphsOf(spec, microBatch, config);
  const manifest = describeGraphs(name, spec, built, microBatch, saved?.graph.hash ?? '', []);
  const loadGraph = (graph: GraphName) => backend.load(serialize(built.graphs[graph]));

  const images = trainingBatches(config, dataset);
  const test = batchesOf(imageFields(dataset), imageSplit(dataset.test, dataset, NO_AUGMENTATION), {
    batchSize: TEST_BATCH,
    seed: 0,
    shuffle: false,
    augment: false,
    dropLast: false,
  });
  // The number of images where the run began, not that of this page: so the schedules stay as they were.
  const plan = planRun(config, Math.floor(trainingImages(dataset, config.trainFraction) / config.batchSize));
  const lastStep = plan.totalSteps;

  const parameters = new ParameterArrays(manifest);
  const { trainer, pull, release } = openTrainer();
  if (resumed) {
    const { run, origin } = resumed;
    parameters.restore(parameters.values, run.checkpoint.parameters, origin);
    for (const [slot, arrays] of Object.entries(trainer.slots)) {
      parameters.restore(arrays, run.checkpoint.optimizer.slots[slot] ?? [], `${origin}: optimizer ${slot}`);
    }
  } else parameters.initialize(config.seed);

  /** Opens a trainer on the device or on the processor. On the device, parameters stay there until `pull`. */
  function openTrainer(): { trainer: Trainer; pull(): Promise<void>; release(): Promise<void> } {
    if (backend.open) {
      const target = { ...spec, target: 'webgpu' } as const;
      const trainer = createDeviceTrainer(config, plan, manifest, parameters, {
        spec: target,
        open: backend.open,
        names: PAGE_NAMES,
      });
      return { trainer, pull: trainer.pull, release: trainer.release };
    }
    const { labelSmoothing, gr: kind } = config;
    const engine = createEngine({ manifest, parameters, kind, labelSmoothing, load: loadGraph });
    const trainer = createTrainer(config, plan, manifest, parameters, engine, PAGE_NAMES);
    return { trainer, pull: async () => {}, release: engine.release };
  }

  const inference = await loadGraph('infer');
  const table = normalizationTable(dataset);
  const infos = classifierMetrics(spec.classes);
  const metrics = [...(resumed?.run.metrics ?? [])];
  const spikeOf = createSpikeMarks(metrics.filter(({ split }) => split === 'train'));
  let step = saved?.step ?? 0;
  let best = saved?.best ?? null;

  const measure = async (): Promise<MetricsLine> => {
    const start = performance.now();
    await pull();
    const {
      images: count,
      loss,
      ...scores
    } = await evaluate(inference, manifest, parameters.feeds, allOf(test));
    const record: EvaluationRecord = {
      step,
      epoch: Math.ceil(step / plan.stepsPerEpoch),
      split: 'test',
      loss,
      metrics: scores,
      examples_per_second: (1000 * count) / (performance.now() - start),
    };
    expectFiniteScores(config, record, PAGE_NAMES);
    const measured = asBest(judgeOf(infos), record, { split: 'test', step });
    if (isBetter(measured, best)) best = measured;
    return metricsLine(record);
  };

  /** The run as a checkpoint. Call it after `pull`. */
  const checkpoint = async (): Promise<Checkpoint> => ({
    config,
    step,
    epoch: Math.floor(step / plan.stepsPerEpoch),
    parameters: parameters.snapshot(parameters.values),
    optimizer: {
      name: trainer.rule.name,
      slots: Object.fromEntries(
        Object.entries(trainer.slots).map(([slot, arrays]) => [slot, parameters.snapshot(arrays)]),
      ),
    },
    generator: { seed: config.seed },
    // The page keeps no copy of the best weights, so `best` is saved only where it is the current step.
    best: best?.step === step ? best : null,
    metrics: infos,
    graph: { name, hash: saved?.graph.hash ?? (await sha256(serialize(built.graphs['loss-grad']))), spec },
    dataset: saved?.dataset ?? infoOf(dataset),
  });

  return {
    config,
    plan,
    lastStep,
    parameters: parameters.values.views.reduce((sum, { length }) => sum + length, 0),
    step: () => step,
    metrics: () => metrics,
    async advance() {
      const start = performance.now();
      const batch = await images.batch(Math.floor(step / images.perEpoch), step % images.perEpoch);
      const position = { epoch: Math.floor(step / plan.stepsPerEpoch), step: step % plan.stepsPerEpoch };
      const taken = await trainer.step(step, { ...imagesOf(batch), ...position });
      step++;
      const seconds = (performance.now() - start) / 1000;
      const lines = [
        metricsLine({ ...taken, spike: spikeOf(taken), examples_per_second: config.batchSize / seconds }),
      ];
      if (step % TEST_EVERY === 0 || step === lastStep) lines.push(await measure());
      metrics.push(...lines);
      return lines;
    },
    async classify(pixels) {
      await pull();
      const normalized = new Float32Array(pixels.length);
      writeNormalized(pixels, 0, dataset, table, IN_PLACE, normalized, 0);
      return infer(inference, manifest, parameters.feeds, normalized);
    },
    async save(now) {
      await pull();
      // The archive's name: short, and of characters that every system allows.
      const folder = runName(config, now)
        .replaceAll(/[^\w.-]/g, '-')
        .slice(-44);
      const pieces = await encodeRun(folder, { checkpoint: await checkpoint(), metrics }, now);
      return { name: `${folder}.tar`, pieces };
    },
    async export() {
      await pull();
      const { classes, mean, std } = dataset;
      const weights = new Map(
        manifest.parameters.map(({ path }, i) => [path, parameters.values.views[i] ?? new Float32Array()]),
      );
      return { name: 'model.onnx', pieces: [inferenceModel({ spec, weights, classes, mean, std })] };
    },
    async release() {
      await release();
      await inference.release();
    },
  };
}

function graphsOf(spec: Spec, microBatch: number, { memory }: TrainConfig): BuiltGraphs {
  try {
    return buildGraphs(spec, microBatch, memory === undefined ? {} : { memory });
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('internal:')) throw error;
    throw new UserError(`the graph's spec: ${error.message}`);
  }
}

function trainingBatches(config: TrainConfig, dataset: PageDataset): Batches {
  const { batchSize, seed, augment } = config;
  const split = imageSplit(dataset.train, dataset, augmentationOf(augment, dataset.name));
  const batches = batchesOf(imageFields(dataset), split, {
    batchSize,
    seed,
    shuffle: true,
    augment: true,
    dropLast: true,
  });
  if (batches.perEpoch > 0) return batches;
  throw new UserError(
    `${setting(PAGE_NAMES, 'batchSize', batchSize)}: expected at most ${dataset.train.length}, the training images that this page has`,
  );
}

async function* allOf(batches: Batches): AsyncGenerator<Batch> {
  for (let i = 0; i < batches.perEpoch; i++) yield await batches.batch(0, i);
}

function infoOf({
  name,
  channels,
  height,
  width,
  classes,
  mean,
  std,
  found,
}: PageDataset): Checkpoint['dataset'] {
  return { name, channels, height, width, classes, mean, std, found };
}
