/**
 * A training run: a sequence of events, over ports for batches, graphs and storage. Terminals, logs, charts, callbacks and
 * early stopping listen to the events; none of them is inside. Also for browsers.
 */
import type { GraphName } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import type { Batch } from '../data/batch.ts';
import { UserError } from '../errors.ts';
import { stepMetrics } from '../metrics/finish.ts';
import { judgeOf, type MetricInfos } from '../metrics/info.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { DiagnosticsRecord } from '../storage/diagnostics.ts';
import type { EvaluationRecord, EvaluationSplit, TrainRecord } from '../storage/metrics.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import type { Metric } from '../tasks/task.ts';
import { asBest, type Best, isBetter } from './best.ts';
import type { Gauge } from './diagnostics/gauge.ts';
import { measureHessian } from './diagnostics/hessian.ts';
import { createSpikeMarks, type Norms } from './diagnostics/spikes.ts';
import { type Measured, measure } from './measure.ts';

import { inForce, type Plan } from './plan.ts';
import { DivergedError, type StepTold, type Trainer } from './trainer.ts';

type Feeds = Readonly<Record<string, Tensor>>;

/** Examples in batches, each epoch in an order of its own. */
export interface BatchSource {
  /** The batches of an epoch from number `fromBatch` on, counted from 0. */
  batches(from: { readonly epoch: number; readonly fromBatch?: number }): AsyncIterable<Batch>;
}

/** What a run needs of the world around it. */
export interface RunPorts {
  readonly train: BatchSource;
  /** Measured while the run goes on, and what decides which step is the best. */
  readonly validation?: BatchSource | undefined;
  /** Measured at the end; without validation also before, in its place. */
  readonly test?: BatchSource | undefined;
  /** A batch for the curvature, the same at every step. */
  readonly fixedBatch?: Batch | undefined;
  /** Loads the graph `evaluate`. */
  readonly load: (graph: GraphName) => Promise<Session>;
  readonly storage?: RunStorage | undefined;
  /** In milliseconds, from anywhere. */
  readonly now?: () => number;
}

export interface RunStorage {
  /** Resolves when training may go on; a save that is not over then must not look at arrays that are no copies. */
  save(state: RunState): Promise<void>;
  /** The variables that were saved at the best step. Throws UserError where they are gone. */
  best(best: Best): Promise<Feeds>;
}

/** All that a run needs to go on. */
export interface RunState {
  /** Steps taken, and whole epochs. */
  readonly step: number;
  readonly epoch: number;
  /** The trained variables and those of state, by path. */
  readonly parameters: readonly NamedTensor[];
  readonly frozen: readonly NamedTensor[];
  readonly optimizer: {
    readonly name: string;
    readonly slots: Readonly<Record<string, readonly NamedTensor[]>>;
  };
  readonly best: Best | null;
}

export interface RunSettings {
  readonly batchSize: number;
  readonly plan: Plan;
  readonly gr: Parameters<typeof inForce>[0];
  /** The step after which the run ends. */
  readonly lastStep: number;
  /** After how many steps to measure, and to save; both also happen after the last step. */
  readonly isEvaluated: (step: number) => boolean;
  readonly isSaved: (step: number) => boolean;
  readonly diagnosticsEvery?: number;
  readonly hessianEvery?: number;
  readonly gauge?: (() => Gauge) | undefined;
  /** Whether what is saved is a copy, so that training goes on meanwhile. */
  readonly copies: boolean;
  /** What to try where it diverges, at the end of the error's line. */
  readonly remedies?: string;
}

export interface RunOptions {
  readonly manifest: Manifest;
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly infos: MetricInfos;
  readonly trainer: Trainer;
  readonly settings: RunSettings;
  readonly ports: RunPorts;
  /** Where to go on, if not at the beginning. The trainer holds the numbers in either case (begin.ts). */
  readonly from?: {
    readonly step: number;
    readonly best: Best | null;
    /** The norms of the last steps, for what counts as a spike. */
    readonly recent: readonly Norms[];
  };
}

