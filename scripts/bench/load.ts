/** ortgrad's side of a piece of work, in a process of its own or in a page. Also for browsers. */
import type { GraphName } from '../../src/artifacts/build.ts';
import { parseConfig } from '../../src/config/config.ts';
import { infer } from '../../src/run/evaluate.ts';
import { createEngine, type Engine, type GradientResult } from '../../src/run/images/engine.ts';
import { ParameterArrays } from '../../src/run/images/parameters.ts';
import { createTrainer } from '../../src/run/images/trainer.ts';
import type { Session, SessionOptions } from '../../src/runtime/session.ts';
import type { GrState } from '../../src/step/gr-warmup.ts';
import type { NamedTensor } from '../../src/storage/safetensors.ts';
import type { Job } from './protocol.ts';

/** The content of the job's two files. */
export interface Tensors {
  /** Parameters by path. */
  readonly weights: readonly NamedTensor[];
  /** `images` and `labels`. */
  readonly inputs: readonly NamedTensor[];
}

/** The runtime in which it runs. */
export interface Host {
  /** Takes a model's bytes, or its path or address. */
  readonly createSession: (model: Uint8Array | string, options: SessionOptions) => Promise<Session>;
  /** How many of the threads that the job asks for there are. */
  readonly threads: number;
}

export interface Loaded {
  /** Does the work that is timed, once. */
  readonly run: () => Promise<{ readonly update?: number }>;
  /** Does the work once, and returns the numbers that it computes. */
  readonly results: () => Promise<NamedTensor[]>;
  /** Creates a session of the main graph. */
  readonly create: () => Promise<Session>;
  readonly release: () => Promise<void>;
  readonly firstCreate: () => number;
  readonly threads: number;
}

const OFF: GrState = { active: false, lambda: 0, r: 0, alpha: 0 };

export async function load(job: Job, tensors: Tensors, { createSession, threads }: Host): Promise<Loaded> {
  const { manifest, work, lambda, r, alpha } = job;
  const parameters = new ParameterArrays(manifest);
  parameters.restore(parameters.values, tensors.weights, job.weights);
  const inputs = new Map(tensors.inputs.map(({ name, data }) => [name, data]));
  const [images, labels] = [inputs.get('images'), inputs.get('labels')];
  if (!(images instanceof Float32Array) || !(labels instanceof Int32Array))
    throw new Error(`internal: ${job.inputs} holds no images and labels`);
  const batch = { images, labels };
  const options: SessionOptions = {
    device: 'cpu',
    threads: job.threads,
    keepsMemory: manifest.memory === 'fast', // as a training run does
    ...(job.profile === undefined ? {} : { profile: job.profile }),
  };
  let first = Number.NaN;
  const create = async (graph: GraphName): Promise<Session> => {
    const file = job.files[graph];
    if (file === undefined) throw new Error(`internal: graph ${graph} was not generated for ${work}`);
    const start = performance.now();
    const session = await createSession(file, options);
    if (Number.isNaN(first)) first = performance.now() - start;
    return session;
  };
  const kind = work === 'fd' || work === 'exact' ? work : 'none';
  const engine = createEngine({
    manifest,
    parameters,
    kind,
    labelSmoothing: job.labelSmoothing,
    load: create,
  });
  const regularizer = kind === 'none' ? OFF : { active: true, lambda, r, alpha };
  const common = { firstCreate: () => first, threads };
  const gradient = async () => gradientTensors(await engine.gradient(batch, regularizer), parameters);
  if (work === 'forward') {
    let session: Session | undefined;
    const forward = async () => {
      session ??= await create('infer');
      return infer(session, manifest, parameters.feeds, images);
    };
    return {
      ...common,
      run: async () => {
        await forward();
        return {};
      },
      results: async () => [{ name: 'logits', shape: [job.batch, manifest.classes], data: await forward() }],
      create: () => create('infer'),
      release: async () => session?.release(),
    };
  }
  const main = () => create(work === 'exact' && job.batch === manifest.microBatch ? 'gr-exact' : 'loss-grad');
  const rest = { ...common, results: gradient, create: main, release: () => engine.release() };
  if (work === 'train-step') return { ...rest, run: trainStep(job, parameters, engine, batch) };
  return {
    ...rest,
    run: async () => {
      await engine.gradient(batch, regularizer);
      return {};
    },
  };
}

/** A step of the trainer itself, with AdamW. Its learning rate is so small that the weights stay as they are. */
function trainStep(
  job: Job,
  parameters: ParameterArrays,
  engine: Engine,
  batch: { readonly images: Float32Array; readonly labels: Int32Array },
): () => Promise<{ readonly update: number }> {
  let gradientMs = 0;
  const timed: Engine = {
    ...engine,
    async gradient(images, regularizer) {
      const start = performance.now();
      const result = await engine.gradient(images, regularizer);
      gradientMs = performance.now() - start;
      return result;
    },
  };
  const config = parseConfig({ optimizer: 'adamw', weightDecay: 0.3, clip: 5, gr: 'none' }, 'benchmark');
  const plan = {
    stepsPerEpoch: 1,
    totalSteps: 1,
    warmupSteps: 0,
    learningRate: () => 1e-9,
    regularizer: () => OFF,
  };
  const trainer = createTrainer(config, plan, job.manifest, parameters, timed);
  let step = 0;
  return async () => {
    const start = performance.now();
    await trainer.step(step++, { ...batch, epoch: 0, step: 0 });
    return { update: performance.now() - start - gradientMs };
  };
}

function gradientTensors(
  { loss, gradNorm, gradients }: GradientResult,
  { parameters }: ParameterArrays,
): NamedTensor[] {
  return [
    { name: 'loss', shape: [], data: Float32Array.of(loss) },
    { name: 'grad_norm', shape: [], data: Float32Array.of(gradNorm) },
    ...parameters.map(({ path, shape }, i) => ({
      name: `grad/${path}`,
      shape,
      data: gradients[i] ?? new Float32Array(),
    })),
  ];
}
