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
}

/** The name of an output, or of a term, where there is only one and none was given. */
export const ONLY_OUTPUT = 'output';
export const ONLY_TERM = 'loss';

export function isValue(x: object): x is Value {
  return 'node' in x && 'dtype' in x;
}
