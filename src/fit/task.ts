/** The border between a user's functions and a task: checked here once, for all that the types do not reach. */
import { show, UserError } from '../errors.ts';
import { weightedMean } from '../metrics/mean.ts';
import type { Value } from '../onnx/value.ts';
import {
  type Fields,
  isValue,
  type Metric,
  ONLY_OUTPUT,
  type Outputs,
  type Task,
  type Values,
} from '../tasks/task.ts';
import type { AnyFitOptions, MetricChoice } from './types.ts';

type Options = Pick<AnyFitOptions, 'model' | 'loss' | 'metrics'>;

/** The task of a user's model, loss and metrics. Its functions throw UserError for what is no value. */
export function taskOf(
  options: Options,
  fields: Fields,
): {
  readonly task: Task;
  /** Whether the model gives one value without a name; known once it was traced. */
  isSingle(): boolean;
} {
  for (const key of ['model', 'loss'] as const) {
    if (typeof options[key] !== 'function')
      throw new UserError(`${key}: expected a function, got ${show(options[key])}`);
  }
  const alone = new WeakSet<Values>();
  let isSingle = false;
  /** Outputs as the model gave them. */
  const given = (outputs: Values): Outputs => {
    const only = outputs[ONLY_OUTPUT];
    return only && alone.has(outputs) ? only : strict('loss or metric', 'output', outputs);
  };
  const task: Task = {
    fields,
    predict(scope, values) {
      const result = options.model(scope, strict('model', 'field', values));
      const outputs = isRecord(result) && isValue(result) ? { [ONLY_OUTPUT]: result } : result;
      isSingle = isRecord(result) && isValue(result);
      if (isSingle) alone.add(outputs);
      expectOutputs(outputs);
      return outputs;
    },
    loss(outputs, values, scope) {
      const terms = options.loss(given(outputs), strict('loss', 'field', values), scope);
      if (!isRecord(terms)) {
        throw new UserError(`loss: expected a value, {each, weight} or a record of them, got ${show(terms)}`);
      }
      return terms;
    },
    metrics: Object.fromEntries(
      Object.entries(options.metrics ?? {}).map(([name, metric]) => [name, metricOf(name, metric, given)]),
    ),
  };
  return { task, isSingle: () => isSingle };
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function expectOutputs(outputs: unknown): asserts outputs is Values {
  if (outputs instanceof Promise || !isRecord(outputs)) {
    throw new UserError(
      `model: expected it to return a value or a record of values, got ${outputs instanceof Promise ? 'a promise: models are not async' : show(outputs)}`,
    );
  }
  const entries = Object.entries(outputs);
  if (entries.length === 0) throw new UserError('model: expected at least one output, got none');
  for (const [name, value] of entries) {
    if (!isRecord(value) || !isValue(value)) {
      throw new UserError(`model: output ${name}: expected a value, got ${show(value)}`);
    }
    if (value.dtype !== 'float32')
      throw new UserError(`model: output ${name}: expected float32, got ${value.dtype}; cast it`);
  }
}

/** Values that say so where another name is asked for. */
function strict(who: string, kind: string, values: Values): Values {
  return new Proxy(values, {
    get(target, name): Value | undefined {
      const value = typeof name === 'string' ? target[name] : undefined;
      if (value !== undefined || typeof name !== 'string' || name in target || name === 'node') return value;
      throw new UserError(`${who}: expected a ${kind} ${Object.keys(target).join(', ')}, got ${show(name)}`);
    },
  });
}

function metricOf(
  name: string,
  choice: MetricChoice<Outputs, Values>,
  given: (outputs: Values) => Outputs,
): Metric {
  const what = `metric ${name}`;
  if (typeof choice === 'object' && choice !== null && 'sums' in choice) return choice;
  const { each, ...more } =
    typeof choice === 'function' ? { each: choice, better: 'lower' as const } : choice;
  if (typeof each !== 'function') {
    throw new UserError(`${what}: expected a function, a metric or {each, better}, got ${show(choice)}`);
  }
  return weightedMean(what, (outputs, fields) => each(given(outputs), strict(what, 'field', fields)), more);
}
