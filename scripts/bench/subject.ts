/** ortgrad's side of the benchmark, in a process of its own: see protocol.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { GraphName } from '../../src/artifacts/build.ts';
import { gemm, input } from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import type { GrState } from '../../src/optim/gr-warmup.ts';
import type { Session, SessionOptions } from '../../src/runtime/session.ts';
import { parseConfig } from '../../src/train/config.ts';
import { createEngine, type Engine, type GradientResult } from '../../src/train/engine.ts';
import { infer } from '../../src/train/evaluate.ts';
import { ParameterArrays } from '../../src/train/parameters.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../src/train/safetensors.ts';
import { createTrainer } from '../../src/train/trainer.ts';
import type { Job, Runtime } from './protocol.ts';

/** What a process has loaded. */
interface Loaded {
  /** One piece of the work that is timed. */
  readonly run: () => Promise<{ readonly update?: number }>;
  /** Its numbers, of a run of their own. */
  readonly results: () => Promise<NamedTensor[]>;
  /** Creates a session of the main graph. */
  readonly create: () => Promise<Session>;
  readonly release: () => Promise<void>;
  readonly firstCreate: () => number;
  readonly threads: number;
}

const OFF: GrState = { active: false, lambda: 0, r: 0, alpha: 0 };

async function openRuntime(runtime: Runtime, threads: number) {
  if (runtime === 'node') {
    const { createSession } = await import('../../src/runtime/ort.node.ts');
    return { createSession, threads };
  }
  const { createSession, wasmThreads } = await import('../../src/runtime/ort.web.ts');
  return { createSession, threads: wasmThreads(threads) };
}

async function load(job: Job): Promise<Loaded> {
  const { manifest, work, lambda, r, alpha } = job;
  const parameters = new ParameterArrays(manifest);
  parameters.restore(parameters.values, readTensors(job.weights), job.weights);
  const inputs = new Map(readTensors(job.inputs).map(({ name, data }) => [name, data]));
  const [images, labels] = [inputs.get('images'), inputs.get('labels')];
  if (!(images instanceof Float32Array) || !(labels instanceof Int32Array))
    throw new Error(`internal: ${job.inputs} holds no images and labels`);
  const batch = { images, labels };
  const { createSession, threads } = await openRuntime(job.runtime, job.threads);
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
    // Bytes, since a browser's runtime knows no files.
    const session = await createSession(job.runtime === 'node' ? file : readFileSync(file), options);
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

/** A step of the trainer itself, with AdamW, at a learning rate that leaves the weights where they are. */
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

function readTensors(file: string): readonly NamedTensor[] {
  return decodeSafetensors(readFileSync(file), file).tensors;
}

/** The yardstick: ONNX Runtime's own product of two 2048×2048 matrices. */
async function loadMatmul(runtime: Runtime, threads: number): Promise<Loaded> {
  const [a, b] = [input('a', [2048, 2048]), input('b', [2048, 2048])];
  const bytes = serialize({ name: 'matmul', inputs: [a, b], outputs: { c: gemm(a, b) } });
  const opened = await openRuntime(runtime, threads);
  const create = () => opened.createSession(bytes, { device: 'cpu', threads });
  const session = await create();
  const data = Float32Array.from({ length: 2048 * 2048 }, (_, i) => Math.sin(i));
  const feed = { dtype: 'float32', shape: [2048, 2048], data } as const;
  return {
    run: async () => {
      await session.run({ a: feed, b: feed });
      return {};
    },
    results: async () => [],
    create,
    release: () => session.release(),
    firstCreate: () => 0,
    threads: opened.threads,
  };
}

interface Message {
  readonly cmd: string;
  readonly job: Job;
  readonly path: string;
  readonly threads: number;
  readonly runtime: Runtime;
}

let loaded: Loaded | undefined;

async function answer({ cmd, job, path, threads, runtime }: Message): Promise<object> {
  if (cmd === 'load') loaded = await load(job);
  if (cmd === 'matmul') loaded = await loadMatmul(runtime, threads);
  if (!loaded) throw new Error(`internal: ${cmd} before load`);
  if (cmd === 'release') await loaded.release();
  if (cmd === 'results') writeFileSync(path, Buffer.concat(encodeSafetensors(await loaded.results())));
  const start = performance.now();
  if (cmd === 'create') await (await loaded.create()).release();
  const figures = cmd === 'run' ? await loaded.run() : {};
  const ms = performance.now() - start;
  return { ms, ...figures, create: loaded.firstCreate(), threads: loaded.threads, ...memory() };
}

function memory(): { rss_peak: number } {
  // Not of resourceUsage(), which begins with what the parent had when it started this process.
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return { rss_peak: 1024 * Number(kilobytes) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.cmd === 'exit') break;
  const reply = await answer(message).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit();
