/**
 * How the benchmark talks to what it times: one process per subject and kind of work, so that memory can be told
 * apart, and one JSON line per request and reply. PyTorch's side is scripts/peers/torch_vit.py.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export const WORK = ['forward', 'gradient', 'train-step', 'fd', 'exact'] as const;
export type Work = (typeof WORK)[number];

/** What both sides load: the same network, weights and images. */
export interface Job {
  /** ortgrad's graph, or '' for the yardstick. */
  readonly graph: string;
  readonly model: Readonly<Record<'patch' | 'width' | 'layers' | 'heads' | 'mlp', number>> & {
    readonly pool: string;
  };
  readonly image: Readonly<Record<'channels' | 'height' | 'width', number>>;
  readonly classes: number;
  readonly batch: number;
  /** Images per run of ortgrad's graphs. */
  readonly microBatch: number;
  /** safetensors: parameters by path. */
  readonly weights: string;
  /** safetensors: images and labels. */
  readonly inputs: string;
  readonly lambda: number;
  readonly r: number;
  readonly alpha: number;
  readonly labelSmoothing: number;
  readonly threads: number;
  readonly compile: boolean;
  readonly what?: readonly Work[];
}

export interface Timing {
  readonly ms: number;
  /** Resident bytes at the most since the process began: interpreter, libraries, weights, everything. */
  readonly peak: number;
  /** Of ortgrad: clipping and AdamW, and creating the session. */
  readonly adamw: number;
  readonly create: number;
}

export interface Subject {
  readonly name: string;
  /** Resolves to the milliseconds that writing the graphs took, for ortgrad. */
  load(job: Job): Promise<number>;
  run(what: Work | 'matmul'): Promise<Timing>;
  /** Writes loss, grad_norm and grad/<path> to a safetensors file. */
  results(what: Work, path: string): Promise<void>;
  close(): Promise<void>;
}

export function startSubject(name: string, command: string, args: readonly string[]): Subject {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((resolve) => child.once('close', resolve));
  async function request(message: object): Promise<(key: string) => number> {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${name} ended before it answered`);
      if (!value.startsWith('{')) continue;
      const reply: Record<string, unknown> = JSON.parse(value);
      if (typeof reply.error === 'string') throw new Error(`${name}: ${reply.error}`);
      return (key) => Number(reply[key] ?? 0);
    }
  }
  return {
    name,
    async load(job) {
      return (await request({ cmd: 'load', job }))('generate');
    },
    async run(what) {
      const figure = await request({ cmd: 'run', what });
      return { ms: figure('ms'), peak: figure('rss_peak'), adamw: figure('adamw'), create: figure('create') };
    },
    async results(what, path) {
      await request({ cmd: 'results', what, path });
    },
    async close() {
      child.stdin.end(`${JSON.stringify({ cmd: 'exit' })}\n`);
      await ended;
    },
  };
}
