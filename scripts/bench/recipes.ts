/**
 * The authors' recipes on small networks, step by step: the recipes' own options and graphs, cut to a size that 30 steps
 * take seconds at. What ours trains on is what `scripts/peers/jax_recipes.py` is handed. All of it follows from seeds.
 */
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../src/artifacts/manifest.ts';
import { withDecay } from '../../src/artifacts/roles.ts';
import { openGraph } from '../../src/artifacts/store.node.ts';
import { configFor, type TrainConfig } from '../../src/config/config.ts';
import { readRecipe } from '../../src/config/recipe-file.node.ts';
import type { RecipeName } from '../../src/config/recipes.ts';
import type { Batch } from '../../src/data/batch.ts';
import { initialize } from '../../src/layers/scope.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { drawMask } from '../../src/run/masks.ts';
import { type Plan, planRun, stepPlanOf } from '../../src/run/plan.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { NamedTensor } from '../../src/storage/safetensors.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { type ImageSpec, isModuleSpec } from '../../src/tasks/spec.ts';
import { type PeerNetwork, peerNetwork } from './peer-network.ts';

/** Names of runs: a recipe, and what is else beside it. */
export const VARIANT_NAMES = [
  'gnp-vit',
  'gnp-vit-no-warmup',
  'gnp-vit-r',
  'gnp-vit-lambda',
  'gnp-vit-clip',
  'gnp-vit-groups',
  'gnp-cnn',
  'gnp-cnn-clip',
  'gnp-cnn-groups',
] as const;
export type VariantName = (typeof VARIANT_NAMES)[number];

interface Variant {
  readonly recipe: RecipeName;
  readonly beside: Partial<Omit<TrainConfig, 'augment'>>;
  /** One at which no kink of relu parts the two sides within 30 steps. */
  readonly seed: number;
}

/**
 * Each a recipe with flags that a user could give beside it. Warmup of a ViT takes the first 8 steps. Networks as small as
 * these have gradients that 5 does not clip; some that 1.5 or 3 do.
 */
const VARIANTS: Readonly<Record<VariantName, Variant>> = {
  'gnp-vit': { recipe: 'gnp-vit', beside: {}, seed: 0 },
  'gnp-vit-no-warmup': { recipe: 'gnp-vit', beside: { warmupEpochs: 0, alpha: 0.8 }, seed: 0 },
  'gnp-vit-r': { recipe: 'gnp-vit', beside: { grWarmup: 'r', alpha: 0.8 }, seed: 0 },
  'gnp-vit-lambda': { recipe: 'gnp-vit', beside: { grWarmup: 'lambda', alpha: 0.8 }, seed: 0 },
  'gnp-vit-clip': { recipe: 'gnp-vit', beside: { clip: 1.5 }, seed: 0 },
  'gnp-vit-groups': { recipe: 'gnp-vit', beside: { perturbationGroups: 2 }, seed: 0 },
  'gnp-cnn': { recipe: 'gnp-cnn', beside: {}, seed: 2 },
  'gnp-cnn-clip': { recipe: 'gnp-cnn', beside: { clip: 3 }, seed: 1 },
  'gnp-cnn-groups': { recipe: 'gnp-cnn', beside: { perturbationGroups: 2 }, seed: 2 },
};

/** The most steps that are compared. */
export const STEPS = 30;
const STEPS_PER_EPOCH = 2;
/**
 * A run of 40 steps, of which the first 30 are taken: the cosine is past its middle. The learning rate of SGD is that of
 * the recipe, for a batch 16 times as small: 0.1 would drive rounding apart within a few steps, on either side.
 */
const SHORT = { epochs: 20, batchSize: 16 } as const;
const SIDES: Readonly<Record<RecipeName, number>> = { 'gnp-vit': 16, 'gnp-cnn': 8 };
const SHORTER: Readonly<Record<RecipeName, Partial<Omit<TrainConfig, 'augment'>>>> = {
  'gnp-vit': { warmupEpochs: 4 },
  'gnp-cnn': { learningRate: 0.1 / 16 },
};
/**
 * Steps after which a test compares weights. A relu's input that is 0 but for rounding has either derivative, and what
 * that changes grows from step to step: weights that differ by 1e-7 at first part for good within 30 steps in one run of
 * ten.
 */
