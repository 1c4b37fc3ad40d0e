/** What the benchmark calls in a subject's page: load the work, time it, return its numbers. */
import { decodeSafetensors, type NamedTensor } from '../../../src/storage/safetensors.ts';
import type { Tensors } from '../load.ts';
import type { Job } from '../protocol.ts';

/** What the module of a subject exports. */
export interface WebModule {
  load(job: Job, tensors: Tensors, variant: string): Promise<WebWork>;
}

export interface WebWork {
  /** Does the work once. When it resolves, the results are computed, wherever the library keeps them. */
  run(): Promise<unknown>;
  /** loss, grad_norm and grad/<path>, or the logits of a forward pass. */
  results(): Promise<readonly NamedTensor[]>;
}

/** A sample is the mean of as many runs as fill this time, because a page's clock is too coarse for a single run. */
const SAMPLE_MS = 200;

async function tensorsOf(file: string): Promise<readonly NamedTensor[]> {
  const bytes = new Uint8Array(await (await fetch(file)).arrayBuffer());
  return decodeSafetensors(bytes, file).tensors;
}

let work: WebWork | undefined;

function loaded(): WebWork {
  if (!work) throw new Error('internal: nothing is loaded');
  return work;
}

const subject = {
  async load(module: string, job: Job, variant: string): Promise<void> {
    const { load }: WebModule = await import(module);
    const [weights, inputs] = await Promise.all([tensorsOf(job.weights), tensorsOf(job.inputs)]);
    work = await load(job, { weights, inputs }, variant);
  },
  /** Milliseconds of a run. */
  async time(): Promise<number> {
    const { run } = loaded();
    const start = performance.now();
    for (let runs = 1; ; runs++) {
      await run();
      const ms = performance.now() - start;
      if (ms >= SAMPLE_MS) return ms / runs;
    }
  },
  /** Arrays of numbers, because typed arrays do not survive the way out of the page. */
  async results(): Promise<{ name: string; shape: number[]; data: number[] }[]> {
    return (await loaded().results()).map(({ name, shape, data }) => ({
      name,
      shape: [...shape],
      data: Array.from(data, Number),
    }));
  },
};

declare global {
  interface Window {
    readonly subject: typeof subject;
  }
}

Object.assign(window, { subject });
