/** A run of `fit` under way: its events, its history, what it keeps, and the model that it ends in. Also for browsers. */
import { createSession } from '#runtime';
import type { GraphName } from '../artifacts/graphs.ts';
import { batchesOf, IN_ORDER, inSequence, TO_TRAIN } from '../data/batches.ts';
import { digestOf } from '../digest.ts';
import { show, UserError } from '../errors.ts';
import { print } from '../onnx/print.ts';
import { serialize } from '../onnx/serialize.ts';
import { Run, type RunStorage } from '../run/run.ts';
import type { Trainer } from '../run/trainer.ts';
import type { Session } from '../runtime/session.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import { epochsSinceBest, History } from './history.ts';
import type { Prepared } from './prepared.ts';
import { encodeSaved, type SavedDocument, type SavedRun } from './saved.ts';
import { TrainedModel } from './trained.ts';
import type { EpochRecord, FitEvent, FitRun } from './types.ts';
import { weightsOf } from './weights.ts';

type Outcome = FitRun<never, never>['outcome'];

interface Kept {
  readonly weights: readonly NamedTensor[];
  readonly averaged: readonly NamedTensor[];
}

export class FitSession {
  readonly prepared: Prepared;
  readonly #run: Run;
  readonly #trainer: Trainer;
  readonly #history: History;
  #kept: Kept | undefined;
  #why: Outcome | undefined;
  /** Held between evaluations: its session keeps no memory of a run. */
  #evaluation: Promise<Session> | undefined;
  #begun: Promise<SavedDocument['begun']> | undefined;

