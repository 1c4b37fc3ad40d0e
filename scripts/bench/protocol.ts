/**
 * How the benchmark talks to its subjects. Each subject and kind of work has a process of its own, so that its memory can
 * be measured. Requests and replies are one JSON line each. The peers' sides are in scripts/peers.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import type { Manifest } from '../../src/artifacts/manifest.ts';
import type { PeerNetwork } from './peer-network.ts';

export const WORK = ['forward', 'gradient', 'train-step', 'fd', 'exact'] as const;
export type Work = (typeof WORK)[number];

export const RUNTIMES = ['node', 'wasm'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** What all sides load: the same network, weights and examples. */
export interface Job {
  readonly network: PeerNetwork;
  readonly batch: number;
  /** safetensors: variables by path. */
  readonly weights: string;
  /** safetensors: the fields of a batch; with dropout also the masks that ours draws, by the names of its inputs. */
  readonly inputs: string;
  readonly lambda: number;
  readonly r: number;
  readonly alpha: number;
  readonly labelSmoothing: number;
  readonly threads: number;
  readonly work: Work;
  /** For ortgrad only. */
  readonly manifest: Manifest;
  /** ONNX files: ortgrad's, and the loss alone for ONNX Runtime training. */
  readonly files: Readonly<Partial<Record<GraphName | 'loss', string>>>;
  readonly runtime: Runtime;
  /** ONNX Runtime writes the times of nodes to a file whose path begins with this. */
  readonly profile?: string;
}

export interface Timing {
  readonly ms: number;
  /** The peak of resident bytes since the process began: interpreter, libraries, weights, everything. */
  readonly peak: number;
  /** Milliseconds of clipping, AdamW and scores, in ortgrad's training step. */
  readonly update: number;
  /** Milliseconds of creating the session, or of compiling, for the first time. */
  readonly create: number;
  readonly threads: number;
}

export interface Subject {
  readonly name: string;
  load(job: Job): Promise<void>;
  /** Loads a product of 2048×2048 matrices instead, which shows the speed of the machine at that moment. */
  loadMatmul(threads: number, runtime: Runtime): Promise<void>;
  run(): Promise<Timing>;
  /** Writes loss, grad_norm and grad/<path>, or what a forward pass predicts, to a safetensors file. */
  results(path: string): Promise<void>;
  /** Milliseconds to create the session once more. Only ortgrad can. */
  create(): Promise<number>;
  /** Releases what is loaded, so that its profile is written. */
  release(): Promise<void>;
  close(): Promise<void>;
}

/** A process that answers every line with one, each a JSON object; `{cmd: 'exit'}` ends it. */
export interface Respondent {
  /** Sends a line. Gives the numbers of the answer by their keys; throws the error that it tells. */
  request(message: object): Promise<(key: string) => number>;
  close(): Promise<void>;
}

export function startRespondent(command: string, args: readonly string[]): Respondent {
  // A peer's warnings are of no use here; its errors come as replies.
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-2000);
  });
  child.stdin.on('error', () => {}); // the process has ended; the next request reports it
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      complaints = error.message;
      resolve();
    });
  });
  const request: Respondent['request'] = async (message) => {
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
  };
  return {
    request,
    async close() {
      child.stdin.end(`${JSON.stringify({ cmd: 'exit' })}\n`);
      await ended;
    },
  };
}

export function startSubject(name: string, command: string, args: readonly string[]): Subject {
  const { request, close } = startRespondent(command, args);
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
    close,
  };
}
