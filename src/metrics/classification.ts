/**
 * How well classes are told apart: logits float32 [..., classes] and labels int32 or int64 [...], or distributions
 * float32 [..., classes], of which the class with the largest share counts. Of equal logits the first class counts as the
 * largest, as in argmax; an example with a logit that is not finite is never right.
 */
import { total } from '../autodiff/functions.ts';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import {
  abs,
  add,
  argMax,
  cast,
  constant,
  equal,
  greater,
  less,
  lessOrEqual,
  matmul,
  mul,
  oneHot,
  reduceSum,
  reshape,
  sub,
  where,
} from '../onnx/ops.ts';
import { product, sameShape, show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Metric, Values } from '../tasks/task.ts';
import { fieldOf, meanOf, outputOf, ratio, share } from './names.ts';

/** The largest float32. */
const LARGEST = 2 ** 128 * (1 - 2 ** -24);

/** Which output and fields are compared, and what counts. */
export interface ClassNames {
  /** The output, `logits` by default, and the field, `labels`. */
  readonly logits?: string;
  readonly labels?: string;
  /** The field of the labels' shape that says what counts: not 0 where it does. All counts by default. */
  readonly mask?: string;
}

interface Compared {
  readonly logits: Value;
  readonly labels: Value;
  /** float32, of the labels' shape: 1 where it counts. */
  readonly counts: Value;
}

function compared(outputs: Values, fields: Values, names: ClassNames): Compared {
  const logits = outputOf(outputs, names.logits, 'logits');
  const labels = fieldOf(fields, names.labels ?? 'labels');
  const mask = names.mask === undefined ? undefined : fieldOf(fields, names.mask);
  if (mask && !sameShape(mask.shape, labels.shape)) {
    throw new UserError(
      `metric: expected a mask ${names.mask} of the labels' shape ${show(labels.shape)}, got ${show(mask.shape)}`,
    );
  }
  const counts = mask ? cast(cast(mask, 'bool'), 'float32') : add(mul(cast(labels, 'float32'), 0), 1);
  return { logits, labels, counts };
}

/** With one row of logits for each label; of how many classes. */
function comparedClasses(
  outputs: Values,
  fields: Values,
  names: ClassNames,
): Compared & { readonly classes: number } {
  const values = compared(outputs, withClasses(outputs, fields, names), names);
  const { logits, labels } = values;
  const classes = logits.shape.at(-1);
  if (typeof classes !== 'number' || !sameShape(logits.shape.slice(0, -1), labels.shape)) {
    throw new UserError(
      `metric: expected logits [..., classes] for labels ${show(labels.shape)}, got ${show(logits.shape)}`,
    );
  }
  return { ...values, classes };
}

/** The fields, with the class of the largest share in place of a distribution. */
function withClasses(outputs: Values, fields: Values, { logits, labels = 'labels' }: ClassNames): Values {
  const given = fieldOf(fields, labels);
  const { shape } = outputOf(outputs, logits, 'logits');
  return given.dtype === 'float32' && sameShape(given.shape, shape)
    ? { ...fields, [labels]: argMax(given) }
    : fields;
}

/** The share whose label is the class with the largest logit. */
export function accuracy(names: ClassNames = {}): Metric {
  return topK(1, names);
}

/** The share whose label is among the k classes with the largest logits. */
export function topK(k: number, names: ClassNames = {}): Metric {
  expectNumber('topK: k', k, { min: 1, isInteger: true });
  return {
    ...(k === 1
      ? { label: 'accuracy', short: 'acc' }
      : { label: `top-${k} accuracy`, short: `top-${k}`, isMinor: true }),
    sums(outputs, fields) {
      const values = comparedClasses(outputs, fields, names);
      const enough = Math.max(0, values.classes - k) + 0.5;
      const right = cast(greater(notAhead(values), enough), 'float32');
      return { right: total(mul(right, values.counts)), count: total(values.counts) };
    },
    finish: ({ right, count }) => share(right, count),
    ...(k === 1 ? { label: 'accuracy', short: 'acc' } : { label: `top-${k} accuracy`, short: `top-${k}` }),
    better: 'higher',
    isShare: true,
    isMinor: k > 1,
  };
}

/** How many classes do not come before the label, itself among them: float32 [...], 0 where a logit is not finite. */
function notAhead({ logits, labels, classes }: Compared & { readonly classes: number }): Value {
  // NaN where a logit is not finite: neither more than nor equal to anything.
  const own = where(
    areFinite(logits),
    reduceSum(mul(logits, oneHot(labels, classes)), { axes: [-1], keepdims: true }),
    Number.NaN,
  );
  const numbers = constant(
    Float32Array.from({ length: classes }, (_, i) => i),
    [classes],
  );
  const label = reshape(cast(labels, 'float32'), [...labels.shape, 1]);
  const notBefore = cast(less(sub(label, 0.5), numbers), 'float32');
  const behind = cast(less(logits, own), 'float32');
  return reduceSum(where(equal(logits, own), notBefore, behind), { axes: [-1] });
}

