/** Small tasks of every kind, and data for them. */
import { linear as product } from '../../src/autodiff/functions.ts';
import { type Batch, emptyField, type FieldData } from '../../src/data/batch.ts';
import type { Scope } from '../../src/layers/scope.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import { mse } from '../../src/losses/regression.ts';
import { perplexity } from '../../src/metrics/classification.ts';
import {
  add,
  cast,
  concat,
  gather,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  sub,
  tanh,
  where,
} from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { Value } from '../../src/onnx/value.ts';
import { Random } from '../../src/random.ts';
import type { Task, Values } from '../../src/tasks/task.ts';

/** x·kernel + bias with parameters of a scope. */
export function linear(scope: Scope, x: Value, columns: number): Value {
  const width = Number(x.shape.at(-1));
  return product(
    x,
    scope.param('kernel', [width, columns], { kind: 'xavier-uniform' }),
    scope.param('bias', [columns], { kind: 'normal', std: 0.1 }),
  );
}

export function named(values: Values, name: string): Value {
  const value = values[name];
  if (!value) throw new Error(`no ${name}`);
  return value;
}

const hidden = (scope: Scope, x: Value, width = 8): Value => tanh(linear(scope.sub('hidden'), x, width));

const countOf = (value: Value): Value => reduceSum(add(mul(value, 0), 1));

/** A perceptron and its mean squared error. */
export const perceptron: Task = {
  fields: { x: { dtype: 'float32', shape: [5] }, y: { dtype: 'float32', shape: [2] } },
  predict: (scope, fields) => ({ output: linear(scope.sub('out'), hidden(scope, named(fields, 'x')), 2) }),
  loss: ({ output }, { y }) => mse(expectValue(output), expectValue(y)),
  metrics: {
    error: {
      sums: ({ output }, { y }) => {
        const error = sub(expectValue(output), expectValue(y));
        return { squares: reduceSum(mul(error, error)), count: countOf(error) };
      },
      finish: ({ squares, count }) => (squares?.[0] ?? Number.NaN) / (count?.[0] ?? 0),
      better: 'lower',
    },
  },
};

/**
 * Labels of tokens, of which a mask counts, and a number with a weight of its own: two inputs, two outputs, two terms
 * with two masks.
 */
export const tokens: Task = {
  fields: {
    x: { dtype: 'float32', shape: [6, 5] },
    z: { dtype: 'float32', shape: [3] },
    labels: { dtype: 'int32', shape: [6] },
    isToken: { dtype: 'bool', shape: [6] },
    y: { dtype: 'float32', shape: [] },
    known: { dtype: 'float32', shape: [] },
  },
  predict(scope, fields) {
    const x = hidden(scope, named(fields, 'x'));
    const z = tanh(linear(scope.sub('other'), named(fields, 'z'), 8));
    const both = add(x, reshape(z, [z.shape[0] ?? 0, 1, 8]));
    return {
      logits: linear(scope.sub('tokens'), both, 4),
      number: linear(scope.sub('number'), reduceMean(both, { axes: [1] }), 1),
    };
  },
  loss: (outputs, fields) => ({
    tokens: {
      each: crossEntropy(named(outputs, 'logits'), named(fields, 'labels')),
      weight: cast(named(fields, 'isToken'), 'float32'),
    },
    number: {
      each: mse(reshape(named(outputs, 'number'), named(fields, 'y').shape), named(fields, 'y')),
      weight: named(fields, 'known'),
    },
  }),
  metrics: { perplexity: perplexity({ mask: 'isToken' }) },
};

/** A field of every dtype: numbers, labels of two widths, bytes, flags. */
export const everyType: Task = {
  fields: {
    x: { dtype: 'float32', shape: [5] },
    a: { dtype: 'int32', shape: [2] },
    b: { dtype: 'int64', shape: [] },
    bytes: { dtype: 'uint8', shape: [3] },
    isSet: { dtype: 'bool', shape: [2] },
    y: { dtype: 'float32', shape: [2] },
  },
  predict(scope, fields) {
    const table = scope.param('table', [4, 8], { kind: 'normal', std: 1 });
    const [a, b] = [named(fields, 'a'), named(fields, 'b')];
    const pieces = [
      named(fields, 'x'),
      reduceMean(gather(table, a), { axes: [1] }),
      gather(table, b),
      mul(cast(named(fields, 'bytes'), 'float32'), 1 / 255),
      cast(named(fields, 'isSet'), 'float32'),
    ];
    return { output: linear(scope.sub('out'), hidden(scope, concat(pieces, 1)), 2) };
  },
  loss: perceptron.loss,
  metrics: {},
};

