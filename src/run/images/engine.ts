/**
 * Computes the loss of a batch and its derivatives: chooses the graphs, and runs them as often as needed. Knows parameters
 * by path and graphs by their contract (artifacts/build.ts), no models and no optimizers. Also for browsers.
 */
import type { GraphName } from '../../artifacts/build.ts';
import type { Manifest } from '../../artifacts/image-manifest.ts';
import type { TrainConfig } from '../../config/config.ts';
import { expectAt } from '../../expect.ts';
import type { Session, Tensor } from '../../runtime/session.ts';
import type { GrKind, GrState } from '../../step/gr-warmup.ts';
import { type Arrays, type HostDerivatives, type HostPlan, planStep } from '../../step/host.ts';
import { type Regularizer, traceGradient } from '../../step/program.ts';
import { exact } from '../../step/regularizers/exact.ts';
import { finiteDifference, sam } from '../../step/regularizers/finite-difference.ts';
import { none } from '../../step/regularizers/none.ts';
import { combine } from '../../step/vectors.ts';
import type { ParameterArrays } from './parameters.ts';

/** Labelled images: float32 [n, channels, height, width], normalised, and int32 [n]. */
export interface LabelledImages {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** What the clean pass over a batch tells. */
export interface CleanResult {
  /** The clean loss, the mean over the batch. */
  readonly loss: number;
  /** Clean logits, float32 [n, classes]. */
  readonly logits: Float32Array;
}

export interface GradientResult extends CleanResult {
  /** ‖∇L‖ over all parameters, clean. */
  readonly gradNorm: number;
  /** The norm of what `gradients` holds. */
  readonly grGradNorm: number;
  /** The inner product of the clean gradient and `gradients`; null where it was not asked for. */
  readonly grDot: number | null;
  /** The regularized gradient, one array per parameter in the manifest's order. The caller may overwrite them. */
  readonly gradients: Arrays;
}

/** The derivatives of a batch's loss, and what the first of them tells. */
export interface Pass {
  readonly derivatives: HostDerivatives;
  /** Once the first derivative was taken. */
  clean(): CleanResult;
}

export interface Engine {
  /** A pass over a batch, whose size is a multiple of the micro-batch. */
  pass(batch: LabelledImages): Pass;
  /** The regularized gradient of such a batch, for the regularizer of a step. */
  gradient(
    batch: LabelledImages,
    regularizer: GrState,
    /** Whether `grDot` is wanted: a pass over the weights, and another run where one graph gives the rest. */
    options?: { readonly withDot?: boolean },
  ): Promise<GradientResult>;
  /** The Hessian of L times a vector, on such a batch. The caller may overwrite the arrays. */
  hessianTimes(batch: LabelledImages, vector: Arrays): Promise<Arrays>;
  /** Releases a graph; it is loaded again when it is next needed. */
  free(graph: GraphName): Promise<void>;
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

export function createEngine({ manifest, parameters, kind, labelSmoothing, load }: EngineOptions): Engine {
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
  const smoothing = scalarTensor(labelSmoothing);
  const graphs = { manifest, parameters, smoothing, session };
  /** Of `gradient`: their loops are compiled once. */
  const plans = new Map<string, HostPlan>();
  return {
    pass: (batch) => new BatchPass(graphs, batch),
    async gradient(batch, state, { withDot = false } = {}) {
      const pass = new BatchPass(graphs, batch);
      const regularizer = regularizerOf(kind, state);
      const isWhole = regularizer === exact && pass.derivatives.whole !== undefined;
      const key = `${regularizer.name} ${withDot} ${isWhole}`;
      const plan =
        plans.get(key) ?? planStep(traceGradient({ regularizer, observed: withDot, whole: isWhole }));
      plans.set(key, plan);
      let gradients: Arrays = [];
      const { gradNorm, regularizedNorm, product } = await plan.run({
        derivatives: pass.derivatives,
        state: { theta: parameters.values.views },
        scratch: () => parameters.allocate().views,
        scalars: { uniform: strengthsOf(state), grouped: {} },
        beforeUpdate: (_reports, regularized) => {
          gradients = regularized ?? [];
        },
      });
      return {
        ...pass.clean(),
        ...{ gradNorm, grGradNorm: regularizedNorm, grDot: withDot ? product : null, gradients },
      };
    },
    hessianTimes: (batch, vector) => new BatchPass(graphs, batch).derivatives.hessianTimes(vector),
    free,
    async release() {
      for (const graph of [...sessions.keys()]) await free(graph);
    },
  };
}

const REGULARIZERS: Readonly<Record<GrKind, Regularizer>> = { none, exact, fd: finiteDifference, sam };

/** The regularizer of a step: none while it is not active. */
export function regularizerOf(kind: GrKind, { active }: GrState): Regularizer {
  return active ? REGULARIZERS[kind] : none;
}

/** The numbers that regularizers ask for. */
export function strengthsOf({ lambda, r, alpha }: GrState): Readonly<Record<string, number>> {
  return { lambda, r, alpha };
}

interface Graphs {
  readonly manifest: Manifest;
  readonly parameters: ParameterArrays;
  readonly smoothing: Tensor;
  readonly session: (graph: GraphName) => Promise<Session>;
}

type Weights = Readonly<Record<string, Tensor>>;

/** A batch, micro-batch by micro-batch: the mean of what these give. */
class BatchPass implements Pass {
  readonly derivatives: HostDerivatives;
  readonly #graphs: Graphs;
  readonly #parts: readonly LabelledImages[];
  #clean: CleanResult | undefined;

