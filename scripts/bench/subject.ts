/** ortgrad's side of the benchmark, in a process of its own: see protocol.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { buildGraphs, type GraphName } from '../../src/artifacts/build.ts';
import { describeGraphs, type Manifest } from '../../src/artifacts/manifest.ts';
import { openGraph } from '../../src/artifacts/store.ts';
import { gemm, input } from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { clipScale } from '../../src/optim/clip.ts';
import { createOptimizer } from '../../src/optim/optimizer.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Session } from '../../src/runtime/session.ts';
import {
  createEngine,
  type Engine,
  type GradientResult,
  type LabelledImages,
} from '../../src/train/engine.ts';
import { infer } from '../../src/train/evaluate.ts';
import { ParameterArrays } from '../../src/train/parameters.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.ts';
import type { Job, Work } from './protocol.ts';

interface Loaded {
  readonly job: Job;
  readonly batch: LabelledImages;
  readonly manifest: Manifest;
  readonly parameters: ParameterArrays;
  readonly engine: Engine;
  readonly forward: () => Promise<Float32Array>;
  readonly generateMs: number;
  createMs: number;
}

let loaded: Loaded | undefined;
let last: GradientResult | undefined;
const adamw = createOptimizer({ optimizer: 'adamw' });
let adamwMs = 0;

async function load(job: Job, microBatch = job.batch): Promise<Loaded> {
  const { spec, name } = await openGraph(job.graph);
  const start = performance.now();
  const built = buildGraphs(spec, microBatch);
  const files = new Map<GraphName, Uint8Array>();
  const file = (graph: GraphName): Uint8Array => {
    const bytes = files.get(graph) ?? serialize(built.graphs[graph]);
    files.set(graph, bytes);
    return bytes;
  };
  file('gr-exact');
  const generateMs = performance.now() - start;
  const manifest = describeGraphs(name, spec, built, microBatch, '');
  const parameters = new ParameterArrays(manifest);
  parameters.restore(
    parameters.values,
    decodeSafetensors(readFileSync(job.weights), job.weights).tensors,
    job.weights,
  );
  const inputs = new Map(
    decodeSafetensors(readFileSync(job.inputs), job.inputs).tensors.map((tensor) => [
      tensor.name,
      tensor.data,
    ]),
  );
  const [images, labels] = [inputs.get('images'), inputs.get('labels')];
  if (!(images instanceof Float32Array) || !(labels instanceof Int32Array))
    throw new Error(`${job.inputs}: wrong inputs`);
  const create = async (graph: GraphName): Promise<Session> => {
    const bytes = file(graph);
    const begin = performance.now();
    const session = await createSession(bytes, { device: 'cpu', threads: job.threads });
    result.createMs = performance.now() - begin;
    return session;
  };
  let inference: Session | undefined;
  const kind = job.what?.[0] === 'fd' ? 'fd' : 'exact';
  const result: Loaded = {
    job,
    batch: { images, labels },
    manifest,
    parameters,
    engine: createEngine({ manifest, parameters, kind, labelSmoothing: job.labelSmoothing, load: create }),
    forward: async () => {
      inference ??= await create('infer');
      return infer(inference, manifest, parameters.feeds, images);
    },
    generateMs,
    createMs: 0,
  };
  return result;
}

const OFF = { active: false, lambda: 0, r: 0, alpha: 0 };

async function work(
  { job, batch, manifest, parameters, engine, forward }: Loaded,
  what: Work,
): Promise<void> {
  const { lambda, r, alpha } = job;
  switch (what) {
    case 'forward':
      await forward();
      return;
    case 'gradient':
      last = await engine.gradient(batch, OFF);
      return;
    case 'exact':
      last = await engine.gradient(batch, { active: true, lambda, r: 0, alpha: 0 });
      return;
    case 'fd':
      last = await engine.gradient(batch, { active: true, lambda, r, alpha });
      return;
    case 'train-step': {
      last = await engine.gradient(batch, OFF);
      const start = performance.now();
      const gradScale = clipScale(last.grGradNorm, 5);
      last.gradients.forEach((grad, i) => {
        const param = parameters.values.views[i];
        const slots = moments.map(({ views }) => views[i] ?? new Float32Array());
        const weightDecay = manifest.parameters[i]?.decay ? 0.3 : 0;
        if (param) adamw.update({ param, grad, slots, learningRate: 1e-9, count: 1, weightDecay, gradScale });
      });
      adamwMs = performance.now() - start;
    }
  }
}

let moments: ReturnType<ParameterArrays['allocate']>[] = [];

/** The yardstick: ONNX Runtime's own product of two 2048×2048 matrices. */
async function matmul(threads: number): Promise<() => Promise<void>> {
  const [a, b] = [input('a', [2048, 2048]), input('b', [2048, 2048])];
  const bytes = serialize({ name: 'matmul', inputs: [a, b], outputs: { c: gemm(a, b) } });
  const session = await createSession(bytes, { device: 'cpu', threads });
  const data = Float32Array.from({ length: 2048 * 2048 }, (_, i) => Math.sin(i));
  const feed = { dtype: 'float32', shape: [2048, 2048], data } as const;
  return async () => {
    await session.run({ a: feed, b: feed });
  };
}

let yardstick: (() => Promise<void>) | undefined;

async function answer(message: {
  cmd: string;
  job: Job;
  what: Work | 'matmul';
  path: string;
}): Promise<object> {
  if (message.cmd === 'load') {
    if (message.job.graph === '') {
      yardstick = await matmul(message.job.threads);
      return { ms: 0 };
    }
    const start = performance.now();
    loaded = await load(message.job, message.job.microBatch);
    moments =
      message.job.what?.[0] === 'train-step'
        ? [loaded.parameters.allocate(), loaded.parameters.allocate()]
        : [];
    return { ms: performance.now() - start, generate: loaded.generateMs };
  }
  if (message.cmd === 'results') {
    const { loss = 0, gradNorm = 0, gradients = [] } = last ?? {};
    const scalars = { loss, grad_norm: gradNorm };
    const tensors = [
      ...Object.entries(scalars).map(([name, value]) => ({ name, shape: [], data: Float32Array.of(value) })),
      ...(loaded?.manifest.parameters ?? []).map(({ path, shape }, i) => ({
        name: `grad/${path}`,
        shape,
        data: gradients[i] ?? new Float32Array(),
      })),
    ];
    writeFileSync(message.path, Buffer.concat(encodeSafetensors(tensors)));
    return {};
  }
  const start = performance.now();
  if (message.what === 'matmul') await yardstick?.();
  else if (loaded) await work(loaded, message.what);
  const ms = performance.now() - start;
  return { ms, adamw: adamwMs, create: loaded?.createMs ?? 0, ...memory() };
}

function memory(): { rss: number; rss_peak: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
  return { rss: field('VmRSS'), rss_peak: field('VmHWM') };
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.cmd === 'exit') break;
  const reply = await answer(message).catch((error: unknown) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit();
