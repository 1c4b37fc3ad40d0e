/**
 * Computes the loss and the regularized gradient of a batch: chooses the graphs, and runs them as often as needed. Knows
 * parameters by path and graphs by their contract (artifacts/build.ts), no models and no optimizers. Also for browsers.
 */
import type { GraphName } from '../artifacts/build.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { globalNorm } from '../optim/clip.ts';
import type { GrKind, GrState } from '../optim/gr-warmup.ts';
import { combine, dot } from '../optim/vectors.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { TrainConfig } from './config.ts';
import type { ParameterArrays } from './parameters.ts';

/** Labelled images: float32 [n, channels, height, width], normalised, and int32 [n]. */
export interface LabelledImages {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

export interface GradientResult {
  /** The clean loss, the mean over the batch. */
  readonly loss: number;
  /** ‖∇L‖ over all parameters, clean. */
  readonly gradNorm: number;
  /** The norm of what `gradients` holds. */
  readonly grGradNorm: number;
  /** The inner product of the clean gradient and `gradients`; null where it was not asked for. */
  readonly grDot: number | null;
  /** Clean logits, float32 [n, classes]. */
  readonly logits: Float32Array;
  /** The regularized gradient, one array per parameter in the manifest's order. The caller may overwrite them. */
  readonly gradients: readonly Float32Array[];
}

export interface Engine {
  /** The gradient of a batch, whose size is a multiple of the micro-batch, for the regularizer of this step. */
  gradient(
    batch: LabelledImages,
    regularizer: GrState,
    /**
     * Whether `grDot` is wanted. It takes a pass over the weights, and another run where one graph computes the
     * regularized gradient alone.
     */
    options?: { readonly withDot?: boolean },
  ): Promise<GradientResult>;
  /** The Hessian of L times a vector, on a batch as above. The caller may overwrite the arrays. */
  hessianTimes(batch: LabelledImages, vector: readonly Float32Array[]): Promise<readonly Float32Array[]>;
  /** Releases the graph of `hessianTimes`; it is loaded again when it is next needed. */
  freeHessian(): Promise<void>;
  release(): Promise<void>;
}

export interface EngineOptions {
  readonly manifest: Manifest;
  readonly parameters: ParameterArrays;
  readonly kind: GrKind;
  readonly labelSmoothing: number;
  /** Loads one of the graphs; called when it is first needed. */
  readonly load: (graph: GraphName) => Promise<Session>;
}

/** The graphs that a run of a config loads. */
export function engineGraphs({
  gr,
  grWarmup,
  lambda,
  batchSize,
  microBatch,
  diagnosticsEvery,
  hessianEvery,
}: Pick<
  TrainConfig,
  'gr' | 'grWarmup' | 'lambda' | 'batchSize' | 'microBatch' | 'diagnosticsEvery' | 'hessianEvery'
>): GraphName[] {
  const curvature: readonly GraphName[] = hessianEvery > 0 ? ['hvp'] : [];
  if (gr !== 'exact') return ['loss-grad', ...curvature];
  if (microBatch !== batchSize) return ['loss-grad', 'hvp'];
  // The plain gradient is needed while warmup leaves the penalty out, and for diagnostics beside the regularized one.
  const steps: readonly GraphName[] =
    grWarmup === 'none' && lambda !== 0 && diagnosticsEvery === 0 ? ['gr-exact'] : ['loss-grad', 'gr-exact'];
  return [...steps, ...curvature];
}

interface CleanResult extends Omit<GradientResult, 'grGradNorm' | 'grDot'> {}

export function createEngine({ manifest, parameters, kind, labelSmoothing, load }: EngineOptions): Engine {
  const { microBatch, image, classes } = manifest;
  const imageSize = image.channels * image.height * image.width;
  const paths = manifest.parameters.map(({ path }) => path);
  const sessions = new Map<GraphName, Promise<Session>>();
  const session = (graph: GraphName): Promise<Session> => {
    const loaded = sessions.get(graph) ?? load(graph);
    sessions.set(graph, loaded);
    return loaded;
  };
  const free = async (graph: GraphName): Promise<void> => {
    const loaded = sessions.get(graph);
    sessions.delete(graph);
    await (await loaded)?.release();
  };
  const scalar = (value: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  const smoothing = scalar(labelSmoothing);

  const feeds = ({ images, labels }: LabelledImages, weights: Readonly<Record<string, Tensor>>) => ({
    ...weights,
    images: {
      dtype: 'float32',
      shape: [microBatch, image.channels, image.height, image.width],
      data: images,
    } satisfies Tensor,
    labels: { dtype: 'int32', shape: [microBatch], data: labels } satisfies Tensor,
    label_smoothing: smoothing,
  });

  function microBatches({ images, labels }: LabelledImages): LabelledImages[] {
    if (labels.length === 0 || labels.length % microBatch !== 0) {
      throw new Error(
        `internal: a batch of ${labels.length} is no multiple of the micro-batch ${microBatch}`,
      );
    }
    return Array.from({ length: labels.length / microBatch }, (_, k) => ({
      images: images.subarray(k * microBatch * imageSize, (k + 1) * microBatch * imageSize),
      labels: labels.subarray(k * microBatch, (k + 1) * microBatch),
    }));
  }

  /** ∇L of the whole batch at some weights: the mean over its micro-batches. */
  async function clean(
    batch: LabelledImages,
    weights: Readonly<Record<string, Tensor>>,
  ): Promise<CleanResult> {
    const lossGrad = await session('loss-grad');
    const parts = microBatches(batch);
    const logits = new Float32Array(batch.labels.length * classes);
    let gradients: Float32Array[] = [];
    let loss = 0;
    let gradNorm = 0;
    for (const [k, part] of parts.entries()) {
      const out = await lossGrad.run(feeds(part, weights));
      loss += number(out, 'loss') / parts.length;
      gradNorm = number(out, 'grad_norm');
      logits.set(floats(out, 'logits'), k * microBatch * classes);
      gradients = accumulate(gradients, collect(out, paths, 'grad'));
    }
    if (parts.length > 1) {
      for (const gradient of gradients) scale(gradient, 1 / parts.length);
      gradNorm = globalNorm(gradients);
    }
    return { loss, gradNorm, logits, gradients };
  }

  let warmupEnded = false;
  async function exactInOneRun(
    batch: LabelledImages,
    lambda: number,
    withDot: boolean,
  ): Promise<GradientResult> {
    if (!warmupEnded) await free('loss-grad'); // warmup is over, and its memory is of more use elsewhere
    warmupEnded = true;
    const out = await (await session('gr-exact')).run({
      ...feeds(batch, parameters.feeds),
      lambda: scalar(lambda),
    });
    const gradients = collect(out, paths, 'grad');
    // The graph gives only the regularized gradient; the clean one takes a run of its own, where it is asked for.
    const grDot = withDot ? globalDot((await clean(batch, parameters.feeds)).gradients, gradients) : null;
    return {
      loss: number(out, 'loss'),
      gradNorm: number(out, 'grad_norm'),
      grGradNorm: number(out, 'gr_grad_norm'),
      grDot,
      logits: floats(out, 'logits'),
      gradients,
    };
  }

  /**
   * ‖g‖ is the norm of the whole batch's gradient, so g comes first. Then H·g is the mean of the micro-batches' Hessians
   * times g. It costs a third more than one run, since the gradient is computed again for its tangent.
   */
  async function exactInTwoPhases(
    batch: LabelledImages,
    lambda: number,
    withDot: boolean,
  ): Promise<GradientResult> {
    const { gradients, ...rest } = await clean(batch, parameters.feeds);
    if (rest.gradNorm === 0) return unregularized({ ...rest, gradients });
    const [products, parts] = await hessianProducts(batch, gradients);
    const strength = lambda / rest.gradNorm / parts;
    const grDot = withDot ? rest.gradNorm ** 2 + strength * globalDot(gradients, products) : null;
    products.forEach((product, i) => {
      addScaled(gradients[i], product, strength);
    });
    return { ...rest, gradients, grGradNorm: globalNorm(gradients), grDot };
  }

  /** The sum of the micro-batches' Hessians times a vector, and the number of micro-batches. */
  async function hessianProducts(
    batch: LabelledImages,
    direction: readonly Float32Array[],
  ): Promise<[products: readonly Float32Array[], parts: number]> {
    const vector = Object.fromEntries(
      manifest.parameters.map(({ path, shape }, i): [string, Tensor] => [
        `vector/${path}`,
        { dtype: 'float32', shape, data: direction[i] ?? new Float32Array() },
      ]),
    );
    const hvp = await session('hvp');
    const parts = microBatches(batch);
    let products: Float32Array[] = [];
    for (const part of parts) {
      const out = await hvp.run({ ...feeds(part, parameters.feeds), ...vector });
      products = accumulate(products, collect(out, paths, 'hvp'));
    }
    return [products, parts.length];
  }

  /** (1 − α)·g + α·∇L(θ + r·g/‖g‖); SAM where α = 1. */
  async function finiteDifference(
    batch: LabelledImages,
    { r, alpha }: GrState,
    withDot: boolean,
  ): Promise<GradientResult> {
    const { gradients, ...rest } = await clean(batch, parameters.feeds);
    if (rest.gradNorm === 0) return unregularized({ ...rest, gradients });
    const perturbed = parameters.perturbed(gradients, r / rest.gradNorm);
    const perturbedGradient = (await clean(batch, perturbed)).gradients;
    perturbedGradient.forEach((gradient, i) => {
      const here = gradients[i];
      if (alpha !== 1 && here) combine(gradient, alpha, gradient, 1 - alpha, here);
    });
    const grDot = withDot ? globalDot(gradients, perturbedGradient) : null;
    return { ...rest, gradients: perturbedGradient, grGradNorm: globalNorm(perturbedGradient), grDot };
  }

  return {
    async gradient(batch, regularizer, { withDot = false } = {}) {
      if (!regularizer.active) return unregularized(await clean(batch, parameters.feeds));
      if (kind !== 'exact') return finiteDifference(batch, regularizer, withDot);
      return batch.labels.length === microBatch
        ? exactInOneRun(batch, regularizer.lambda, withDot)
        : exactInTwoPhases(batch, regularizer.lambda, withDot);
    },
    async hessianTimes(batch, vector) {
      const [products, parts] = await hessianProducts(batch, vector);
      if (parts > 1) for (const product of products) scale(product, 1 / parts);
      return products;
    },
    freeHessian: () => free('hvp'),
    async release() {
      for (const graph of [...sessions.keys()]) await free(graph);
    },
  };
}

/** The clean gradient in place of a regularized one. */
function unregularized(result: CleanResult): GradientResult {
  return { ...result, grGradNorm: result.gradNorm, grDot: result.gradNorm ** 2 };
}

type Outputs = Readonly<Record<string, Tensor>>;

function floats(outputs: Outputs, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`internal: the graph gave no float32 ${name}`);
  return data;
}

function number(outputs: Outputs, name: string): number {
  return floats(outputs, name)[0] ?? Number.NaN;
}

function collect(outputs: Outputs, paths: readonly string[], prefix: string): Float32Array[] {
  return paths.map((path) => floats(outputs, `${prefix}/${path}`));
}

function globalDot(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce((total, x, i) => total + dot(x, b[i] ?? new Float32Array()), 0);
}

/** The sum, in the arrays given first, which are outputs of a session and so nobody else's. */
function accumulate(sums: Float32Array[], terms: Float32Array[]): Float32Array[] {
  if (sums.length === 0) return terms;
  sums.forEach((sum, i) => {
    addScaled(sum, terms[i], 1);
  });
  return sums;
}

function addScaled(to: Float32Array | undefined, from: Float32Array | undefined, factor: number): void {
  if (!to || !from) throw new Error('internal: gradients of different parameters');
  combine(to, 1, to, factor, from);
}

function scale(values: Float32Array, factor: number): void {
  combine(values, factor, values, 0, values);
}