  constructor(prepared: Prepared, trainer: Trainer, saved: SavedRun | undefined) {
    this.prepared = prepared;
    this.#trainer = trainer;
    const { manifest, task, infos, train, validation, batchSize, evaluatedAtOnce } = prepared;
    const { seed, shuffle, plan } = prepared;
    const { stepsPerEpoch, totalSteps } = plan.plan;
    const evaluations = validation ? (trainer.slots.ema ? 2 : 1) : 0;
    this.#history = new History(task.metrics, { stepsPerEpoch, evaluations }, saved?.document);
    if (saved && saved.best.length > 0) this.#kept = { weights: saved.best, averaged: saved.averaged };
    this.#run = new Run({
      ...{ manifest, metrics: task.metrics, infos, trainer },
      settings: {
        ...{ batchSize, plan: plan.plan, gr: plan.gr, lastStep: totalSteps, copies: true },
        isEvaluated: (step) => step % stepsPerEpoch === 0,
        isSaved: () => false,
        remedies: plan.step.remedies ?? '',
      },
      ports: {
        train: inSequence(batchesOf(task.fields, train, { batchSize, seed, shuffle, ...TO_TRAIN })),
        validation:
          validation &&
          inSequence(batchesOf(task.fields, validation, { batchSize: evaluatedAtOnce, ...IN_ORDER })),
        load: (graph) => this.#load(graph),
        storage: this.#keepsBest ? this.#storage : undefined,
      },
      from: {
        step: saved?.document.step ?? 0,
        best: saved?.document.best ?? null,
        recent: saved?.document.norms ?? [],
      },
    });
  }

  get step(): number {
    return this.#run.step;
  }

  get stepsPerEpoch(): number {
    return this.prepared.plan.plan.stepsPerEpoch;
  }

  get totalSteps(): number {
    return this.prepared.plan.plan.totalSteps;
  }

  get history(): readonly EpochRecord[] {
    return this.#history.epochs;
  }

  get best(): Run['best'] {
    return this.#run.best;
  }

  get isStale(): boolean {
    const { stopping } = this.prepared;
    return stopping !== undefined && epochsSinceBest(this.history, stopping.info) >= stopping.patience;
  }

  stop(): void {
    this.#why ??= 'aborted';
    this.#run.stop();
  }

  finish(): void {
    this.#why ??= 'stopped early';
    this.#run.finish();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FitEvent, void> {
    for await (const event of this.#run) {
      const record = this.#history.take(event);
      yield event;
      if (record) yield { kind: 'epoch', record };
    }
  }

  async save(): Promise<Uint8Array> {
    const state = await this.#run.state(false);
    return encodeSaved({
      document: {
        ...{ format: 'fit', version: 1, step: state.step, best: this.#run.best },
        ...this.#history.saved(),
        ...{ begun: await this.#begunWith(), slots: Object.keys(this.#trainer.slots) },
      },
      now: state.parameters,
      frozen: state.frozen,
      slots: state.optimizer.slots,
      best: this.#kept?.weights ?? [],
      averaged: this.#kept?.averaged ?? [],
    });
  }

  async result(): Promise<TrainedModel> {
    await this.#trainer.pull();
    await this.release();
    const { variables, slots } = this.#trainer;
    const others = variables.variables(['frozen']);
    const kept = this.#kept ?? {
      weights: variables.variables(['trainable', 'state']),
      averaged: slots.ema ? variables.named(slots.ema) : [],
    };
    const weights = weightsOf([...kept.weights, ...others]);
    return new TrainedModel(this.prepared, {
      history: [...this.history],
      best: this.best,
      step: this.step,
      outcome: this.step >= this.totalSteps ? 'done' : (this.#why ?? 'aborted'),
      weights,
      averaged: slots.ema ? { ...weights, ...weightsOf(kept.averaged) } : undefined,
      save: () => this.save(),
    });
  }

  async release(): Promise<void> {
    await this.#trainer.release();
    const evaluation = this.#evaluation;
    this.#evaluation = undefined;
    await (await evaluation)?.release();
  }

  /** Throws UserError unless the run goes on as the saved one would have. */
  async expectSame({ begun, step, slots }: SavedDocument): Promise<void> {
    const own = await this.#begunWith();
    for (const [name, value] of Object.entries(own)) {
      if (begun[name] === value || name === 'graphs') continue;
      const hint =
        name === 'schedule' || name === 'warmupSteps'
          ? ', which spans the epochs that it was begun with'
          : '';
      throw new UserError(
        `resume: ${name}: the run was begun with ${show(begun[name])}${hint}, got ${show(value)}; give the same, or begin anew with its weights as initialWeights`,
      );
    }
    if (begun.graphs !== own.graphs) {
      throw new UserError(
        'resume: the model, the loss, the metrics, the shapes of the data or the micro-batch are not those of the saved run; give the same, or begin anew with its weights as initialWeights',
      );
    }
    if (step > this.totalSteps) {
      throw new UserError(
        `resume: the run has taken ${step} steps, more than the ${this.totalSteps} of ${this.prepared.options.epochs} epochs; give more epochs`,
      );
    }
    const kept = Object.keys(this.#trainer.slots);
    if (String(slots) !== String(kept))
      throw new UserError(`resume: the optimizer kept ${slots.join(', ')}, expected ${kept.join(', ')}`);
  }

  get #keepsBest(): boolean {
    const { options, validation } = this.prepared;
    if (options.keepBest && !validation)
      throw new UserError('keepBest: there is nothing to judge by; give validation examples');
    return validation !== undefined && (options.keepBest ?? true);
  }

  get #storage(): RunStorage {
    return {
      save: async ({ step, best, parameters, optimizer }) => {
        if (best?.step === step) this.#kept = { weights: parameters, averaged: optimizer.slots.ema ?? [] };
      },
      best: () => Promise.reject(new Error('internal: a run without a test set asked for its best')),
    };
  }

  async #load(graph: GraphName): Promise<Session> {
    const { graphs, session } = this.prepared;
    const open = (keepsMemory: boolean): Promise<Session> =>
      createSession(serialize(graphs.graph(graph)), { ...session, keepsMemory });
    if (graph !== 'evaluate') return open(true);
    this.#evaluation ??= open(false);
    const { inputs, outputs, run } = await this.#evaluation;
    return { inputs, outputs, run, release: async () => {} };
  }

  #begunWith(): Promise<SavedDocument['begun']> {
    this.#begun ??= this.#describe();
    return this.#begun;
  }

  async #describe(): Promise<SavedDocument['begun']> {
    const { graphs, manifest, options, batchSize, seed, shuffle, train, validation, plan } = this.prepared;
    const { schedule } = options;
    const kind = typeof schedule === 'object' ? schedule.kind : 'none';
    return {
      graphs: await digestOf({
        ...{ variables: manifest.variables, fields: manifest.fields, masks: manifest.masks },
        printed: [print(graphs.graph('loss-grad')), print(graphs.graph('evaluate'))],
      }),
      ...{ batchSize, seed, shuffle },
      examples: train.length,
      validation: validation?.length ?? 0,
      optimizer: plan.step.rule.name,
      regularizer: plan.step.regularizer.name,
      warmupSteps: plan.plan.warmupSteps,
      schedule: kind === 'cosine' ? `cosine over ${this.prepared.options.epochs} epochs` : kind,
    };
  }
}