  constructor(graphs: Graphs, batch: LabelledImages) {
    this.#graphs = graphs;
    this.#parts = microBatches(batch, graphs.manifest);
    this.derivatives = {
      gradient: (at) => this.#gradient(at),
      hessianTimes: (vector) => this.#hessianTimes(vector),
      // Exact GR is one graph's work where that sees the whole batch: 9 units of work instead of 12 in two phases.
      ...(this.#parts.length === 1 && {
        whole: (_: string, [lambda = 0]: readonly number[]) => this.#exact(lambda),
      }),
    };
  }

  clean(): CleanResult {
    if (!this.#clean) throw new Error('internal: a pass that took no derivative');
    return this.#clean;
  }

  /** ∇L of the whole batch: the mean over its micro-batches. */
  async #gradient(at: Arrays | undefined): Promise<Arrays> {
    const { parameters, session } = this.#graphs;
    const lossGrad = await session('loss-grad');
    const outputs: Outputs[] = [];
    const gradients = await this.#mean('grad', async (part) => {
      const out = await lossGrad.run(this.#feeds(part, at ? parameters.feedsAt(at) : parameters.feeds));
      outputs.push(out);
      return out;
    });
    this.#clean ??= cleanResult(outputs);
    return gradients;
  }

  async #hessianTimes(vector: Arrays): Promise<Arrays> {
    const { manifest, parameters, session } = this.#graphs;
    const along = manifest.parameters.map(({ path, shape }, i): [string, Tensor] => [
      `vector/${path}`,
      { dtype: 'float32', shape, data: expectAt(vector, i) },
    ]);
    const feeds = { ...parameters.feeds, ...Object.fromEntries(along) };
    const hvp = await session('hvp');
    return this.#mean('hvp', (part) => hvp.run(this.#feeds(part, feeds)));
  }

  async #exact(lambda: number): Promise<{ gradient: Arrays; gradNorm: number }> {
    const { manifest, parameters, session } = this.#graphs;
    const [part] = this.#parts;
    if (!part) throw new Error('internal: a batch without a micro-batch');
    const feeds = { ...this.#feeds(part, parameters.feeds), lambda: scalarTensor(lambda) };
    const out = await (await session('gr-exact')).run(feeds);
    this.#clean ??= cleanResult([out]);
    return { gradient: collect(out, manifest, 'grad'), gradNorm: number(out, 'grad_norm') };
  }

  async #mean(prefix: string, run: (part: LabelledImages) => Promise<Outputs>): Promise<Arrays> {
    let sums: Float32Array[] = [];
    for (const part of this.#parts) {
      sums = accumulate(sums, collect(await run(part), this.#graphs.manifest, prefix));
    }
    const count = this.#parts.length;
    if (count > 1) for (const sum of sums) combine(sum, 1 / count, sum, 0, sum);
    return sums;
  }

  #feeds({ images, labels }: LabelledImages, weights: Weights): Record<string, Tensor> {
    const { image, microBatch } = this.#graphs.manifest;
    const shape = [microBatch, image.channels, image.height, image.width];
    return {
      ...weights,
      images: { dtype: 'float32', shape, data: images },
      labels: { dtype: 'int32', shape: [microBatch], data: labels },
      label_smoothing: this.#graphs.smoothing,
    };
  }
}

function microBatches({ images, labels }: LabelledImages, { microBatch, image }: Manifest): LabelledImages[] {
  if (labels.length === 0 || labels.length % microBatch !== 0) {
    throw new Error(`internal: a batch of ${labels.length} is no multiple of the micro-batch ${microBatch}`);
  }
  const size = microBatch * image.channels * image.height * image.width;
  return Array.from({ length: labels.length / microBatch }, (_, k) => ({
    images: images.subarray(k * size, (k + 1) * size),
    labels: labels.subarray(k * microBatch, (k + 1) * microBatch),
  }));
}

type Outputs = Readonly<Record<string, Tensor>>;

function cleanResult(outputs: readonly Outputs[]): CleanResult {
  const parts = outputs.map((out) => floats(out, 'logits'));
  const logits = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    logits.set(part, end);
    end += part.length;
  }
  return {
    loss: outputs.reduce((sum, out) => sum + number(out, 'loss') / outputs.length, 0),
    logits,
  };
}

function scalarTensor(value: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

function floats(outputs: Outputs, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`internal: the graph gave no float32 ${name}`);
  return data;
}

function number(outputs: Outputs, name: string): number {
  return floats(outputs, name)[0] ?? Number.NaN;
}

function collect(outputs: Outputs, { parameters }: Manifest, prefix: string): Float32Array[] {
  return parameters.map(({ path }) => floats(outputs, `${prefix}/${path}`));
}

/** The sum, in the arrays given first, which are outputs of a session and so nobody else's. */
function accumulate(sums: Float32Array[], terms: Float32Array[]): Float32Array[] {
  if (sums.length === 0) return terms;
  sums.forEach((sum, i) => {
    combine(sum, 1, sum, 1, expectAt(terms, i));
  });
  return sums;
}
