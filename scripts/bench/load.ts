/** ortgrad's side of a piece of work, in a process of its own or in a page. Also for browsers. */
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { parseConfig } from '../../src/config/config.ts';
import type { Batch } from '../../src/data/batch.ts';
import { createEngine, fieldFeeds, floatsOf, runOn } from '../../src/run/engine.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { planRun, stepPlanOf } from '../../src/run/plan.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import type { Session, SessionOptions } from '../../src/runtime/session.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference } from '../../src/step/regularizers/finite-difference.ts';
import { none } from '../../src/step/regularizers/none.ts';
import type { NamedTensor } from '../../src/storage/safetensors.ts';
import { type GradientResult, gradientOf, scratchOf } from './gradient.ts';
import type { Job } from './protocol.ts';

/** The content of the job's two files. */
export interface Tensors {
  /** Variables by path. */
  readonly weights: readonly NamedTensor[];
  /** The fields of a batch. */
  readonly inputs: readonly NamedTensor[];
}

/** The runtime in which it runs. */
export interface Host {
  /** Takes a model's bytes, or its path or address. */
  readonly createSession: (model: Uint8Array | string, options: SessionOptions) => Promise<Session>;
  /** How many of the threads that the job asks for there are. */
  readonly threads: number;
}

export interface Loaded {
  /** Does the work that is timed, once. */
  readonly run: () => Promise<{ readonly update?: number }>;
  /** Does the work once, and returns the numbers that it computes. */
  readonly results: () => Promise<NamedTensor[]>;
  /** Creates a session of the main graph. */
  readonly create: () => Promise<Session>;
  readonly release: () => Promise<void>;
  readonly firstCreate: () => number;
  readonly threads: number;
}

export async function load(job: Job, tensors: Tensors, host: Host): Promise<Loaded> {
  const batch = batchOf(job, tensors);
  const sessions = new Sessions(job, host);
  const common = {
    create: () => sessions.create(mainGraph(job)),
    release: () => sessions.release(),
    firstCreate: () => sessions.first,
    threads: host.threads,
  };
  if (job.work === 'forward') return { ...common, ...forwardWork(job, tensors, batch, sessions) };
  if (job.work === 'train-step') return { ...common, ...stepWork(job, tensors, batch, sessions) };
  const take = gradientWork(job, restored(job, tensors), batch, sessions);
  return {
    ...common,
    run: async () => {
      await take();
      return {};
    },
    results: async () => gradientTensors(await take(), job),
  };
}

/** The graph whose session takes the longest to make. */
function mainGraph({ work, batch, manifest }: Job): GraphName {
  if (work === 'forward') return 'infer';
  return work === 'exact' && batch === manifest.microBatch ? 'gr-exact' : 'loss-grad';
}

/** The sessions of a job, each of them one. */
class Sessions {
  /** Milliseconds of creating the first. */
  first = Number.NaN;
  /** Milliseconds that all have run. */
  ran = 0;
  readonly #job: Job;
  readonly #host: Host;
  readonly #open = new Map<GraphName, Promise<Session>>();

  constructor(job: Job, host: Host) {
    this.#job = job;
    this.#host = host;
  }

  async create(graph: GraphName): Promise<Session> {
    const { files, work, threads, manifest, profile } = this.#job;
    const file = files[graph];
    if (file === undefined) throw new Error(`internal: graph ${graph} was not generated for ${work}`);
    const start = performance.now();
    const session = await this.#host.createSession(file, {
      device: 'cpu',
      threads,
      keepsMemory: manifest.memory === 'fast', // as a training run does
      ...(profile === undefined ? {} : { profile }),
    });
    if (Number.isNaN(this.first)) this.first = performance.now() - start;
    return session;
  }

  /** The session of a graph, which is released with the others. */
  async shared(graph: GraphName): Promise<Session> {
    const opened = this.#open.get(graph) ?? this.create(graph);
    this.#open.set(graph, opened);
    const session = await opened;
    return {
      ...session,
      run: async (feeds, fetches) => {
        const start = performance.now();
        const out = await session.run(feeds, fetches);
        this.ran += performance.now() - start;
        return out;
      },
      release: async () => {},
    };
  }

  async release(): Promise<void> {
    for (const session of this.#open.values()) await (await session).release();
    this.#open.clear();
  }
}

