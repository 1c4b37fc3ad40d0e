/** What `fit` takes and gives. The names of fields and outputs follow from the user's arrays and model. */
import type { MemoryLevel } from '../artifacts/graphs.ts';
import type { ArrayField } from '../data/array-field.ts';
import type { Arrays } from '../data/arrays.ts';
import type { Precision } from '../inference/half.ts';
import type { Scope } from '../layers/scope.ts';
import type { MetricInfo } from '../metrics/info.ts';
import type { Value } from '../onnx/value.ts';
import type { Best } from '../run/best.ts';
import type { RunEvent } from '../run/run.ts';
import type { Device, SessionOptions } from '../runtime/session.ts';
import type { TrainRecord } from '../storage/metrics.ts';
import type { Metric, Outputs, Terms } from '../tasks/task.ts';
import type { OptimizerChoice, RegularizerChoice, ScheduleChoice } from './optimizers.ts';
import type { Weights } from './weights.ts';

/** A type that is settled elsewhere: nothing is inferred from where this stands. `NoInfer` needs TypeScript 5.4. */
type Settled<T> = [T][T extends unknown ? 0 : never];

/** A value for each of the arrays. */
export type ValuesOf<D> = { readonly [K in keyof D]: Value };

/** A model: fields → one value, or several by name. The batch is the first axis of each. */
export type Model<D> = (scope: Scope, fields: ValuesOf<D>) => Outputs;

/** A number for every example, or a row of them, and how much each counts. */
type Each = Value | { readonly each: Value; readonly weight?: Value };

/** The mean of a number over the examples. */
export type MetricFunction<O, F> = (outputs: O, fields: F) => Each;

/** A metric: its sums, or a function whose mean it is; that is better when lower unless `better` says otherwise. */
export type MetricChoice<O, F> =
  | Metric
  | MetricFunction<O, F>
  | (Pick<MetricInfo, 'better'> & { readonly each: MetricFunction<O, F>; readonly isShare?: boolean });

/** What a variable's rates are multiplied by, where `match` finds its path. */
export interface RateGroup {
  readonly match: RegExp;
  readonly learningRate?: number;
  readonly weightDecay?: number;
}

/** When a run that gets no better on the validation examples ends. */
export interface EarlyStopping {
  /** Epochs without a better value after which training ends. */
  readonly patience: number;
  /** `loss` or a metric's name; what judges the best epoch where it is left out. */
  readonly metric?: string;
}

/** One epoch. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Steps taken since the run began. */
  readonly step: number;
  /** The mean over the epoch's steps, each before its update; with dropout and the like. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly validation?: Evaluated;
  /** The same with the averaged weights, where `ema` keeps some. */
  readonly averaged?: Evaluated;
  readonly learningRate: number;
}

