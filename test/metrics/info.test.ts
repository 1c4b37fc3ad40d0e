import test from 'ava';
import { mse } from '../../src/losses/regression.ts';
import {
  classifierMetrics,
  errorOf,
  judgeOf,
  lossInfo,
  metricInfos,
  metricText,
} from '../../src/metrics/info.ts';
import { meanAbsoluteError, r2, rootMeanSquaredError } from '../../src/metrics/regression.ts';
import { constant } from '../../src/onnx/ops.ts';
import { classification } from '../../src/tasks/classification.ts';
import type { Task } from '../../src/tasks/task.ts';
import { traceTask } from '../../src/tasks/trace.ts';
import { REGRESSION } from '../storage/_records.ts';

test('the first metric judges; without any the loss does', (t) => {
  t.is(judgeOf(REGRESSION).name, 'mae');
  t.is(judgeOf(classifierMetrics()).name, 'top1');
  t.deepEqual(judgeOf(metricInfos({})), lossInfo([]));
  t.is(judgeOf(metricInfos({}, { label: 'likelihood' })).label, 'likelihood');
});

test('top-5 accuracy is only of more than five classes', (t) => {
  const names = (classes: number) => classifierMetrics(classes).map(({ name }) => name);
  t.deepEqual(names(5), ['top1', 'loss']);
  t.deepEqual(names(6), ['top1', 'top5', 'loss']);
});

test('a metric without a label, or with the label of another, is called by its name', (t) => {
  const infos = metricInfos({
    price: { label: 'MAE', better: 'lower', unit: 'k$' },
    rent: { label: 'MAE', short: 'm', better: 'lower' },
    hits: { better: 'higher', isShare: true },
  });
  t.deepEqual(
    infos.map(({ label, short }) => [label, short]),
    [
      ['price', undefined],
      ['rent', undefined],
      ['hits', undefined],
      ['loss', undefined],
    ],
  );
});

test('a metric may not have the name of another key of a record, nor one that is no name', (t) => {
  const named = (name: string) => () => metricInfos({ [name]: { better: 'lower' } });
  for (const name of ['loss', 'lr', 'r', 'epoch', 'images_per_second', 'examples_per_second']) {
    t.throws(named(name), {
      message: `metric ${name}: a record already has a ${name}; give it a name other than step, epoch, split, loss, grad_norm, gr_grad_norm, lr, lambda, r, alpha, spike, examples_per_second, images_per_second`,
    });
  }
  for (const name of ['', 'a/b', 'a b', '1st', '__proto__'])
    t.throws(named(name), { message: /^metric ".*": expected a name of letters, digits and/ });
  for (const name of ['r2', 'mae@10', 'F1_macro', 'erreur_carrée']) t.notThrows(named(name));
});

test('an accuracy is judged by its error, a number of which less is better by itself, R² by itself', (t) => {
  const line = { loss: 0.5, metrics: { top1: 0.875, mae: 0.41, r2: 0.9, wrong: 0.02 } };
  const of = (name: string, better: 'higher' | 'lower', isShare = false) => {
    const { value, ...rest } = errorOf({ name, label: name === 'top1' ? 'accuracy' : name, isShare, better });
    return { ...rest, value: value(line) };
  };
  t.deepEqual(of('top1', 'higher', true), { label: 'error', unit: '%', better: 'lower', value: 12.5 });
  t.deepEqual(of('mae', 'lower'), { label: 'mae', unit: undefined, better: 'lower', value: 0.41 });
  t.deepEqual(of('r2', 'higher'), { label: 'r2', unit: undefined, better: 'higher', value: 0.9 });
  t.deepEqual(of('wrong', 'lower', true), { label: 'wrong', unit: '%', better: 'lower', value: 2 });
  t.is(of('absent', 'lower').value, null);
});

test('a share is shown in per cent, any other number in few characters', (t) => {
  t.is(metricText({ isShare: true }, 0.875, 2), '87.50%');
  const shown = [0.41234, 12.3456, 1234.5, 1.5e-7, -0.5, 0].map((x) => metricText({ isShare: false }, x, 2));
  t.deepEqual(shown, ['0.412', '12.346', '1235', '1.5e-7', '-0.500', '0']);
});

test("a classification's metrics are shown as those of runs that do not say, its confusion matrix not at all", (t) => {
  for (const classes of [2, 10]) {
    const { metrics, lossInfo: loss } = classification({
      fields: {},
      classes,
      model: (_, { x }) => x ?? constant(new Float32Array(1), [1]),
    });
    t.deepEqual(Object.keys(metrics).at(-1), 'confusion');
    t.deepEqual(metricInfos(metrics, loss), classifierMetrics(classes));
  }
});

test("a regression's metrics have their usual names", (t) => {
  const metrics = { mae: meanAbsoluteError(), rmse: rootMeanSquaredError(), r2: r2() };
  t.deepEqual(
    metricInfos(metrics).map(({ label, better }) => [label, better]),
    [
      ['MAE', 'lower'],
      ['RMSE', 'lower'],
      ['R²', 'higher'],
      ['loss', 'lower'],
    ],
  );
});

test('a task whose metric has the name of another key of a record is refused where it is traced', (t) => {
  const one = constant(Float32Array.of(1), [1]);
  const task: Task = {
    fields: { x: { dtype: 'float32', shape: [] }, y: { dtype: 'float32', shape: [] } },
    predict: (_, { x }) => ({ output: x ?? one }),
    loss: ({ output }, { y }) => mse(output ?? one, y ?? one),
    metrics: { lr: meanAbsoluteError() },
  };
  const trace = () => traceTask(task, { batch: 4, training: true });
  t.throws(trace, {
    message: /^metric lr: a record already has a lr; give it a name other than step, epoch, /,
  });
});