const TESTED: Readonly<Record<RecipeName, number>> = { 'gnp-vit': STEPS, 'gnp-cnn': 10 };

export interface RecipeRun {
  readonly name: VariantName;
  /** Of weights, batches and masks. */
  readonly seed: number;
  /** Steps that a test compares. */
  readonly tested: number;
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly spec: ImageSpec;
  readonly graphs: TaskGraphs;
  readonly manifest: Manifest;
}

/** A recipe's options with fewer epochs and a smaller batch, and its graph with a smaller network and smaller images. */
export async function openRecipe(name: VariantName, given?: number): Promise<RecipeRun> {
  const { recipe, beside, seed: own } = VARIANTS[name];
  const seed = given ?? own;
  const config = configFor({ ...SHORT, ...SHORTER[recipe], ...beside }, undefined, await readRecipe(recipe));
  const { spec: full } = await openGraph(config.graph);
  if (isModuleSpec(full) || full.task !== 'images') throw new Error(`${config.graph}: expected images`);
  const spec: ImageSpec = {
    ...full,
    image: { channels: 3, height: SIDES[recipe], width: SIDES[recipe] },
    model: smallOf(full.model),
  };
  const task = taskOf(spec);
  const graphs = new TaskGraphs(task, { batch: config.batchSize / config.perturbationGroups });
  const described = describeTask(task, graphs, { name, hash: '' });
  const manifest = withDecay(described, { all: config.decayAll });
  const plan = planRun(config, STEPS_PER_EPOCH);
  return { name, seed, tested: TESTED[recipe], config, plan, spec, graphs, manifest };
}

/** All but the sizes stays: dropout, GELU and starts of a ViT, batch norm and shortcuts of a wide ResNet. */
function smallOf(model: ImageSpec['model']): ImageSpec['model'] {
  switch (model.kind) {
    case 'vit':
      return { ...model, width: 32, layers: 2, heads: 2 };
    case 'wide-resnet':
      return { ...model, variant: 'micro' };
    default:
      throw new Error(`expected a recipe of a ViT or of a wide ResNet, got ${model.kind}`);
  }
}

/** Images are a pattern of their class and noise: something to learn. */
function batchOf({ config, spec, seed }: Pick<RecipeRun, 'config' | 'spec' | 'seed'>, step: number): Batch {
  const { batchSize } = config;
  const { channels, height, width } = spec.image;
  const size = channels * height * width;
  const labels = new Int32Array(batchSize);
  const images = new Float32Array(batchSize * size);
  for (let i = 0; i < batchSize; i++) {
    const random = new Random(seed, 'sample', step + 1, i);
    const label = random.integer(spec.classes);
    labels[i] = label;
    const pattern = new Random(seed, 'sample', 0, label);
    for (let k = i * size; k < (i + 1) * size; k++) images[k] = 0.5 * pattern.normal() + random.normal();
  }
  const indices = Uint32Array.from({ length: batchSize }, (_, i) => i);
  return {
    ...{ fields: { images, labels }, examples: batchSize, indices },
    ...{ epoch: Math.floor(step / STEPS_PER_EPOCH), step: step % STEPS_PER_EPOCH },
  };
}

/** What steps told, and left. */
export interface Steps {
  /** Clean losses, without the L2 term. */
  readonly losses: readonly number[];
  /** After each step, by path: parameters and running statistics. */
  readonly variables: readonly Readonly<Record<string, Float32Array>>[];
}

/** The steps of ours. */
export async function takeSteps(run: RecipeRun, steps = STEPS): Promise<Steps> {
  const { config, plan, graphs, manifest, seed } = run;
  const trainer = createHostTrainer({
    ...{ manifest, plan: stepPlanOf(config, plan), batchSize: config.batchSize, seed },
    load: (name) => createSession(serialize(graphs.graph(name)), { device: 'cpu', threads: 1 }),
  });
  trainer.variables.initialize(seed);
  const losses: number[] = [];
  const variables: Record<string, Float32Array>[] = [];
  for (let step = 0; step < steps; step++) {
    losses.push((await trainer.step(step, batchOf(run, step))).loss);
    const copies = manifest.variables.map(({ path }): [string, Float32Array] => [
      path,
      Float32Array.from(trainer.variables.array(path)),
    ]);
    variables.push(Object.fromEntries(copies));
  }
  await trainer.release();
  return { losses, variables };
}