function batchOf({ batch, manifest }: Job, { inputs }: Tensors): Batch {
  const fields = Object.fromEntries(
    inputs.flatMap(({ name, data }) => (Object.hasOwn(manifest.fields, name) ? [[name, data]] : [])),
  );
  return { fields, examples: batch, indices: new Uint32Array(batch), epoch: 0, step: 0 };
}

const REGULARIZERS = { gradient: none, 'train-step': none, forward: none, fd: finiteDifference, exact };

function restored(job: Job, { weights }: Tensors): VariableArrays {
  const variables = new VariableArrays(job.manifest, scratchOf(REGULARIZERS[job.work]));
  variables.restoreVariables(['trainable', 'state'], weights, job.weights);
  return variables;
}

function gradientWork(
  job: Job,
  variables: VariableArrays,
  batch: Batch,
  sessions: Sessions,
): () => Promise<GradientResult> {
  const { manifest, work, lambda, r, alpha, labelSmoothing } = job;
  const load = (graph: GraphName) => sessions.shared(graph);
  const take = gradientOf({
    engine: createEngine({ manifest, variables, seed: 0, load }),
    variables,
    regularizer: REGULARIZERS[work],
    strengths: { lambda, r, alpha },
    whole: mainGraph(job) === 'gr-exact',
    scalars: { labelSmoothing },
  });
  return () => take(batch);
}

function forwardWork(
  job: Job,
  tensors: Tensors,
  { fields, examples }: Batch,
  sessions: Sessions,
): Pick<Loaded, 'run' | 'results'> {
  const { feeds } = restored(job, tensors);
  const forward = async (): Promise<NamedTensor[]> => {
    const session = await sessions.shared('infer');
    const out = await runOn(session, { ...feeds, ...fieldFeeds(job.manifest, fields, examples) });
    return Object.entries(job.manifest.outputs).map(([name, { shape }]) => ({
      name,
      shape: [examples, ...shape.map(Number)],
      data: floatsOf(out, name),
    }));
  };
  return {
    run: async () => {
      await forward();
      return {};
    },
    results: forward,
  };
}

/** A step of the trainer itself, with AdamW. Its learning rate is so small that the weights stay as they are. */
function stepWork(
  job: Job,
  { weights }: Tensors,
  batch: Batch,
  sessions: Sessions,
): Pick<Loaded, 'run' | 'results'> {
  const { manifest, batch: batchSize } = job;
  const config = parseConfig({ optimizer: 'adamw', weightDecay: 0.3, clip: 5, gr: 'none' }, 'benchmark');
  const plan = { ...stepPlanOf(config, planRun(config, 1)), learningRate: () => 1e-9 };
  const load = (graph: GraphName) => sessions.shared(graph);
  const trainer = createHostTrainer({ manifest, plan, batchSize, seed: 0, load });
  trainer.variables.restoreVariables(['trainable', 'state'], weights, job.weights);
  let step = 0;
  return {
    run: async () => {
      const [start, ran] = [performance.now(), sessions.ran];
      await trainer.step(step++, batch);
      return { update: performance.now() - start - (sessions.ran - ran) };
    },
    results: async () => gradientTensors(await gradientWork(job, trainer.variables, batch, sessions)(), job),
  };
}

function gradientTensors({ loss, gradNorm, gradients }: GradientResult, { manifest }: Job): NamedTensor[] {
  return [
    { name: 'loss', shape: [], data: Float32Array.of(loss) },
    { name: 'grad_norm', shape: [], data: Float32Array.of(gradNorm) },
    ...manifest.variables
      .filter(({ role }) => role === 'trainable')
      .map(({ path, shape }, i) => ({
        name: `grad/${path}`,
        shape,
        data: gradients[i] ?? new Float32Array(),
      })),
  ];
}
