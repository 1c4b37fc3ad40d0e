/**
 * Losses by name, over the outputs of a model that was written elsewhere: which fields they ask for, and their terms. Also
 * for browsers.
 */
import { show, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import type { Scope } from '../layers/scope.ts';
import { binaryCrossEntropy } from '../losses/binary-cross-entropy.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import { LOSS_NAMES, type LossName } from '../losses/names.ts';
import { huber, mae, mse } from '../losses/regression.ts';
import { fieldOf } from '../metrics/names.ts';
import { cast, equal, mul, not, slice, transpose } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import type { Field, Fields, Task, Term, Terms, Values } from '../tasks/task.ts';
import type { TrainingDocument } from './document.ts';

/** The class that marks what does not count, as in PyTorch and in Hugging Face's labels. */
export const IGNORED = -100;

/** The output that a loss is of where there are several and none is named. */
export const USUAL_OUTPUT = 'logits';

/** A loss by name, with what is not as usual. */
export interface NamedLoss {
  readonly kind: LossName;
  /**
   * The output of the model; the only one, or the one named `logits`, where it is left out. Where it is a Softmax or a Sigmoid
   * and the loss wants logits, the loss takes what goes into that.
   */
  readonly output?: string;
  /** The field to compare with: `labels` for classes and `target` for numbers where it is left out. */
  readonly target?: string;
  /** Of classes: label smoothing, 0 where it is left out. */
  readonly smoothing?: number;
  /** Of `cross-entropy`: the axis of the classes, the batch being 0; the last where it is left out. */
  readonly axis?: number;
  /**
   * A field of ones and zeros of the labels' shape: where it is 0 nothing counts. Of `next-token` the model's
   * `attention_mask` where it has one and this is left out.
   */
  readonly mask?: string;
}

/** A loss of your own: terms of outputs and fields, as `fit` takes them. */
export type LossFunction = (outputs: Values, fields: Values, scope: Scope) => Terms;
/** What a loss may be. */
export type LossChoice = LossName | NamedLoss | LossFunction;

/** A model, as far as a loss must know it. */
export interface LossModel {
  readonly inputs: Fields;
  /** Without the batch axis. */
  readonly outputs: Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
}

/** A loss, ready for a task. */
export interface LossPlan {
  /** What it needs besides the model's inputs. */
  readonly fields: Fields;
  readonly loss: Task['loss'];
  readonly labels: TrainingDocument['labels'];
  /** The fields that it reads. */
  readonly reads: readonly string[];
}

/** Throws UserError for a loss that there is not, an output or mask that there is not, and shapes that it does not take. */
export function lossPlan(choice: LossChoice, model: LossModel, fields: Fields = {}): LossPlan {
  if (typeof choice === 'function')
    return { fields, loss: choice, labels: {}, reads: Object.keys(model.inputs) };
  const named: NamedLoss = typeof choice === 'string' ? { kind: choice } : choice;
  if (typeof named !== 'object' || named === null) {
    throw new UserError(
      `loss: expected one of ${LOSS_NAMES.join(', ')}, { kind, … } or a function of (outputs, fields), got ${show(choice)}`,
    );
  }
  expectOneOf('loss', named.kind, LOSS_NAMES);
  const output = outputName(named, model);
  const shape = model.outputs[output]?.shape ?? [];
  if (named.kind === 'cross-entropy' || named.kind === 'next-token')
    return classPlan({ ...named, output }, model, shape);
  const target = named.target ?? 'target';
  const of = named.kind === 'bce' ? binaryCrossEntropy : NUMBERS[named.kind];
  return {
    fields: addedField(model, target, { dtype: 'float32', shape }),
    labels: {},
    reads: [target, ...(named.mask === undefined ? [] : [named.mask])],
    loss: (outputs, given) =>
      masked(of(fieldOf(outputs, output), fieldOf(given, target)), maskOf(named.mask, given)),
  };
}

const NUMBERS = { mse, mae, huber } as const;

function outputName({ output }: NamedLoss, { outputs }: LossModel): string {
  const names = Object.keys(outputs);
  const [only] = names;
  const found = output ?? (names.length === 1 ? only : USUAL_OUTPUT);
  if (found !== undefined && Object.hasOwn(outputs, found)) {
    const dtype = outputs[found]?.dtype;
    if (dtype === 'float32') return found;
    throw new UserError(`loss: output ${found}: expected float32, got ${dtype}; name another output`);
  }
  throw new UserError(
    `loss: expected an output of the model, ${names.join(', ')}, got ${show(found)}; name it: { kind, output }`,
  );
}

/** The field, unless the model has an input of that name. */
function addedField({ inputs }: LossModel, name: string, field: Field): Fields {
  return Object.hasOwn(inputs, name) ? {} : { [name]: field };
}

type ClassLoss = NamedLoss & { readonly output: string };

/** Labels in place of distributions: int32, of the logits' shape without the axis of the classes. */
function classPlan(named: ClassLoss, model: LossModel, shape: readonly number[]): LossPlan {
  const { kind, output, smoothing = 0, target = 'labels' } = named;
  expectNumber('loss: smoothing', smoothing, { min: 0 });
  const rank = shape.length + 1;
  const axis = kind === 'next-token' ? rank - 1 : (named.axis ?? rank - 1);
  expectNumber('loss: axis', axis, { min: 1, isInteger: true });
  const classes = shape[axis - 1];
  if (classes === undefined || (kind === 'next-token' && rank !== 3)) {
    throw new UserError(
      `loss: ${kind}: expected ${kind === 'next-token' ? 'logits [batch, length, vocabulary]' : `an axis ${axis} of classes`}, got ${output} [${['batch', ...shape].join(', ')}]`,
    );
  }
  const others = shape.filter((_, i) => i !== axis - 1);
  const mask = named.mask ?? (kind === 'next-token' ? usualMask(model, others) : undefined);
  return {
    fields: {
      ...addedField(model, target, { dtype: 'int32', shape: others }),
      ...(mask !== undefined && addedField(model, mask, { dtype: 'int32', shape: others })),
    },
    labels: { [target]: { classes, ignored: IGNORED } },
    reads: [target, ...(mask === undefined ? [] : [mask])],
    loss(outputs, given) {
      const logits = classesLast(fieldOf(outputs, output), axis);
      const [labels, where] = [fieldOf(given, target), maskOf(mask, given)];
      if (kind === 'cross-entropy') return counted(logits, labels, where, smoothing);
      // The logits at a place are of the token that comes after it.
      const [length = 1] = others;
      const after = (x: Value): Value => slice(x, 1, 1, length);
      return counted(slice(logits, 1, 0, length - 1), after(labels), where && after(where), smoothing);
    },
  };
}

const USUAL_MASK = 'attention_mask';

function usualMask({ inputs }: LossModel, shape: readonly number[]): string | undefined {
  const field = inputs[USUAL_MASK];
  return field && String(field.shape) === String(shape) ? USUAL_MASK : undefined;
}

function maskOf(mask: string | undefined, given: Values): Value | undefined {
  return mask === undefined ? undefined : fieldOf(given, mask);
}

function classesLast(logits: Value, axis: number): Value {
  const rank = logits.shape.length;
  if (axis === rank - 1) return logits;
  const axes = logits.shape.map((_, i) => i);
  return transpose(logits, [...axes.filter((i) => i !== axis), axis]);
}

/** The mean over the labels that count, as torch's `cross_entropy` with `ignore_index`. */
function counted(logits: Value, labels: Value, mask: Value | undefined, smoothing: number): Term {
  const isLabel = asNumber(not(equal(labels, IGNORED)));
  return {
    each: crossEntropy(logits, labels, { smoothing }),
    weight: mask ? mul(isLabel, asNumber(mask)) : isLabel,
  };
}

function masked(each: Value, mask: Value | undefined): Term {
  return mask ? { each, weight: asNumber(mask) } : each;
}

function asNumber(value: Value): Value {
  return value.dtype === 'float32' ? value : cast(value, 'float32');
}
