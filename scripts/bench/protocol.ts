/**
 * How the benchmark talks to what it times: one process per subject and kind of work, so that memory can be told
 * apart, and one JSON line per request and reply. The peers' sides are in scripts/peers.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { GraphName } from '../../src/artifacts/build.ts';
import type { Manifest } from '../../src/artifacts/manifest.ts';

export const WORK = ['forward', 'gradient', 'train-step', 'fd', 'exact'] as const;
export type Work = (typeof WORK)[number];

export const RUNTIMES = ['node', 'wasm'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** What all sides load: the same network, weights and images. */
export interface Job {
  readonly model: Readonly<Record<'patch' | 'width' | 'layers' | 'heads' | 'mlp', number>> & {
    readonly pool: string;
    readonly activation: string;
  };
  readonly image: Readonly<Record<'channels' | 'height' | 'width', number>>;
  readonly classes: number;
  readonly batch: number;
  /** safetensors: parameters by path. */
  readonly weights: string;
  /** safetensors: images and labels. */
  readonly inputs: string;
  readonly lambda: number;
  readonly r: number;
  readonly alpha: number;
  readonly labelSmoothing: number;
  readonly threads: number;
  readonly work: Work;
  /** Of ortgrad alone. */
  readonly manifest: Manifest;
  /** ONNX files: ortgrad's, and the loss alone for ONNX Runtime training. */
  readonly files: Readonly<Partial<Record<GraphName | 'loss', string>>>;
  readonly runtime: Runtime;
  /** Where ONNX Runtime writes the times of nodes: the beginning of a file's path. */
  readonly profile?: string;
}

export interface Timing {
  readonly ms: number;
  /** Resident bytes at the most since the process began: interpreter, libraries, weights, everything. */
  readonly peak: number;
  /** Of ortgrad's training step: clipping, AdamW and scores. */
  readonly update: number;
  /** Creating the session, or compiling; the first time. */
  readonly create: number;
  readonly threads: number;
}

export interface Subject {
  readonly name: string;
  load(job: Job): Promise<void>;
  /** The yardstick of this process. */
  loadMatmul(threads: number, runtime: Runtime): Promise<void>;
  run(): Promise<Timing>;
  /** Writes loss, grad_norm and grad/<path>, or the logits of a forward pass, to a safetensors file. */
  results(path: string): Promise<void>;
  /** Milliseconds to create the session once more, of ortgrad. */
  create(): Promise<number>;
  /** Ends what is loaded, for its profile to be written. */
  release(): Promise<void>;
  close(): Promise<void>;
}

export function startSubject(name: string, command: string, args: readonly string[]): Subject {
  // A peer's warnings belong in nobody's table; its errors come as replies.
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-2000);
  });
  child.stdin.on('error', () => {}); // it ended; the next request says so
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      complaints = error.message;
      resolve();
    });
  });
  async function request(message: object): Promise<(key: string) => number> {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) {
        await ended;
        const last = complaints.trim().split('\n').at(-1) ?? '';
        const how = child.signalCode ?? `exit code ${child.exitCode}`;
        throw new Error(`it ended before it answered (${how})${last === '' ? '' : `: ${last}`}`);
      }
      if (!value.startsWith('{')) continue;
      const reply: Record<string, unknown> = JSON.parse(value);
      if (typeof reply.error === 'string') throw new Error(reply.error.split('\n', 1)[0]);
      return (key) => Number(reply[key] ?? 0);
    }
  }
  return {
    name,
    async load(job) {
      await request({ cmd: 'load', job });
    },
    async loadMatmul(threads, runtime) {
      await request({ cmd: 'matmul', threads, runtime });
    },
    async run() {
      const figure = await request({ cmd: 'run' });
      return {
        ms: figure('ms'),
        peak: figure('rss_peak'),
        update: figure('update'),
        create: figure('create'),
        threads: figure('threads'),
      };
    },
    async results(path) {
      await request({ cmd: 'results', path });
    },
    async create() {
      return (await request({ cmd: 'create' }))('ms');
    },
    async release() {
      await request({ cmd: 'release' });
    },
    async close() {
      child.stdin.end(`${JSON.stringify({ cmd: 'exit' })}\n`);
      await ended;
    },
  };
}
