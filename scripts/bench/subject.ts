/** ortgrad's side of the benchmark, in a process of its own: see protocol.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { gemm, input } from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from '../../src/storage/safetensors.ts';
import { type Host, type Loaded, load } from './load.ts';
import type { Job, Runtime } from './protocol.ts';

async function openHost(runtime: Runtime, threads: number): Promise<Host> {
  if (runtime === 'node') {
    const { createSession } = await import('../../src/runtime/ort.node.ts');
    return { createSession, threads };
  }
  const { createSession, wasmThreads } = await import('../../src/runtime/ort.web.ts');
  return {
    // Given bytes, because a browser's runtime cannot read files.
    createSession: (model, options) =>
      createSession(typeof model === 'string' ? readFileSync(model) : model, options),
    threads: wasmThreads(threads),
  };
}

function readTensors(file: string): readonly NamedTensor[] {
  return decodeSafetensors(readFileSync(file), file).tensors;
}

/** The yardstick: ONNX Runtime's own product of two 2048×2048 matrices. */
async function loadMatmul(runtime: Runtime, threads: number): Promise<Loaded> {
  const [a, b] = [input('a', [2048, 2048]), input('b', [2048, 2048])];
  const bytes = serialize({ name: 'matmul', inputs: [a, b], outputs: { c: gemm(a, b) } });
  const host = await openHost(runtime, threads);
  const create = () => host.createSession(bytes, { device: 'cpu', threads });
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
    threads: host.threads,
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
  if (cmd === 'load') {
    const [weights, inputs] = [readTensors(job.weights), readTensors(job.inputs)];
    loaded = await load(job, { weights, inputs }, await openHost(job.runtime, job.threads));
  }
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
  // resourceUsage() is not used: its peak begins with the memory that the parent had when it started this process.
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
