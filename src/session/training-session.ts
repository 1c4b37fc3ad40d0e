/**
 * `TrainingSession`, with the signatures that onnxruntime-common had up to 1.19.2, on stock ONNX Runtime. Also for browsers.
 */
import type { Batch } from '../data/batch.ts';
import { show, UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import type { ExportOptions } from '../fit/types.ts';
import { type Weights, weightsOf } from '../fit/weights.ts';
import { scalarTensor } from '../run/engine.ts';
import type { OrtTensor } from '../runtime/session.ts';
import type { Schedule } from '../step/schedule.ts';
import { parametersSize, readParameters, writeParameters } from './buffers.ts';
import { encodeCheckpoint, restoreCheckpoint } from './checkpoint.ts';
import { Evaluator } from './evaluator.ts';
import { exported } from './exported.ts';
import { type Feeds, type Fetches, type RunOptions, readFeeds, readFetches } from './feeds.ts';
import { bytesOf, openCheckpoint, type UriOrBuffer } from './files.ts';
import { type Opened, openSession, type TrainingSessionCreateOptions } from './open.ts';
import type { TrainingSessionOptions } from './options.ts';
import { resultsOf, weightsIn } from './results.ts';

/** Outputs by name. */
export type TrainingResults = Readonly<Record<string, OrtTensor>>;

/**
 * Trains a model by calls, one batch at a time. Gradients add up over `runTrainStep` until `lazyResetGrad`;
 * `runOptimizerStep` goes along their sum. Calls are taken one after the other, in their order. Every call throws a
 * UserError of one line for what it does not take, and after `release`.
 */
export class TrainingSession {
  readonly #opened: Opened;
  readonly #evaluator: Evaluator;
  #learningRate: number;
  #schedule: Schedule | undefined;
  #weightDecay: number;
  #last: Promise<unknown> = Promise.resolve();
  #isReleased = false;

  private constructor(opened: Opened) {
    this.#opened = opened;
    this.#evaluator = new Evaluator(opened);
    this.#learningRate = opened.learningRate;
    this.#schedule = opened.schedule;
    this.#weightDecay = opened.weightDecay;
  }

  /**
   * A session of what `generateArtifacts` gave, or of its files. Throws UserError for files of Python's
   * onnxruntime.training, for files that do not belong together, and for options that are none.
   */
  static async create(
    files: TrainingSessionCreateOptions,
    sessionOptions: TrainingSessionOptions = {},
  ): Promise<TrainingSession> {
    return new TrainingSession(await openSession(files, sessionOptions));
  }

  /** Names of what `runTrainStep` is fed, in order. */
  get trainingInputNames(): readonly string[] {
    return Object.keys(this.#opened.fields);
  }

  /** Names of what `runTrainStep` gives: the loss first. */
  get trainingOutputNames(): readonly string[] {
    const { lossName, outputs } = this.#opened.training;
    return [lossName, ...outputs];
  }

  /** Names of what `runEvalStep` is fed. Throws UserError in a session without evalModel. */
  get evalInputNames(): readonly string[] {
    void this.#evaluator.document;
    return this.trainingInputNames;
  }

  /** Names of what `runEvalStep` gives: the loss first, then the model's outputs. Throws as `evalInputNames` does. */
  get evalOutputNames(): readonly string[] {
    const { lossName, outputs } = this.#evaluator.document;
    return [lossName, ...Object.keys(outputs)];
  }

  /** Training steps taken, and optimizer steps. */
  get trainSteps(): number {
    return this.#opened.core.trainSteps;
  }

  get optimizerSteps(): number {
    return this.#opened.core.optimizerSteps;
  }

  /** The rate of the next optimizer step. To set it ends a schedule. */
  get learningRate(): number {
    return this.#schedule?.(this.optimizerSteps) ?? this.#learningRate;
  }

  set learningRate(rate: number) {
    expectNumber('learningRate', rate, { min: 0 });
    this.#learningRate = rate;
    this.#schedule = undefined;
  }

  /** A rate for every optimizer step, counted from 0: `og.learningRateSchedule(…)`; undefined for the constant rate. */
  set schedule(schedule: Schedule | undefined) {
    if (schedule !== undefined && typeof schedule !== 'function')
      throw new UserError(`schedule: expected a function of the step, got ${show(schedule)}`);
    this.#schedule = schedule;
  }

  /** The weight decay of the next optimizer step. */
  get weightDecay(): number {
    return this.#weightDecay;
  }

  set weightDecay(decay: number) {
    expectNumber('weightDecay', decay, { min: 0 });
    this.#weightDecay = decay;
  }

  /** Begins the sum of the gradients anew at the next training step. */
  lazyResetGrad(): Promise<void> {
    return this.#inOrder('lazyResetGrad', async ({ core }) => core.resetGradient());
  }

  /**
   * Loss and gradient of a batch, which is added to the sum. `feeds`: a tensor for every name of `trainingInputNames`, its
   * first axis the batch. `fetches`: names of outputs, or an object of them; all where it is left out. Running statistics
   * of batch normalization move. Throws DivergedError, before anything is changed, where a number is not finite.
   */
  runTrainStep(feeds: Feeds, options?: RunOptions): Promise<TrainingResults>;
  runTrainStep(feeds: Feeds, fetches: Fetches, options?: RunOptions): Promise<TrainingResults>;
  runTrainStep(feeds: Feeds, second?: Fetches | RunOptions, options?: RunOptions): Promise<TrainingResults> {
    return this.#inOrder('runTrainStep', async (opened) => {
      const { core, training } = opened;
      const { lossName } = training;
      const wanted = readFetches('runTrainStep', this.trainingOutputNames, second, options);
      const { loss, outputs } = await core.train(await this.#batch('runTrainStep', feeds));
      return resultsOf(opened, wanted, { ...outputs, [lossName]: scalarTensor(loss) });
    });
  }

  /** Moves the parameters along the sum of the gradients, which stays until `lazyResetGrad`. */
  runOptimizerStep(_options?: RunOptions): Promise<void> {
    return this.#inOrder('runOptimizerStep', async ({ core, hasOptimizer }) => {
      if (!hasOptimizer) {
        throw new UserError(
          'runOptimizerStep: this session has no optimizer; create it with optimizerModel, or with the option optimizer',
        );
      }
      if (core.added === 0) {
        throw new UserError(
          'runOptimizerStep: there is no gradient since the last lazyResetGrad; call runTrainStep first',
        );
      }
      const rate = this.learningRate;
      expectNumber(`schedule: step ${core.optimizerSteps}`, rate, { min: 0 });
      await core.update({ learningRate: () => rate, weightDecay: this.#weightDecay });
    });
  }

  /** Loss and outputs of a batch as inference computes them; nothing is changed. Arguments are those of `runTrainStep`. */
  runEvalStep(feeds: Feeds, options?: RunOptions): Promise<TrainingResults>;
  runEvalStep(feeds: Feeds, fetches: Fetches, options?: RunOptions): Promise<TrainingResults>;
  runEvalStep(feeds: Feeds, second?: Fetches | RunOptions, options?: RunOptions): Promise<TrainingResults> {
    return this.#inOrder('runEvalStep', async (opened) => {
      const wanted = readFetches('runEvalStep', this.evalOutputNames, second, options);
      const outputs = await this.#evaluator.run(await this.#batch('runEvalStep', feeds));
      return resultsOf(opened, wanted, outputs);
    });
  }

  /** How many numbers the trained parameters have; with `trainableOnly` false, all variables. */
  getParametersSize(trainableOnly = true): Promise<number> {
    return this.#inOrder('getParametersSize', async (opened) => parametersSize(opened, trainableOnly));
  }

  /** Puts float32 numbers into the parameters, in the order of `getContiguousParameters`. */
  loadParametersBuffer(buffer: Uint8Array, trainableOnly = true): Promise<void> {
    return this.#inOrder('loadParametersBuffer', async (opened) =>
      writeParameters(opened, buffer, trainableOnly),
    );
  }

  /** The parameters in one float32 tensor, copied; with `trainableOnly` false, all variables. */
  getContiguousParameters(trainableOnly = true): Promise<OrtTensor> {
    return this.#inOrder('getContiguousParameters', async (opened) => {
      const flat = readParameters(opened, trainableOnly);
      return new opened.Constructor('float32', flat, [flat.length]);
    });
  }

  /** The sum of the gradients since `lazyResetGrad`, copied, by path. Throws UserError where there is none. */
  getGradients(): Promise<Weights> {
    return this.#inOrder('getGradients', async ({ core }) => {
      if (core.added === 0)
        throw new UserError(
          'getGradients: there is no gradient since the last lazyResetGrad; call runTrainStep first',
        );
      return weightsOf(core.variables.named(core.gradient));
    });
  }

  /** Every variable by path, copied: what `og.saveWeights` takes. */
  getWeights(): Promise<Weights> {
    return this.#inOrder('getWeights', async ({ core }) => weightsIn(core));
  }

  /** The session as bytes: weights, what the optimizer keeps, the sum of the gradients, the rates. */
  toCheckpoint(): Promise<Uint8Array> {
    return this.#inOrder('toCheckpoint', async ({ core, hasOptimizer }) =>
      encodeCheckpoint(
        core,
        { learningRate: this.#learningRate, weightDecay: this.#weightDecay },
        hasOptimizer,
      ),
    );
  }

  /** Goes on from what `toCheckpoint` gave, or takes weights by path and keeps all else. Throws UserError before any change. */
  load(checkpoint: UriOrBuffer): Promise<void> {
    return this.#inOrder('load', async ({ core }) => {
      const file = openCheckpoint(await bytesOf('load', checkpoint), 'load');
      const rates = restoreCheckpoint(core, file, 'load');
      if (!rates) return;
      this.#learningRate = rates.learningRate;
      this.#weightDecay = rates.weightDecay;
    });
  }

  /**
   * The trained model as a plain ONNX file. Where the model that the artifacts were made of is there, that file with
   * trained weights in place of its own and adapters merged; else, and in float16 or with metadata, what was lowered.
   */
  export(options: Pick<ExportOptions, 'precision' | 'metadata'> = {}): Promise<Uint8Array> {
    return this.#inOrder('export', async (opened) => exported(opened, options));
  }

  /** Gives back what the session has loaded. After it nothing else can be called. */
  release(): Promise<void> {
    return this.#inOrder('release', async ({ core, trunk }) => {
      this.#isReleased = true;
      await core.release();
      await trunk?.release();
      await this.#evaluator.release();
    });
  }

  /** The feeds of a call as a batch for the graphs. */
  async #batch(call: string, feeds: Feeds): Promise<Batch> {
    const { fields, training, trunk, core } = this.#opened;
    const fed = readFeeds(call, feeds, fields, training.labels);
    const batch = { ...fed, indices: new Uint32Array(fed.examples), epoch: 0, step: core.trainSteps };
    return trunk ? trunk.fields(batch) : batch;
  }

  /** Does what a call asks for when all earlier ones are done. */
  #inOrder<T>(call: string, give: (opened: Opened) => Promise<T>): Promise<T> {
    const done = this.#last.then(() => {
      if (this.#isReleased)
        throw new UserError(`${call}: the session was released; create another with TrainingSession.create`);
      return give(this.#opened);
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