/** Loss and metrics over a whole set. */
export interface Evaluated {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What callbacks can do to a run. */
export interface RunControl {
  readonly history: readonly EpochRecord[];
  /** Ends training after the step at hand. */
  stop(): void;
  /** The run as bytes, for `resume`. */
  save(): Promise<Uint8Array>;
}

/** Called as a run goes on, and awaited. What they throw ends the run. */
export interface FitCallbacks {
  readonly onStep?: ((record: TrainRecord, run: RunControl) => void | Promise<void>) | undefined;
  readonly onEpoch?: ((record: EpochRecord, run: RunControl) => void | Promise<void>) | undefined;
  readonly onEvent?: ((event: FitEvent, run: RunControl) => void | Promise<void>) | undefined;
}

/** What `fit` takes: `data`, `model`, `loss` and `epochs`; all else has a default. */
export interface FitOptions<D extends Arrays, M extends Model<D>> extends FitCallbacks {
  /** Arrays by the names of their fields. */
  readonly data: D;
  readonly model: M;
  /**
   * A number for each example (or a row of them), whose mean is minimized; `{each, weight}`; a record of such terms, which
   * are added; or a scalar of the whole batch.
   */
  readonly loss: (outputs: ReturnType<Settled<M>>, fields: ValuesOf<Settled<D>>, scope: Scope) => Terms;
  readonly metrics?: Readonly<Record<string, MetricChoice<ReturnType<Settled<M>>, ValuesOf<Settled<D>>>>>;
  /** The share of the examples to hold out, in (0, 1), or arrays of their own. */
  readonly validation?: number | { readonly [K in keyof Settled<D>]: ArrayField } | undefined;
  readonly epochs: number;
  /** 32 where it is left out, and never more than there are examples. An epoch leaves out what does not fill a batch. */
  readonly batchSize?: number;
  /** Examples that go through the model at once; they divide the batch. The batch where it is left out. */
  readonly microBatch?: number;
  /** AdamW where it is left out. */
  readonly optimizer?: OptimizerChoice;
  /** The optimizer's rate throughout where it is left out. */
  readonly schedule?: ScheduleChoice;
  readonly regularizer?: RegularizerChoice;
  /** The largest norm of what is stepped along; 0, where it is left out, does not clip. */
  readonly clip?: number;
  /** Share that an average of the weights keeps of itself at each step, in [0, 1): 0.999. */
  readonly ema?: number;
  /** Variables whose paths it finds stay as they are. */
  readonly freeze?: RegExp;
  /** Factors of the rates; the first group that matches counts. */
  readonly groups?: readonly RateGroup[];
  /** Factor of the learning rate from each block to the one below it, in (0, 1]; the head keeps its rate. Times that of `groups`. */
  readonly layerDecay?: number;
  /** Of weights, order, dropout and what is held out; 0 where it is left out. */
  readonly seed?: number;
  /** Whether each epoch has an order of its own; true where it is left out. */
  readonly shuffle?: boolean;
  /** `cpu` where it is left out. */
  readonly device?: Device;
  /** Threads within an operator; 0 takes all cores. Where it is left out a small model takes one, a larger one all. */
  readonly threads?: number;
  /** In a page: where ONNX Runtime's files are, if the bundler did not put them beside its script. */
  readonly wasmPaths?: SessionOptions['wasmPaths'];
  /** Memory for time; `fast` where it is left out. */
  readonly memory?: MemoryLevel;
  /** Where to begin, in place of random numbers: every variable of the model, and no others. */
  readonly initialWeights?: Weights;
  /** Variables whose paths it finds begin anew whatever `initialWeights` holds: a new head. */
  readonly fresh?: RegExp;
  /** What was saved of a run, to go on from. */
  readonly resume?: Uint8Array | undefined;
  /** Ends training after the step at hand. What was learnt is kept. */
  readonly signal?: AbortSignal | undefined;
  readonly earlyStopping?: EarlyStopping;
  /** What judges the best epoch: `loss` or a metric's name. The first metric, or the loss, where it is left out. */
  readonly judge?: string;
  /**
   * Whether `weights` are those of the best epoch on the validation examples; true where there are any. Otherwise they are
   * those of the last step.
   */
  readonly keepBest?: boolean;
  /** Whether a line on a terminal tells how far it is; true where it is left out. Elsewhere nothing is written. */
  readonly verbose?: boolean;
  /** For the metadata of exported files. */
  readonly name?: string;
}

/** What a user's functions and arrays may be, whoever wrote them. */
export type AnyFitOptions = FitOptions<Arrays, Model<Arrays>>;

/** An array for every output, one row an example. */
export type Predictions<O> = O extends Value ? Float32Array : { readonly [K in keyof O]: Float32Array };

/** How a trained model is used. */
export interface UseOptions {
  /** Other weights of this model: `averaged`, or those that were loaded. */
  readonly weights?: Weights | undefined;
}

/** What an exported file holds. */
export interface ExportOptions extends UseOptions {
  /** How weights are stored: float32, or matrices in float16. The graph computes in float32 either way. */
  readonly precision?: Precision;
  /** More metadata of the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A trained model, and how it came about. `F`: the fields of the model. `O`: what it predicts. `D`: all fields. */
export interface FitRun<F, O, D = F> {
  readonly history: readonly EpochRecord[];
  /** The best epoch by the metric that judges; null without validation examples. */
  readonly best: Best | null;
  /** How training ended. */
  readonly outcome: 'done' | 'stopped early' | 'aborted';
  /** Steps taken since the run began. */
  readonly step: number;
  /** By path: of the best epoch where `keepBest` says so, else of the last step. */
  readonly weights: Weights;
  /** The average of the weights at the same step, where `ema` kept one. */
  readonly averaged: Weights | undefined;
  /** What the model makes of examples, in batches. A model that was written for some of the fields takes only these. */
  predict(fields: { readonly [K in keyof F]: ArrayField }, options?: UseOptions): Promise<Predictions<O>>;
  /** Loss and metrics over other examples. */
  evaluate(data: { readonly [K in keyof D]: ArrayField }, options?: UseOptions): Promise<Evaluated>;
  /** The model as an ONNX file, for any number of examples. */
  export(options?: ExportOptions): Uint8Array;
  /** The run as bytes, for `resume`: it goes on from the last step as if it had never stopped. */
  save(): Promise<Uint8Array>;
  /** Gives back what `predict` and `evaluate` have loaded; they load it again when they are called. */
  release(): Promise<void>;
}

/** What a run of `fit` tells as it goes on. */
export type FitEvent = RunEvent | { readonly kind: 'epoch'; readonly record: EpochRecord };

/**
 * A run that a loop of one's own goes through. Leaving the loop ends it; another loop goes on. Throws DivergedError where
 * a number is not finite.
 */
export interface OpenFit<F, O, D = F> extends AsyncIterable<FitEvent> {
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly history: readonly EpochRecord[];
  readonly best: Best | null;
  /** Whether `earlyStopping` is out of patience. */
  readonly isStale: boolean;
  /** Ends the loop after the step at hand. */
  stop(): void;
  /** The same, where that is how training is meant to end. */
  finish(): void;
  /** The run as bytes, for `resume`. */
  save(): Promise<Uint8Array>;
  /** The trained model; gives back what training has loaded. */
  result(): Promise<FitRun<F, O, D>>;
  /** Gives back what training has loaded, without a result. */
  release(): Promise<void>;
}