/** What the other side is told beside the arrays. */
export interface RecipeJob {
  readonly network: PeerNetwork;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly config: TrainConfig;
}

/**
 * All that the other side needs to take the same steps: a job, and tensors `weights/PATH`, `images` and `labels` [steps,
 * batch, …], and every mask [steps, batch, …] by its name.
 */
export function handOver(run: RecipeRun, steps = STEPS): { job: RecipeJob; tensors: NamedTensor[] } {
  const { config, spec, manifest, seed } = run;
  const batches = Array.from({ length: steps }, (_, step) => batchOf(run, step));
  const weights = manifest.variables.map(({ path, shape, init }): NamedTensor => {
    const data = new Float32Array(sizeOf(shape));
    initialize(data, path, shape, init, seed);
    return { name: `weights/${path}`, shape, data };
  });
  const fields = Object.entries(manifest.fields).map(([name, { dtype, shape }]): NamedTensor => {
    const data = batches.flatMap(({ fields }) => Array.from(fields[name] ?? [], Number));
    const array = dtype === 'float32' ? Float32Array.from(data) : Int32Array.from(data);
    return { name, shape: [steps, config.batchSize, ...shape], data: array };
  });
  const masks = manifest.masks.map((mask): NamedTensor => {
    const size = sizeOf(mask.shape) * config.batchSize;
    const data = new Uint8Array(steps * size);
    for (let step = 0; step < steps; step++) {
      const drawn = drawMask(mask, { seed, step, first: 0, count: config.batchSize });
      data.set(Uint8Array.from(drawn.data, Number), step * size);
    }
    return { name: mask.name, shape: [steps, config.batchSize, ...mask.shape], data };
  });
  const job = { network: peerNetwork(spec), steps, stepsPerEpoch: STEPS_PER_EPOCH, config };
  return { job, tensors: [...weights, ...fields, ...masks] };
}

/**
 * A key's bias adds the same to all scores of a query, which softmax does not see: its gradient is rounding alone, which
 * Adam makes steps of.
 */
const isRounding = (path: string): boolean => path.endsWith('key/bias');

/** Relative differences of each step: of the losses, and by the l2 norm of the variable that differs most. */
export function apart(
  ours: Steps,
  theirs: Steps,
): { losses: number[]; variables: { path: string; difference: number }[] } {
  const losses = theirs.losses.map((loss, i) => Math.abs((ours.losses[i] ?? Number.NaN) - loss) / loss);
  const variables = theirs.variables.map((wanted, step) => {
    const differences = Object.entries(wanted)
      .filter(([path]) => !isRounding(path))
      .map(([path, values]) => {
        const got = ours.variables[step]?.[path];
        const error = Math.hypot(...values.map((x, i) => x - (got?.[i] ?? Number.NaN)));
        return { path, difference: error === 0 ? 0 : error / Math.hypot(...values) };
      });
    return differences.reduce((worst, each) => (each.difference <= worst.difference ? worst : each));
  });
  return { losses, variables };
}

/** The norm of a tensor, and its sum over a wave, which tells what the norm does not. */
export type Digest = readonly [norm: number, wave: number];

export function digestOf(values: Float32Array): Digest {
  return [Math.hypot(...values), values.reduce((sum, x, i) => sum + x * Math.cos(i), 0)];
}

/** What a test compares: losses, and digests of what the last step left. */
export interface Golden {
  readonly losses: readonly number[];
  readonly variables: Readonly<Record<string, Digest>>;
}

export function goldenOf({ losses, variables }: Steps, steps: number): Golden {
  const left = Object.entries(variables[steps - 1] ?? {}).filter(([path]) => !isRounding(path));
  const digests = left.map(([path, values]): [string, Digest] => [path, digestOf(values)]);
  return { losses: losses.slice(0, steps), variables: Object.fromEntries(digests) };
}
