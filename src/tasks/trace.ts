/** A task as values: one pass over a batch, traced, and checked at the border between a user's functions and ours. */
import { total } from '../autodiff/functions.ts';
import { type RandomMask, type Role, Scope, type TaskScalar, type Variable } from '../layers/scope.ts';
import { expectMetricName } from '../metrics/info.ts';
import { topologicalOrder } from '../onnx/graph.ts';
import { input, mul } from '../onnx/ops.ts';
import { product, sameShape, show } from '../onnx/shapes.ts';
import { type Dim, isOp, type Value } from '../onnx/value.ts';
import { isValue, ONLY_TERM, type Task, type Term, type Values } from './task.ts';

/** A term of the loss over the batch of the pass. */
export interface TracedTerm {
  readonly name: string;
  /** Σ weight·each: a float32 scalar. */
  readonly total: Value;
  /** Σ weight: a float32 scalar, which depends on fields only; none where the term is a mean. */
  readonly weight: Value | undefined;
  /** What a mean divides by for each example; 0 for a term of the whole batch, which is not divided. */
  readonly perExample: number;
}

export interface TracedTask {
  /** Inputs, by field. */
  readonly fields: Values;
  readonly outputs: Values;
  readonly variables: readonly Variable[];
  readonly masks: readonly RandomMask[];
  readonly scalars: readonly TaskScalar[];
  readonly terms: readonly TracedTerm[];
  /** The sums of the metrics that this pass measures, `<metric>/<sum>`. */
  readonly sums: Values;
  /** What the state variables become, by path. */
  readonly nextState: ReadonlyMap<string, Value>;
  /** Whether a batch may not be cut: its examples see each other. */
  readonly coupled: boolean;
}

export interface TraceOptions {
  /** Examples of the pass; `batch` for any number. */
  readonly batch: Dim;
  /** Whether it trains: dropout, statistics of the batch, scalars that a run chooses. */
  readonly training: boolean;
  /** The roles of variables whose model does not say so. */
  readonly roles?: (variable: Variable) => Role;
  /** Values to stand for the fields' inputs. */
  readonly fields?: Values;
}

/** Traces a task. Throws an Error that names the field, output, term or metric that is not right. */
export function traceTask(task: Task, { batch, training, roles, fields: given }: TraceOptions): TracedTask {
  const fields =
    given ??
    Object.fromEntries(
      Object.entries(task.fields).map(([name, { dtype, shape }]) => [
        name,
        input(name, [batch, ...shape], dtype),
      ]),
    );
  const scope = new Scope({ training });
  const outputs = task.predict(scope, fields);
  for (const [name, value] of Object.entries(outputs)) expectBatch(`output ${name}`, value, batch);
  const terms = termsOf(task, outputs, fields, scope, batch);
  const coupled = scope.examplesAreCoupled || terms.some(({ perExample }) => perExample === 0);
  return {
    fields,
    outputs,
    variables: scope.variables.map((variable) => ({ ...variable, role: roles?.(variable) ?? variable.role })),
    masks: scope.masks,
    scalars: scope.scalars,
    terms,
    sums: sumsOf(task, outputs, fields, training),
    nextState: scope.nextState,
    coupled,
  };
}

/** The variables of a task alone, without a loss: those of inference. */
export function tracePrediction(
  task: Task,
  batch: Dim,
): Pick<TracedTask, 'fields' | 'outputs' | 'variables'> {
  const fields = Object.fromEntries(
    Object.entries(task.fields).map(([name, { dtype, shape }]) => [
      name,
      input(name, [batch, ...shape], dtype),
    ]),
  );
  const scope = new Scope({ training: false });
  const outputs = task.predict(scope, fields);
  return { fields, outputs, variables: scope.variables };
}

function termsOf(task: Task, outputs: Values, fields: Values, scope: Scope, batch: Dim): TracedTerm[] {
  const given = task.loss(outputs, fields, scope);
  const named = isTerm(given) ? { [ONLY_TERM]: given } : given;
  if (Object.keys(named).length === 0) throw new Error('loss: expected at least one term, got none');
  const inputs = new Set(Object.values(fields));
  return Object.entries(named).map(([name, term]) => traceTerm(name, term, batch, inputs));
}

function isTerm(terms: object): terms is Term {
  return isValue(terms) || ('each' in terms && typeof terms.each === 'object');
}

function traceTerm(name: string, term: Term, batch: Dim, fields: ReadonlySet<Value>): TracedTerm {
  const { each, weight } = isValue(term) ? { each: term, weight: undefined } : term;
  if (each.dtype !== 'float32') throw new Error(`loss ${name}: expected float32, got ${each.dtype}`);
  if (each.shape.length === 0) {
    if (weight) throw new Error(`loss ${name}: expected a weight of a scalar to be left out`);
    return { name, total: each, weight: undefined, perExample: 0 };
  }
  expectBatch(`loss ${name}`, each, batch);
  if (!weight) {
    const perExample = product(each.shape.slice(1));
    if (typeof perExample !== 'number')
      throw new Error(`loss ${name}: expected one batch axis, got ${show(each.shape)}`);
    return { name, total: total(each), weight: undefined, perExample };
  }
  if (!sameShape(weight.shape, each.shape) || weight.dtype !== 'float32') {
    throw new Error(
      `loss ${name}: expected a float32 weight of shape ${show(each.shape)}, got ${weight.dtype} ${show(weight.shape)}`,
    );
  }
  for (const node of topologicalOrder([weight])) {
    if (!isOp(node, 'Input') || fields.has(node.outputs[0])) continue;
    throw new Error(
      `loss ${name}: its weight depends on ${node.attributes.name}: expected it to depend on fields only, since the weights of a batch are added up before the pass`,
    );
  }
  return { name, total: total(mul(each, weight)), weight: total(weight), perExample: 1 };
}

function sumsOf(task: Task, outputs: Values, fields: Values, training: boolean): Values {
  const sums: Record<string, Value> = {};
  for (const [name, metric] of Object.entries(task.metrics)) {
    expectMetricName(name);
    if (training && metric.evaluationOnly) continue;
    for (const [key, value] of Object.entries(metric.sums(outputs, fields))) {
      if (value.dtype !== 'float32' || value.shape.some((dim) => typeof dim !== 'number')) {
        throw new Error(
          `metric ${name}: ${key}: expected float32 of a shape without the batch, got ${value.dtype} ${show(value.shape)}`,
        );
      }
      sums[`${name}/${key}`] = value;
    }
  }
  return sums;
}

function expectBatch(what: string, { shape }: Value, batch: Dim): void {
  if (shape[0] === batch) return;
  throw new Error(`${what}: expected ${batch} examples along the first axis, got shape ${show(shape)}`);
}
