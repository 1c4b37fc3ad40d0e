/** A run in a page: the run of run/run.ts, as in node, on a backend of the page. What its data are, and what is saved of it, others say. */
import { type GraphName, TaskGraphs } from '../../artifacts/graphs.ts';
import type { Manifest } from '../../artifacts/manifest.ts';
import type { TrainConfig } from '../../config/config.ts';
import type { Batches } from '../../data/batches.ts';
import { UserError } from '../../errors.ts';
import { serialize } from '../../onnx/serialize.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import { setting } from '../../option-names.ts';
import { createDeviceTrainer } from '../../run/device-trainer.ts';
import { SPIKE_WINDOW } from '../../run/diagnostics/spikes.ts';
import { createHostTrainer } from '../../run/host-trainer.ts';
import { expectDeviceOptions, type Plan, remediesOf, stepPlanOf } from '../../run/plan.ts';
import { type BatchSource, Run, type RunEvent, type RunState } from '../../run/run.ts';
import type { Trainer } from '../../run/trainer.ts';
import type { Session } from '../../runtime/session.ts';
import type { Checkpoint } from '../../storage/checkpoint.ts';
import { type MetricsLine, metricsLine } from '../../storage/metrics.ts';
import { infosOf } from '../../tasks/infos.ts';
import type { Backend } from './backend.ts';
import { PAGE_NAMES } from './labels.ts';

/** A run, as the page's worker sees it. */
export interface Training {
  readonly config: TrainConfig;
  readonly plan: Plan;
  /** The step after which the run ends. */
  readonly lastStep: number;
  /** The number of trained numbers, over all parameters. */
  readonly parameters: number;
  /** The number of steps done. */
  step(): number;
  /** All lines of metrics so far. */
  metrics(): readonly MetricsLine[];
  /** Takes a step and measures when it is due. Returns the new lines. Throws UserError where the loss is not finite. */
  advance(): Promise<readonly MetricsLine[]>;
  release(): Promise<void>;
}

/** A file that the page offers to save. */
export interface NamedPieces {
  readonly name: string;
  readonly pieces: readonly Uint8Array[];
}

export interface PageRunOptions {
  readonly config: TrainConfig;
  readonly graphs: TaskGraphs;
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly train: BatchSource;
  readonly test: BatchSource;
  /** Steps between measurements on the test examples. */
  readonly testEvery: number;
  /** Puts the numbers in place that the run begins with. */
  readonly begin: (trainer: Trainer) => void;
  readonly from?: {
    readonly checkpoint: Pick<Checkpoint, 'step' | 'best'>;
    readonly metrics: readonly MetricsLine[];
  };
}

export class PageRun implements Training {
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly lastStep: number;
  readonly parameters: number;
  readonly manifest: Manifest;
  protected readonly trainer: Trainer;
  protected readonly sessions: ReturnType<typeof keptSessions>;
  readonly #metrics: MetricsLine[];
  readonly #run: Run;
  readonly #events: AsyncIterator<RunEvent, void>;

  constructor({ config, graphs, manifest, plan, backend, train, test, ...options }: PageRunOptions) {
    const { from } = options;
    const { task } = graphs;
    const load = (name: GraphName) => backend.load(serialize(graphs.graph(name)));
    this.config = config;
    this.manifest = manifest;
    this.parameters = manifest.variables.reduce(
      (sum, { role, shape }) => sum + (role === 'trainable' ? sizeOf(shape) : 0),
      0,
    );
    this.plan = plan;
    this.lastStep = plan.totalSteps;
    this.trainer = openTrainer(config, { graphs, manifest, plan, backend, load });
    options.begin(this.trainer);
    this.sessions = keptSessions(load);
    this.#metrics = [...(from?.metrics ?? [])];
    this.#run = new Run({
      ...{ manifest, metrics: task.metrics, infos: infosOf(task), trainer: this.trainer },
      settings: {
        ...{ batchSize: config.batchSize, plan, gr: config.gr, lastStep: this.lastStep },
        copies: true,
        isEvaluated: (step) => step % options.testEvery === 0,
        isSaved: () => false,
        remedies: remediesOf(config, PAGE_NAMES),
      },
      ports: { train, test, load: this.sessions.open },
      from: {
        step: from?.checkpoint.step ?? 0,
        best: from?.checkpoint.best ?? null,
        recent: this.#metrics.filter(({ split }) => split === 'train').slice(-SPIKE_WINDOW),
      },
    });
    this.#events = this.#run[Symbol.asyncIterator]();
  }

  step(): number {
    return this.#run.step;
  }

  metrics(): readonly MetricsLine[] {
    return this.#metrics;
  }

  async advance(): Promise<readonly MetricsLine[]> {
    const lines: MetricsLine[] = [];
    for (let isOver = false; !isOver; ) {
      const { value: event } = await this.#events.next();
      if (event?.kind === 'step' || event?.kind === 'evaluated') lines.push(metricsLine(event.record));
      isOver = event === undefined || event.kind === 'settled' || event.kind === 'stopped';
    }
    this.#metrics.push(...lines);
    return lines;
  }

  async release(): Promise<void> {
    await this.trainer.release();
    await this.sessions.release();
  }

  /** What the run has come to, in copies. */
  protected state(): Promise<RunState> {
    return this.#run.state(true);
  }

  /** Every variable as it is now, by path. */
  protected async weights(): Promise<ReadonlyMap<string, Float32Array>> {
    await this.trainer.pull();
    const { variables } = this.trainer;
    return new Map(this.manifest.variables.map(({ path }) => [path, variables.array(path)]));
  }
}

interface TrainerParts {
  readonly graphs: TaskGraphs;
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly load: (graph: GraphName) => Promise<Session>;
}

/** A trainer on the device or on the processor. */
function openTrainer(config: TrainConfig, { graphs, manifest, plan, backend, load }: TrainerParts): Trainer {
  const { batchSize, seed, memory = 'fast' } = config;
  const shared = { manifest, plan: stepPlanOf(config, plan, PAGE_NAMES), seed, load };
  if (!backend.open) return createHostTrainer({ ...shared, batchSize });
  expectDeviceOptions(config, PAGE_NAMES);
  return createDeviceTrainer({
    ...shared,
    graphs: new TaskGraphs(graphs.task, { batch: batchSize, memory, target: 'webgpu' }),
    open: backend.open,
  });
}

/** Sessions that are opened once and kept, since a page asks for them again and again. */
function keptSessions(load: (graph: GraphName) => Promise<Session>) {
  const kept = new Map<GraphName, Promise<Session>>();
  return {
    async open(graph: GraphName): Promise<Session> {
      const opened = kept.get(graph) ?? load(graph);
      kept.set(graph, opened);
      return { ...(await opened), release: async () => {} };
    },
    async release(): Promise<void> {
      for (const session of kept.values()) await (await session).release();
    },
  };
}

/** Throws UserError where the training examples do not fill one batch. `examples` is how many there are, and of what. */
export function expectBatch({ perEpoch }: Batches, { batchSize }: TrainConfig, examples: string): void {
  if (perEpoch > 0) return;
  throw new UserError(`${setting(PAGE_NAMES, 'batchSize', batchSize)}: expected at most ${examples}`);
}