export type RunEvent =
  /** `sums`: what the metrics of the step's batch were computed from, by `<metric>/<sum>`. */
  | { readonly kind: 'step'; readonly record: TrainRecord; readonly sums: StepTold['sums'] }
  | { readonly kind: 'diagnosed'; readonly record: DiagnosticsRecord }
  | { readonly kind: 'evaluated'; readonly record: EvaluationRecord; readonly isBest: boolean }
  | { readonly kind: 'saved'; readonly step: number }
  /** All that was due after a step is done: a good moment to look at the run, or to save it. */
  | { readonly kind: 'settled'; readonly step: number }
  | { readonly kind: 'warned'; readonly message: string }
  | { readonly kind: 'stopped'; readonly result: RunResult };

/** How a run ended. */
export interface RunResult {
  readonly step: number;
  /** `interrupted` where `stop` ended it; `done` where the last step was taken, or `finish` made one the last. */
  readonly outcome: 'done' | 'interrupted';
  readonly best: Best | null;
  /** On the test set, of the best step, where a validation set chose it; null elsewhere. */
  readonly testOfBest: EvaluationRecord | null;
  readonly seconds: number;
}

/**
 * A run, ready to begin. `for await (const event of run) …` takes its steps; leaving the loop ends it where it is, and
 * nothing more is measured or saved. Throws DivergedError where a number is not finite, before anything is changed.
 */
export class Run implements AsyncIterable<RunEvent> {
  readonly options: RunOptions;
  #step: number;
  #best: Best | null;
  #wish: 'go' | 'stop' | 'finish' = 'go';
  /** The step that was last saved, and that which was last measured. */
  #saved = -1;
  #assessed = -1;
  #testOfBest: EvaluationRecord | null = null;
  readonly #spikeOf: ReturnType<typeof createSpikeMarks>;
  readonly #now: () => number;
  /** When the last step was over, or what was done beside the steps. */
  #mark = 0;

  constructor(options: RunOptions) {
    const { from, ports } = options;
    this.options = options;
    this.#step = from?.step ?? 0;
    this.#best = from?.best ?? null;
    this.#spikeOf = createSpikeMarks(from?.recent ?? []);
    this.#now = ports.now ?? (() => performance.now());
  }

  /** Steps taken. */
  get step(): number {
    return this.#step;
  }

  get best(): Best | null {
    return this.#best;
  }

  /** Ends the run after the step at hand, which is saved. */
  stop(): void {
    this.#wish = 'stop';
  }