/** The perceptron with dropout and noise for each example, and for the whole step. */
export const dropped: Task = {
  ...perceptron,
  predict(scope, fields) {
    let x = hidden(scope, named(fields, 'x'));
    if (scope.training) {
      x = where(scope.random.mask('drop', x.shape, 0.8), mul(x, 1 / 0.8), 0);
      x = where(scope.random.mask('units', [8], 0.9, 'step'), mul(x, 1 / 0.9), 0);
      x = mul(x, add(scope.random.uniform('noise', [x.shape[0] ?? 0, 1]), 0.5));
      x = add(x, scope.random.uniform('shift', [8], 'step'));
    }
    return { output: linear(scope.sub('out'), x, 2) };
  },
};

/** Inputs less a running mean, which moves by a tenth with every micro-batch; training subtracts both. */
export const running: Task = {
  ...perceptron,
  predict(scope, fields) {
    const x = named(fields, 'x');
    const mean = scope.state('mean', [5], { kind: 'zeros' });
    scope.couplesExamples();
    const ofBatch = reduceMean(x, { axes: [0] });
    if (scope.training) scope.next(mean, add(mul(mean, 0.9), mul(ofBatch, 0.1)));
    const centered = scope.training ? sub(sub(x, mul(mean, 0.5)), mul(ofBatch, 0.5)) : sub(x, mean);
    return { output: linear(scope.sub('out'), hidden(scope, centered), 2) };
  },
};

/** A loss of the whole batch at once. */
export const scalarLoss: Task = {
  ...perceptron,
  loss: ({ output }, { y }) => {
    const error = sub(expectValue(output), expectValue(y));
    return reduceMean(mul(error, error));
  },
};

function expectValue(value: Value | undefined): Value {
  if (!value) throw new Error('a value is missing');
  return value;
}

/** A batch of random numbers; labels below 4; a third of what is bool or `known` is not set, and none of the first quarter. */
export function batchOf(task: Task, examples: number, step: number): Batch {
  const fields = Object.entries(task.fields).map(([name, { dtype, shape }]): [string, FieldData] => {
    const size = sizeOf(shape);
    const random = new Random(11 + name.length, 'sample', step);
    const data = emptyField(dtype, examples * size);
    const isMask = dtype === 'bool' || name === 'known';
    for (let i = 0; i < data.length; i++) {
      const isEarly = i < (examples / 4) * size;
      const drawn = random.normal();
      if (data instanceof BigInt64Array) data[i] = BigInt(random.integer(4));
      else if (isMask) data[i] = isEarly || drawn < -0.4 ? 0 : name === 'known' ? Math.abs(drawn) : 1;
      else data[i] = dtype === 'float32' ? drawn : random.integer(4);
    }
    return [name, data];
  });
  return { fields: Object.fromEntries(fields), examples, indices: new Uint32Array(examples), epoch: 0, step };
}

/** Starting values by formula. */
export function wave(path: string, values: Float32Array): void {
  values.forEach((_, i) => {
    values[i] = 0.5 * Math.sin(1.3 * i + path.length);
  });
}

/** A batch by formula: waves, labels one after the other; what is bool or `known` is where waves are positive, and after two examples. */
export function waves(task: Task, examples: number, step: number): Batch {
  const fields = Object.entries(task.fields).map(([name, { dtype, shape }]): [string, FieldData] => {
    const size = sizeOf(shape);
    const data = emptyField(dtype, examples * size);
    for (let i = 0; i < data.length; i++) {
      const height = Math.sin(0.7 * i + name.length + step);
      if (data instanceof BigInt64Array) data[i] = BigInt((i + step) % 4);
      else if (dtype === 'bool') data[i] = Number(i >= 2 * size && height > 0);
      else if (name === 'known') data[i] = i >= 2 * size ? Math.max(0, height) : 0;
      else data[i] = dtype === 'float32' ? height : (i + step) % 4;
    }
    return [name, data];
  });
  return { fields: Object.fromEntries(fields), examples, indices: new Uint32Array(examples), epoch: 0, step };
}

/** A field that is float32. */
export function floats(data: FieldData | undefined): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error('expected a field of float32');
  return data;
}
