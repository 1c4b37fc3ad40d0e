/** Prepares a network to be timed: writes its weights and images to disk, and its graphs when they are asked for. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { moduleBeside } from '../../src/module-beside.node.ts';
import { type Generated, type GraphChoice, generate } from './generate.ts';
import { forwardFlops, type Inputs, type Network, writeInputs } from './network.ts';
import type { Peer } from './peers.ts';
import { type Job, type Runtime, type Subject, startSubject, type Work } from './protocol.ts';
import type { Rounds } from './rounds.ts';

export interface Settings {
  readonly rounds: Rounds;
  readonly threads: number;
  readonly runtime: Runtime;
  /** How our graphs are built. */
  readonly options: GraphChoice;
  /** How many images one run of our graphs holds, if fewer than the batch. */
  readonly microBatch: number | undefined;
  readonly peers: readonly Peer[];
  /** For files. The caller removes it. */
  readonly folder: string;
  readonly progress: (text: string) => void;
}

/**
 * The matrix products of each kind of work, in units of a forward pass. A gradient costs two forward passes more. Exact
 * regularization adds the tangent of the gradient, which costs twice the gradient's three.
 */
export const PASSES: Readonly<Record<Work, number>> = {
  forward: 1,
  gradient: 3,
  'train-step': 3,
  fd: 6,
  exact: 9,
};

export interface Stage {
  readonly network: Network;
  readonly inputs: Inputs;
  /** Nominal floating-point operations of a kind of work. */
  readonly flops: (work: Work) => number;
  /** Writes one of our graphs. The same options give the file that was written before. */
  readonly graph: (name: GraphName | 'loss', options?: GraphChoice) => Generated;
  readonly job: (work: Work, more?: Partial<Pick<Job, 'profile'>>, options?: GraphChoice) => Job;
  readonly folder: string;
}

export function setStage(network: Network, settings: Settings): Stage {
  const folder = path.join(settings.folder, network.label.replaceAll(/[^\w.-]+/g, '-'));
  mkdirSync(folder, { recursive: true });
  settings.progress('weights and images');
  const inputs = writeInputs(
    network,
    { microBatch: settings.microBatch ?? network.batch, memory: settings.options.memory ?? 'fast' },
    folder,
  );
  const forward = forwardFlops(network.spec, network.batch);
  const written = new Map<string, Generated>();
  const graph = (name: GraphName | 'loss', options: GraphChoice = settings.options): Generated => {
    const key = [name, options.memory ?? 'fast', ...(options.without ?? [])].join('-without-');
    settings.progress(`writing graph ${key}`);
    const found =
      written.get(key) ??
      generate({
        spec: network.spec,
        batch: inputs.manifest.microBatch,
        name,
        options,
        file: path.join(folder, `${key}.onnx`),
        repeat: name !== 'infer' && name !== 'loss' && options === settings.options,
      });
    written.set(key, found);
    return found;
  };
  return {
    network,
    inputs,
    flops: (work) => PASSES[work] * forward,
    graph,
    job: (work, more = {}, options = settings.options) => ({
      ...inputs,
      work,
      lambda: 0.1,
      r: 0.1,
      alpha: 0.5,
      labelSmoothing: 0,
      threads: settings.threads,
      runtime: settings.runtime,
      files: Object.fromEntries(
        graphsFor(work, inputs.batch === inputs.manifest.microBatch).map((name) => [
          name,
          graph(name, options).file,
        ]),
      ),
      ...more,
    }),
    folder,
  };
}

function graphsFor(work: Work, inOneRun: boolean): GraphName[] {
  if (work === 'forward') return ['infer'];
  if (work === 'exact') return inOneRun ? ['gr-exact'] : ['loss-grad', 'hvp'];
  return ['loss-grad'];
}

/** A process of ortgrad. `loadMatmul` makes it the yardstick. */
export function startOurs(name = 'ortgrad'): Subject {
  const script = fileURLToPath(moduleBeside('subject', import.meta.url));
  return startSubject(name, process.execPath, [...process.execArgv, script]);
}

export async function startYardstick({ threads, runtime }: Settings): Promise<Subject> {
  const yardstick = startOurs('MatMul 2048³');
  await yardstick.loadMatmul(threads, runtime);
  return yardstick;
}

export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