  /** Makes the step at hand the last: it is measured and saved as such. */
  finish(): void {
    if (this.#wish === 'go') this.#wish = 'finish';
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void> {
    const { ports, settings } = this.options;
    const { stepsPerEpoch } = settings.plan;
    const start = this.#now();
    let isOver = this.#step >= settings.lastStep;
    while (!isOver) {
      const from = { epoch: Math.floor(this.#step / stepsPerEpoch), fromBatch: this.#step % stepsPerEpoch };
      this.#mark = this.#now();
      for await (const batch of ports.train.batches(from)) {
        yield* this.#take(batch);
        yield* this.#afterStep();
        yield { kind: 'settled', step: this.#step };
        // Whoever listens may take his time.
        this.#mark = this.#now();
        isOver = this.#step >= settings.lastStep || this.#wish !== 'go';
        if (isOver) break;
      }
    }
    if (this.#wish === 'finish' && this.#step < settings.lastStep) yield* this.#end();
    if (this.#wish === 'stop') yield* this.save();
    const outcome = this.#wish === 'stop' && this.#step < settings.lastStep ? 'interrupted' : 'done';
    const seconds = (this.#now() - start) / 1000;
    yield {
      kind: 'stopped',
      result: { step: this.#step, outcome, best: this.#best, testOfBest: this.#testOfBest, seconds },
    };
  }

  /** Saves what the run has come to. */
  async *save(): AsyncGenerator<RunEvent> {
    const { storage } = this.options.ports;
    if (!storage || this.#saved === this.#step) return;
    await storage.save(await this.state(this.options.settings.copies));
    this.#saved = this.#step;
    yield { kind: 'saved', step: this.#step };
  }

  /** What the run has come to; the arrays are its own unless they are `copied`. */
  async state(copied: boolean): Promise<RunState> {
    const { trainer, settings } = this.options;
    await trainer.pull();
    const { variables } = trainer;
    return {
      step: this.#step,
      epoch: Math.floor(this.#step / settings.plan.stepsPerEpoch),
      parameters: variables.variables(['trainable', 'state'], { copied }),
      frozen: variables.variables(['frozen']),
      optimizer: {
        name: trainer.rule.name,
        slots: Object.fromEntries(
          Object.entries(trainer.slots).map(([slot, arrays]) => [slot, variables.named(arrays, { copied })]),
        ),
      },
      best: this.#best,
    };
  }

  async *#take(batch: Batch): AsyncGenerator<RunEvent> {
    const { trainer, settings } = this.options;
    const { diagnosticsEvery = 0, gauge: gaugeOf } = settings;
    const gauge = isDue(diagnosticsEvery, this.#step + 1) ? gaugeOf?.() : undefined;
    const told = await trainer.step(this.#step, batch, gauge);
    const record = this.#recordOf(told, batch);
    this.#step++;
    if (gauge) yield { kind: 'diagnosed', record: gauge.record(record) };
    yield { kind: 'step', record, sums: told.sums };
  }

  #recordOf({ loss, gradNorm, regularizedNorm, sums }: StepTold, batch: Batch): TrainRecord {
    const { settings, metrics } = this.options;
    const { plan, gr } = settings;
    const now = this.#now();
    const taken = {
      step: this.#step + 1,
      epoch: batch.epoch + 1,
      split: 'train',
      loss,
      metrics: stepMetrics(metrics, sums),
      grad_norm: gradNorm,
      gr_grad_norm: gr === 'none' ? null : regularizedNorm,
      lr: plan.learningRate(this.#step),
      ...inForce(gr, plan.regularizer(this.#step)),
    } as const;
    const examples_per_second = (1000 * settings.batchSize) / (now - this.#mark);
    this.#mark = now;
    return { ...taken, spike: this.#spikeOf(taken), examples_per_second };
  }

  /** What is due after a step: curvature, measuring, saving. */
  async *#afterStep(): AsyncGenerator<RunEvent> {
    const { settings, ports } = this.options;
    const { lastStep, hessianEvery = 0 } = settings;
    const isLast = this.#step >= lastStep;
    if (isDue(hessianEvery, this.#step) && ports.fixedBatch) yield* this.#curvature();
    const isEvaluated = !isLast && settings.isEvaluated(this.#step);
    const before = this.#best;
    if (isEvaluated) yield* this.#assess();
    if (isLast) yield* this.#end();
    else if (this.#best !== before || settings.isSaved(this.#step)) yield* this.save();
  }

  /** The run's last step: measured, if it was not yet, and saved. */
  async *#end(): AsyncGenerator<RunEvent> {
    if (this.#assessed !== this.#step) yield* this.#assess();
    yield* this.#conclude();
    yield* this.save();
  }

  /** Measures on the validation set or, without any, on the test set, and keeps the best. */
  async *#assess(): AsyncGenerator<RunEvent> {
    const { ports, trainer, infos } = this.options;
    const split = ports.validation ? 'validation' : 'test';
    const source = ports.validation ?? ports.test;
    if (!source) return;
    this.#assessed = this.#step;
    await trainer.pull();
    const record = this.#tell(split, await this.#measure(source));
    const candidate = asBest(judgeOf(infos), record, { step: this.#step, split });
    const isBest = isBetter(candidate, this.#best);
    if (isBest) this.#best = candidate;
    yield { kind: 'evaluated', record, isBest };
    const { ema } = trainer.slots;
    if (!ema) return;
    const averaged = this.#tell(`${split}_ema`, await this.#measure(source, trainer.variables.feedsAt(ema)));
    yield { kind: 'evaluated', record: averaged, isBest: false };
  }

  /** At the end of a run with a validation set: what its last and its best step make of the test set. */
  async *#conclude(): AsyncGenerator<RunEvent> {
    const { ports, trainer } = this.options;
    const { validation, test, storage } = ports;
    if (!validation || !test) return;
    const last = this.#tell('test', await this.#measure(test));
    yield { kind: 'evaluated', record: last, isBest: false };
    const { ema } = trainer.slots;
    if (ema) {
      const averaged = this.#tell('test_ema', await this.#measure(test, trainer.variables.feedsAt(ema)));
      yield { kind: 'evaluated', record: averaged, isBest: false };
    }
    if (this.#best === null || this.#best.step === this.#step) {
      this.#testOfBest = { ...last, split: 'test_best' };
    } else if (storage) {
      const feeds = await storage.best(this.#best).catch((error: unknown) => {
        // The run itself is fine, and its last step is still to be saved.
        if (error instanceof UserError) return error;
        throw error;
      });
      if (feeds instanceof UserError) {
        yield { kind: 'warned', message: `best checkpoint: not measured on the test set: ${feeds.message}` };
        return;
      }
      this.#testOfBest = this.#tell('test_best', await this.#measure(test, feeds));
    }
    if (this.#testOfBest) yield { kind: 'evaluated', record: this.#testOfBest, isBest: false };
  }

  async *#curvature(): AsyncGenerator<RunEvent> {
    const { trainer, ports, settings } = this.options;
    const { fixedBatch } = ports;
    if (!fixedBatch) return;
    const start = this.#now();
    const measured = await measureHessian(
      (vector) => trainer.hessianTimes(fixedBatch, vector),
      trainer.variables.theta.map(({ length }) => length),
    );
    await trainer.freeHessian();
    const record: DiagnosticsRecord = {
      kind: 'hessian',
      step: this.#step,
      epoch: Math.ceil(this.#step / settings.plan.stepsPerEpoch),
      ...measured,
      examples: fixedBatch.examples,
      seconds: (this.#now() - start) / 1000,
    };
    yield { kind: 'diagnosed', record };
  }

  async #measure(source: BatchSource, feeds?: Feeds): Promise<Measured & { readonly rate: number }> {
    const { manifest, metrics, trainer, ports } = this.options;
    const start = this.#now();
    // Released after each measurement, so that the graphs of the next steps can use its memory.
    const session = await ports.load('evaluate');
    try {
      const variables = { ...trainer.variables.feeds, ...feeds };
      const measured = await measure(session, manifest, metrics, variables, source.batches({ epoch: 0 }));
      return { ...measured, rate: (1000 * measured.examples) / (this.#now() - start) };
    } finally {
      await session.release();
    }
  }

  /** Throws DivergedError where the loss is not finite. */
  #tell(
    split: EvaluationSplit,
    { loss, metrics, rate }: Measured & { readonly rate: number },
  ): EvaluationRecord {
    const { plan, remedies = '' } = this.options.settings;
    if (!Number.isFinite(loss)) {
      throw new DivergedError(`step ${this.#step}: ${split} loss ${loss} is not finite${remedies}`);
    }
    const epoch = Math.ceil(this.#step / plan.stepsPerEpoch);
    return { step: this.#step, epoch, split, loss, metrics, examples_per_second: rate };
  }
}

function isDue(every: number, step: number): boolean {
  return every > 0 && step % every === 0;
}