/** Whether all logits of a row are finite: bool [..., 1]. */
function areFinite(logits: Value): Value {
  const counted = cast(lessOrEqual(abs(logits), LARGEST), 'float32');
  return greater(reduceSum(counted, { axes: [-1], keepdims: true }), Number(logits.shape.at(-1)) - 0.5);
}

/**
 * The share that is on the right side of 0, of logits of two classes: float32 [...], or [..., 1]; labels of any dtype,
 * not 0 for the class that positive logits mean. A logit of 0 means the other.
 */
export function binaryAccuracy(names: ClassNames = {}): Metric {
  return {
    label: 'accuracy',
    sums(outputs, fields) {
      const { logits, labels, counts } = compared(outputs, fields, names);
      const bare = logits.shape.at(-1) === 1 ? logits.shape.slice(0, -1) : logits.shape;
      if (!sameShape(logits.shape, labels.shape) && !sameShape(bare, labels.shape)) {
        throw new UserError(
          `metric: expected logits of the labels' shape ${show(labels.shape)}, got ${show(logits.shape)}`,
        );
      }
      const x = reshape(logits, labels.shape);
      const right = where(
        cast(labels, 'bool'),
        cast(greater(x, 0), 'float32'),
        cast(lessOrEqual(x, 0), 'float32'),
      );
      return { right: total(mul(right, counts)), count: total(counts) };
    },
    finish: ({ right, count }) => share(right, count),
    better: 'higher',
    isShare: true,
  };
}

/**
 * Balanced accuracy: the mean over the classes of the share of their examples that are found, without classes that have
 * none. Its sums are of use themselves (`classScores`): `matrix` [classes, classes], how many examples of the row's
 * class were taken for the column's, and `support` [classes], how many examples there are of each class.
 */
export function confusionMatrix(names: ClassNames = {}): Metric {
  return {
    label: 'balanced accuracy',
    sums(outputs, fields) {
      const { logits, labels, counts, classes } = comparedClasses(outputs, fields, names);
      const rows = product(labels.shape);
      const matrixOf = (value: Value): Value => reshape(value, [rows, classes]);
      const guess = mul(oneHot(argMax(logits), classes), cast(areFinite(logits), 'float32'));
      const label = matrixOf(mul(oneHot(labels, classes), reshape(counts, [...counts.shape, 1])));
      return {
        matrix: matmul(label, matrixOf(guess), { transA: true }),
        support: reduceSum(label, { axes: [0] }),
      };
    },
    finish: ({ matrix = new Float64Array(), support = new Float64Array() }) =>
      meanOf(support.length, (i) => ratio(matrix[i * support.length + i] ?? Number.NaN, support[i] ?? 0)),
    better: 'higher',
    isShare: true,
    evaluationOnly: true,
    isHidden: true,
  };
}

/** How well one class is told from the others. */
export interface ClassScores {
  /** Share of a class's predictions that are right; NaN where none was made. */
  readonly precision: number;
  /** Share of a class's examples that are found; NaN where there are none. */
  readonly recall: number;
  /** The harmonic mean of the two, 2·right/(predicted + support); NaN where the class is in neither. */
  readonly f1: number;
  /** Examples of the class. */
  readonly support: number;
}

/** Each class's scores, from the sums of `confusionMatrix`. */
export function classScores({
  matrix = new Float64Array(),
  support = new Float64Array(),
}: Readonly<Record<string, Float64Array>>): ClassScores[] {
  const classes = support.length;
  return Array.from(support, (own, i) => {
    const right = matrix[i * classes + i] ?? 0;
    const predicted = Array.from(support, (_, row) => matrix[row * classes + i] ?? 0).reduce(
      (a, b) => a + b,
      0,
    );
    return {
      precision: ratio(right, predicted),
      recall: ratio(right, own),
      f1: ratio(2 * right, predicted + own),
      support: own,
    };
  });
}

/** e to the mean cross-entropy of the labels: of a language model, perplexity. */
export function perplexity(names: ClassNames = {}): Metric {
  return {
    sums(outputs, fields) {
      const { logits, labels, counts } = comparedClasses(outputs, fields, names);
      const each = crossEntropy(logits, labels);
      return { total: total(where(cast(counts, 'bool'), each, 0)), count: total(counts) };
    },
    finish: ({ total, count }) => Math.exp(share(total, count)),
    label: 'perplexity',
    better: 'lower',
  };
}
