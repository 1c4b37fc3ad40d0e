/**
 * How the benchmark talks to what it times: one process per subject, so that memory can be told apart, and one JSON
 * line per request and reply. PyTorch's side is scripts/peers/torch_vit.py.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export const WORK = ['forward', 'gradient', 'exact', 'fd', 'train-step'] as const;
export type Work = (typeof WORK)[number];

/** What both sides load: the same network, weights and images. */
export interface Job {
  readonly model: {
    readonly patch: number;
    readonly width: number;
    readonly layers: number;
    readonly heads: number;
    readonly mlp: number;
    readonly pool: string;
  };
  readonly image: { readonly channels: number; readonly height: number; readonly width: number };
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
  readonly compile: boolean;
  /** For ortgrad's side: the folder of the spec. */
  readonly graph: string;
}

export interface Timing {
  readonly ms: number;
  /** Resident bytes: now, and at the most since the process began. */
  readonly rss: number;
  readonly rss_peak: number;
}

export interface Subject {
  readonly name: string;
  load(job: Job, what: Work): Promise<{ readonly ms: number }>;
  run(what: Work): Promise<Timing>;
  results(what: Work, path: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a subject's process. */
export function startSubject(name: string, command: string, args: readonly string[]): Subject {
  const child: ChildProcess = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error('internal: no pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  async function request(message: object): Promise<Record<string, unknown>> {
    stdin?.write(`${JSON.stringify(message)}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${name} ended before it answered`);
      if (!value.startsWith('{')) continue;
      const reply: Record<string, unknown> = JSON.parse(value);
      if (typeof reply.error === 'string') throw new Error(`${name}: ${reply.error}`);
      return reply;
    }
  }
  const figure = (reply: Record<string, unknown>, key: string): number => Number(reply[key] ?? Number.NaN);
  return {
    name,
    async load(job, what) {
      const reply = await request({ cmd: 'load', job: { ...job, what: [what] } });
      return { ms: figure(reply, 'ms') };
    },
    async run(what) {
      const reply = await request({ cmd: 'run', what });
      return { ms: figure(reply, 'ms'), rss: figure(reply, 'rss'), rss_peak: figure(reply, 'rss_peak') };
    },
    async results(what, path) {
      await request({ cmd: 'results', what, path });
    },
    async close() {
      stdin.end(`${JSON.stringify({ cmd: 'exit' })}\n`);
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}
