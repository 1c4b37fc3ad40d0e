/**
 * What is learnt from which data: the fields of an example, what a model predicts of them, the terms of the loss, and
 * metrics. A task is a plain object; images, tables and text are tasks like any other, and so is a user's own.
 */
import type { Scope } from '../layers/scope.ts';
import type { DescribedMetric } from '../metrics/info.ts';
import type { DType, Value } from '../onnx/value.ts';

export const FIELD_TYPES = ['float32', 'int32', 'int64', 'uint8', 'bool'] as const satisfies readonly DType[];
export type FieldType = (typeof FIELD_TYPES)[number];

/** A named tensor of every example; the batch axis comes before `shape` and is never written. */
export interface Field {
  readonly dtype: FieldType;
  readonly shape: readonly number[];
}

/** The fields of a task, by name. */
export type Fields = Readonly<Record<string, Field>>;
/** Values of a graph by the names of fields, outputs or sums. */
export type Values = Readonly<Record<string, Value>>;

/** What a model gives: one value, or several by name. The first axis of each is the batch. */
export type Outputs = Value | Values;

/**
 * A term of the loss: float32 numbers of which the first axis is the batch. With a `weight` of the same shape the
 * term is Σ weight·each / Σ weight, without the mean; the weights of a batch are known before the pass, so they may
 * depend on fields only. A scalar is a term of the whole batch: its examples are coupled.
 */
export type Term = Value | { readonly each: Value; readonly weight?: Value };

/** The loss is the sum of its terms. */
export type Terms = Term | Readonly<Record<string, Term>>;

/**
 * A number over many examples, from totals that add up: in the graph sums over a batch, float32 of any shape, on the
 * host what they mean in all, in float64.
 */
export interface Metric extends DescribedMetric {
  sums(outputs: Values, fields: Values): Values;
  /** NaN where it would divide by zero: where nothing was counted. */
  finish(sums: Readonly<Record<string, Float64Array>>): number;
  /** Too large to be told at every step (a confusion matrix): measured where a whole set is evaluated. */
  readonly evaluationOnly?: boolean;
}

/** Weights that a task brings with it. */
export interface StartingWeights {
  /**
   * sha-256 of the file that they are read from: the task's spec names it too, so that checkpoints hold no copy of what
   * is frozen.
   */
  readonly sha256: string;
  /** What variables start from, by path; those that are not here start as they say themselves. Not to be changed. */
  values(): ReadonlyMap<string, Float32Array>;
}

/**
 * The part of a model that nothing trained comes before: it only runs, as it is, between the data and the task's fields.
 * Its graphs are run one after the other; each takes what it needs by name out of the batch and of what went before.
 */
export interface Trunk {
  /** What the data give. Those that are fields of the task as well are passed on. */
  readonly fields: Fields;
  /** ONNX files. */
  readonly graphs: readonly TrunkGraph[];
}

/** One graph of a trunk. */
export interface TrunkGraph {
  bytes(): Uint8Array;
  /** The only number of examples that it takes, where it does not take any. */
  readonly batch?: number;
  /** By the graph's input, the name of what it is fed. */
  readonly inputs: Readonly<Record<string, string>>;
  /** By the graph's output, the name that it has from then on. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** What is learnt from which data. */
export interface Task {
  readonly fields: Fields;
  /** What the exported file computes. May use fewer fields than the loss. */
  predict(scope: Scope, fields: Values): Values;
  loss(outputs: Values, fields: Values, scope: Scope): Terms;
  /** The first decides which checkpoint is the best; without any, the loss does. */
  readonly metrics: Readonly<Record<string, Metric>>;
  /** How the loss is shown, where it has a name of its own. */
  readonly lossInfo?: Pick<DescribedMetric, 'label' | 'short' | 'unit'>;
  /** How many classes its labels tell apart, where it is not its spec that says so. */
  readonly classes?: number;
  readonly start?: StartingWeights;
  readonly trunk?: Trunk;
}

/** The fields that a task's data must give. */
export function dataFields({ fields, trunk }: Pick<Task, 'fields' | 'trunk'>): Fields {
  return trunk?.fields ?? fields;
}

/** The name of an output, or of a term, where there is only one and none was given. */
export const ONLY_OUTPUT = 'output';
export const ONLY_TERM = 'loss';

export function isValue(x: object): x is Value {
  return 'node' in x && 'dtype' in x;
}
