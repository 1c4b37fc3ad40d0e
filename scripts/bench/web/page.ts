/** What a subject's page does when it is asked from outside: load the work, time it, give its numbers. */
import { decodeSafetensors, type NamedTensor } from '../../../src/train/safetensors.ts';
import type { Tensors } from '../load.ts';
import type { Job } from '../protocol.ts';

/** What the module of a subject exports. */
export interface WebModule {
  load(job: Job, tensors: Tensors, variant: string): Promise<WebWork>;
}

export interface WebWork {
  /** One piece of the work; its results are there when it resolves, wherever the library keeps them. */
  run(): Promise<unknown>;
  /** loss, grad_norm and grad/<path>, or the logits of a forward pass. */
  results(): Promise<readonly NamedTensor[]>;
}

/** A sample is the mean of as many runs as fill this time: single ones are short for the clock of a page. */
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
  /** Arrays as numbers, which survive the way out of the page. */
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
