/** What a user can get wrong in a task: one clear line for each, before anything is trained. */
import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { UserError } from '../../src/errors.ts';
import { mse } from '../../src/losses/regression.ts';
import { cast, input, mul, reduceMean, reduceSum, sub, where } from '../../src/onnx/ops.ts';
import { regression } from '../../src/tasks/regression.ts';
import type { Metric, Task } from '../../src/tasks/task.ts';
import { traceTask } from '../../src/tasks/trace.ts';
import { linear, named, perceptron, running } from '../run/_tasks.ts';
import { described, graphsOf } from '../run/_train.ts';

const trace = (task: Task) => traceTask(task, { batch: 4, training: true });
const withLoss = (loss: Task['loss']): Task => ({ ...perceptron, loss });
const metric = (sums: Metric['sums']): Task => ({
  ...perceptron,
  metrics: { own: { sums, finish: () => 0, better: 'lower' } },
});
/** A task as JavaScript may give it, without a compiler. */
const parsed = (changes: object): Task => Object.assign({}, perceptron, changes);
const y = (fields: Parameters<Task['loss']>[1]) => named(fields, 'y');
const output = (outputs: Parameters<Task['loss']>[0]) => named(outputs, 'output');

const WRONG: Readonly<Record<string, readonly [run: () => unknown, message: string | RegExp]>> = {
  'a field of another dtype': [
    () => trace(parsed({ fields: { ...perceptron.fields, x: { dtype: 'float64', shape: [5] } } })),
    'field x: dtype: expected one of float32, int32, int64, uint8, bool, got "float64"; did you mean float32?',
  ],
  'a field with a shape of other than counts': [
    () => trace(parsed({ fields: { ...perceptron.fields, x: { dtype: 'float32', shape: ['batch', 5] } } })),
    'field x: shape: expected an integer ≥ 1, got "batch"',
  ],
  'no field': [() => trace(parsed({ fields: {} })), 'task: fields: expected at least one field, got none'],
  'no output': [() => trace(parsed({ predict: () => ({}) })), 'task: predict: expected an output, got none'],
  'an output that is no value': [
    () => trace(parsed({ predict: () => ({ output: 3 }) })),
    'output output: expected a value, got 3',
  ],
  'an output without the batch': [
    () =>
      trace({
        ...perceptron,
        predict: (_, { x }) => ({ mean: reduceMean(x ?? input('x', []), { axes: [0] }) }),
      }),
    'output mean: expected the batch of 4 examples along the first axis, got shape [5]; keep that axis',
  ],
  'an output that is an input': [
    () => trace({ ...perceptron, predict: (_, fields) => ({ same: named(fields, 'x') }) }),
    'output same: expected a value that is computed, got the input x itself; give identity(…) of it',
  ],
  'no term': [() => trace(withLoss(() => ({}))), 'loss: expected at least one term, got none'],
  'a term of an unknown key': [
    () => trace(parsed({ loss: (outputs: object) => ({ number: { ...outputs, wieght: 1 } }) })),
    'loss number: expected a value, or { each, weight } of values, got { output, wieght }',
  ],
  'a weight that is a number': [
    () => trace(parsed({ loss: (o: { output: object }) => ({ each: o.output, weight: 2 }) })),
    'loss loss: expected a value, or { each, weight } of values, got { each, weight }',
  ],
  'a term that is no value': [
    () => trace(parsed({ loss: () => ({ number: 1 }) })),
    'loss number: expected a value, or { each, weight } of values, got 1',
  ],
  'a loss that is nothing': [
    () => trace(parsed({ loss: () => undefined })),
    'loss: expected at least one term, got none',
  ],
  'a term of integers': [
    () => trace(withLoss((outputs) => cast(output(outputs), 'int32'))),
    'loss loss: expected float32, got int32',
  ],
  'a term without the batch': [
    () => trace(withLoss((outputs) => reduceSum(output(outputs), { axes: [0] }))),
    'loss loss: expected the batch of 4 examples along the first axis, got shape [2]; keep that axis',
  ],
  'a weight of another shape': [
    () =>
      trace(
        withLoss((outputs, fields) => ({
          each: output(outputs),
          weight: reduceSum(y(fields), { axes: [1] }),
        })),
      ),
    'loss loss: expected a float32 weight of shape [4, 2], got float32 [4]',
  ],
  'a weight of a scalar': [
    () =>
      trace(
        withLoss((outputs, fields) => ({ each: reduceSum(output(outputs)), weight: reduceSum(y(fields)) })),
      ),
    'loss loss: expected no weight of a scalar, which is of the whole batch, got one; give `each` with the batch axis kept',
  ],
  'a weight that depends on a variable': [
    () =>
      trace(
        withLoss((outputs, fields) => ({
          fit: { each: mse(output(outputs), y(fields)), weight: output(outputs) },
        })),
      ),
    /^loss fit: expected a weight of fields alone, since the weights of a batch are added up before the pass, got one that depends on (hidden|out)\/(kernel|bias); put what depends on it into `each`$/,
  ],
  'a weight that depends on a mask': [
    () =>
      trace(
        withLoss((outputs, fields, scope) => ({
          each: output(outputs),
          weight: mul(y(fields), cast(scope.random.mask('drop', [4, 2], 0.5), 'float32')),
        })),
      ),
    /^loss loss: expected a weight of fields alone, .* got one that depends on random\/drop; /,
  ],
  'a mask of every example without the batch': [
    () =>
      trace(withLoss((outputs, _, scope) => where(scope.random.mask('drop', [2], 0.5), output(outputs), 0))),
    'random/drop: expected the batch of 4 examples along the first axis, got shape [2]; keep that axis',
  ],
  'a loss that reaches nothing trainable': [
    () => graphsOf({ task: withLoss((_, fields) => mse(y(fields), y(fields))) }),
    'loss: expected it to depend on a trainable variable, got none of hidden/kernel, hidden/bias, out/kernel, out/bias: there is nothing to learn',
  ],
  'everything frozen': [
    () => new TaskGraphs(perceptron, { batch: 4, roles: () => 'frozen' }),
    'task: expected at least one trainable variable, got none; freeze fewer',
  ],
  'a model without variables': [
    () => graphsOf({ task: { ...perceptron, predict: (_, fields) => ({ output: mul(y(fields), 2) }) } }),
    'task: expected at least one trainable variable, got none; ask the scope for one: scope.param(name, shape, init)',
  ],
  'a state variable that is to be trained': [
    () => new TaskGraphs(running, { batch: 4, roles: () => 'trainable' }),
    'variable mean: expected to stay state or to be frozen, got trainable',
  ],
  'a metric that keeps the batch': [
    () => {
      const task = metric(({ output }, fields) => ({ error: sub(output ?? y(fields), y(fields)) }));
      return described(task, graphsOf({ task }));
    },
    'metric own: error: expected a float32 sum over the batch, got float32 [batch, 2]; add it up over the first axis: reduceSum(error, { axes: [0] })',
  ],
  'a metric of integers': [
    () => trace(metric((_, fields) => ({ count: reduceSum(cast(y(fields), 'int32')) }))),
    /^metric own: count: expected a float32 sum over the batch, got int32 \[\]; /,
  ],
  'a variable named like a field': [
    () =>
      graphsOf({
        task: {
          ...perceptron,
          predict: (scope, fields) => ({ output: mul(scope.param('x', [2], { kind: 'ones' }), y(fields)) }),
        },
      }).graph('loss-grad'),
    'task: expected other names of fields and variables, got x, which the graph loss-grad has already; rename it',
  ],
  'a field named like an output': [
    () =>
      graphsOf({
        task: {
          ...perceptron,
          predict: (scope, fields) => ({ x: linear(scope, named(fields, 'x'), 2) }),
          loss: ({ x }, fields) => mse(x ?? y(fields), y(fields)),
          metrics: {},
        },
      }).graph('infer'),
    'task: expected other names of fields and variables, got x, which the graph infer has already; rename it',
  ],
  'an unknown loss of a regression': [
    () =>
      regression(Object.assign({ fields: {}, model: () => input('x', []) }, { loss: JSON.parse('"mes"') })),
    'regression: loss: expected one of mse, mae, huber, got "mes"; did you mean mse?',
  ],
  'a regression of half a number': [
    () => regression({ fields: {}, model: () => input('x', []), targets: 0.5 }),
    'regression: targets: expected an integer ≥ 1, got 0.5',
  ],
};

for (const [name, [run, message]] of Object.entries(WRONG)) {
  test(name, (t) => {
    const error = t.throws(run, { instanceOf: UserError, message });
    t.notRegex(error?.message ?? '', /\n/);
  });
}
