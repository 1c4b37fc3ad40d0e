/** How well classes are told apart. All take logits float32 [..., classes] and integer labels [...]. */
import { total } from '../autodiff/functions.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import {
  add,
  cast,
  constant,
  div,
  equal,
  greater,
  less,
  matmul,
  mul,
  oneHot,
  reduceMax,
  reduceSum,
  reshape,
  sub,
  where,
} from '../onnx/ops.ts';
import { product } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Metric, Values } from '../tasks/task.ts';
import { fieldOf, outputOf, share } from './names.ts';

/** Which output and which field are compared, and which field says what counts (1) and what is padding (0). */
export interface ClassNames {
  readonly logits?: string;
  readonly labels?: string;
  readonly mask?: string;
}

interface Compared {
  readonly logits: Value;
  readonly labels: Value;
  /** float32, of the labels' shape. */
  readonly counts: Value;
  readonly classes: number;
}

function compared(outputs: Values, fields: Values, names: ClassNames): Compared {
  const logits = outputOf(outputs, names.logits, 'logits');
  const labels = fieldOf(fields, names.labels ?? 'labels');
  const classes = logits.shape.at(-1);
  if (typeof classes !== 'number') throw new Error('metric: expected a static number of classes');
  const places = cast(labels, 'float32');
  const counts = names.mask ? cast(fieldOf(fields, names.mask), 'float32') : add(mul(places, 0), 1);
  return { logits, labels, counts, classes };
}

/** The share whose label is the class with the largest logit, the first of several. */
export function accuracy(names: ClassNames = {}): Metric {
  return topK(1, names);
}

/** The share whose label is among the k classes with the largest logits. What is not a number is never right. */
export function topK(k: number, names: ClassNames = {}): Metric {
  if (!(Number.isInteger(k) && k >= 1)) throw new Error(`topK: expected an integer ≥ 1, got ${k}`);
  return {
    sums(outputs, fields) {
      const values = compared(outputs, fields, names);
      const right = cast(less(ahead(values), k - 0.5), 'float32');
      return { right: total(mul(right, values.counts)), count: total(values.counts) };
    },
    finish: ({ right, count }) => share(right, count),
    better: 'higher',
    isShare: true,
  };
}

/**
 * How many classes come before the label, float32 [...]: with a larger logit, or the same and a smaller number. A class
 * that is not known to be behind the label is before it, so that NaN counts against it.
 */
function ahead({ logits, labels, classes }: Compared): Value {
  const column = (value: Value): Value => reshape(value, [...value.shape, 1]);
  const numbers = constant(
    Float32Array.from({ length: classes }, (_, i) => i),
    [classes],
  );
  const label = column(cast(labels, 'float32'));
  const own = reduceSum(where(equal(label, numbers), logits, 0), { axes: [-1], keepdims: true });
  const tied = mul(cast(equal(logits, own), 'float32'), cast(greater(numbers, sub(label, 0.5)), 'float32'));
  const behind = add(cast(less(logits, own), 'float32'), tied);
  return sub(classes, reduceSum(behind, { axes: [-1] }));
}

/**
 * The confusion matrix as a metric whose number is the accuracy; its sums hold `matrix` [classes, classes], a row for
 * each label and a column for each predicted class. Where several classes have the largest logit, each gets a part.
 */
export function confusionMatrix(names: ClassNames = {}): Metric {
  return {
    sums(outputs, fields) {
      const { logits, labels, counts, classes } = compared(outputs, fields, names);
      const rows = product(labels.shape);
      const largest = reduceMax(logits, { axes: [-1], keepdims: true });
      const isLargest = cast(equal(logits, largest), 'float32');
      // Where nothing is the largest (NaN), nothing is guessed.
      const count = reduceSum(isLargest, { axes: [-1], keepdims: true });
      const guess = where(greater(count, 0), div(isLargest, count), 0);
      const label = mul(oneHot(labels, classes), reshape(counts, [...counts.shape, 1]));
      const [from, to] = [reshape(label, [rows, classes]), reshape(guess, [rows, classes])];
      return { matrix: matmul(from, to, { transA: true }) };
    },
    finish: ({ matrix = new Float64Array() }) => {
      const classes = Math.sqrt(matrix.length);
      const right = Array.from({ length: classes }, (_, i) => matrix[i * classes + i] ?? 0);
      const total = matrix.reduce((sum, count) => sum + count, 0);
      return right.reduce((sum, count) => sum + count, 0) / total;
    },
    better: 'higher',
    isShare: true,
    evaluationOnly: true,
  };
}

/** How well one class is told from the others. */
export interface ClassScores {
  /** Share of a class's predictions that are right; NaN where none was made. */
  readonly precision: number;
  /** Share of a class's examples that are found; NaN where there are none. */
  readonly recall: number;
  readonly f1: number;
  /** Examples of the class. */
  readonly support: number;
}

/** Each class's scores, from a confusion matrix [classes, classes] of labels by predictions. */
export function classScores(matrix: Float64Array): ClassScores[] {
  const classes = Math.sqrt(matrix.length);
  const at = (row: number, column: number): number => matrix[row * classes + column] ?? 0;
  const numbers = Array.from({ length: classes }, (_, i) => i);
  return numbers.map((own) => {
    const support = numbers.reduce((sum, other) => sum + at(own, other), 0);
    const predicted = numbers.reduce((sum, other) => sum + at(other, own), 0);
    const right = at(own, own);
    return {
      precision: right / predicted,
      recall: right / support,
      f1: (2 * right) / (predicted + support),
      support,
    };
  });
}

/** e to the mean cross-entropy of the labels: of a language model, perplexity. */
export function perplexity(names: ClassNames = {}): Metric {
  return {
    sums(outputs, fields) {
      const { logits, labels, counts } = compared(outputs, fields, names);
      return { total: total(mul(crossEntropy(logits, labels), counts)), count: total(counts) };
    },
    finish: ({ total, count }) => Math.exp(share(total, count)),
    better: 'lower',
  };
}
