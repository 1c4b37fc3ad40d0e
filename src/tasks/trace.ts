/** A task as values: one pass over a batch, traced, and checked at the border between a user's functions and ours. */
import { total } from '../autodiff/functions.ts';
import { asked, show as showValue, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import {
  type RandomMask,
  type RandomUniform,
  type Role,
  Scope,
  type TaskScalar,
  type Variable,
} from '../layers/scope.ts';
import { expectMetricName } from '../metrics/info.ts';
import { topologicalOrder } from '../onnx/graph.ts';
import { input, mul } from '../onnx/ops.ts';
import { product, sameShape, show } from '../onnx/shapes.ts';
import { type Dim, isOp, type Value } from '../onnx/value.ts';
import { FIELD_TYPES, isValue, ONLY_TERM, type Task, type Term, type Values } from './task.ts';

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
  readonly uniforms: readonly RandomUniform[];
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

/** Traces a task. Throws UserError that names the field, output, term, variable or metric that is not right. */
export function traceTask(task: Task, { batch, training, roles, fields: given }: TraceOptions): TracedTask {
  const fields = given ?? fieldInputs(task, batch);
  const scope = new Scope({ training });
  const outputs = predict(task, scope, fields, batch);
  const terms = termsOf(task, outputs, fields, scope, batch);
  const variables = scope.variables.map((variable) => ({ ...variable, role: roleOf(variable, roles) }));
  for (const { name, per, value } of [...scope.masks, ...scope.uniforms]) {
    if (per === 'example' && value.shape[0] !== batch) throw withoutBatch(name, value, batch);
  }
  const isFrozen = new Set(variables.filter(({ role }) => role === 'frozen').map(({ path }) => path));
  return {
    fields,
    outputs,
    variables,
    masks: scope.masks,
    uniforms: scope.uniforms,
    scalars: scope.scalars,
    terms,
    sums: sumsOf(task, outputs, fields, training),
    nextState: new Map([...scope.nextState].filter(([path]) => !isFrozen.has(path))),
    coupled: scope.examplesAreCoupled || terms.some(({ perExample }) => perExample === 0),
  };
}

/**
 * Σ weight of every term that has weights, by name, for any number of examples. The model is traced as inference computes
 * it, since batch normalization, for one, trains only where it knows the batch: weights depend on fields alone. Throws
 * UserError as `traceTask` does.
 */
export function traceWeights(task: Task): Pick<TracedTask, 'fields'> & { readonly weights: Values } {
  const { fields, outputs } = tracePrediction(task, 'batch');
  const terms = termsOf(task, outputs, fields, new Scope({ training: true }), 'batch');
  return { fields, weights: weightsOf(terms) };
}

/** The weights of terms that have some, as outputs of a graph. */
export function weightsOf(terms: readonly Pick<TracedTerm, 'name' | 'weight'>[]): Values {
  const weights = terms.flatMap(({ name, weight }) => (weight ? [[`weight/${name}`, weight] as const] : []));
  return Object.fromEntries(weights);
}

/** What inference computes: the outputs and the variables, without a loss. Throws UserError as `traceTask` does. */
export function tracePrediction(
  task: Task,
  batch: Dim,
): Pick<TracedTask, 'fields' | 'outputs' | 'variables'> {
  const fields = fieldInputs(task, batch);
  const scope = new Scope({ training: false });
  const outputs = predict(task, scope, fields, batch);
  return { fields, outputs, variables: scope.variables };
}

function fieldInputs({ fields }: Task, batch: Dim): Values {
  const entries = Object.entries(fields);
  if (entries.length === 0) throw new UserError('task: fields: expected at least one field, got none');
  return Object.fromEntries(
    entries.map(([name, { dtype, shape }]) => {
      expectOneOf(`field ${name}: dtype`, dtype, FIELD_TYPES);
      if (!Array.isArray(shape)) {
        throw new UserError(
          `field ${name}: shape: expected a list of sizes, [] for one number, got ${showValue(shape)}`,
        );
      }
      for (const dim of shape) expectNumber(`field ${name}: shape`, dim, { min: 1, isInteger: true });
      return [name, input(name, [batch, ...shape], dtype)];
    }),
  );
}

function predict(task: Task, scope: Scope, fields: Values, batch: Dim): Values {
  const outputs = asked('model', () => task.predict(scope, fields));
  const given: unknown = outputs;
  if (given instanceof Promise) {
    throw new UserError('task: predict: expected outputs, got a promise: models are not async');
  }
  if (typeof given !== 'object' || given === null) {
    throw new UserError(`task: predict: expected outputs by name, got ${showValue(given)}`);
  }
  if (Object.keys(outputs).length === 0) throw new UserError('task: predict: expected an output, got none');
  for (const [name, value] of Object.entries(outputs)) {
    if (!isValue(Object(value)))
      throw new UserError(`output ${name}: expected a value, got ${showValue(value)}`);
    if (value.shape[0] !== batch) throw withoutBatch(`output ${name}`, value, batch);
    if (isOp(value.node, 'Input')) {
      throw new UserError(
        `output ${name}: expected a value that is computed, got the input ${value.node.attributes.name} itself; give identity(…) of it`,
      );
    }
  }
  return outputs;
}

/** The role that a run gives a variable. Freezing stops what changes it: the optimizer, or the model itself. */
function roleOf(variable: Variable, roles: TraceOptions['roles']): Role {
  const role = roles?.(variable) ?? variable.role;
  if (role === variable.role || role === 'frozen') return role;
  throw new UserError(
    `variable ${variable.path}: expected to stay ${variable.role} or to be frozen, got ${role}`,
  );
}

function termsOf(task: Task, outputs: Values, fields: Values, scope: Scope, batch: Dim): TracedTerm[] {
  const given: unknown = asked('loss', () => task.loss(outputs, fields, scope));
  const named = isSingle(given) ? { [ONLY_TERM]: given } : Object(given);
  const entries = Object.entries(named);
  if (entries.length === 0) throw new UserError('loss: expected at least one term, got none');
  const inputs = new Set(Object.values(fields));
  return entries.map(([name, term]) => traceTerm(name, expectTerm(name, term), batch, inputs));
}

function isSingle(given: unknown): boolean {
  return isValue(Object(given)) || (typeof given === 'object' && given !== null && 'each' in given);
}

const TERM_KEYS: readonly string[] = ['each', 'weight'];

function expectTerm(name: string, term: unknown): Exclude<Term, Value> {
  if (isGivenValue(term)) return { each: term };
  const given: Readonly<Record<string, unknown>> = { ...Object(term) };
  const { each, weight } = given;
  const isKnown = Object.keys(given).every((key) => TERM_KEYS.includes(key));
  if (isKnown && isGivenValue(each)) {
    if (weight === undefined) return { each };
    if (isGivenValue(weight)) return { each, weight };
  }
  const keys = Object.keys(given).join(', ');
  throw new UserError(
    `loss ${name}: expected a value, or { each, weight } of values, got ${keys === '' ? showValue(term) : `{ ${keys} }`}`,
  );
}

function isGivenValue(x: unknown): x is Value {
  return typeof x === 'object' && x !== null && isValue(x);
}

function traceTerm(
  name: string,
  { each, weight }: Exclude<Term, Value>,
  batch: Dim,
  fields: ReadonlySet<Value>,
): TracedTerm {
  if (each.dtype !== 'float32') throw new UserError(`loss ${name}: expected float32, got ${each.dtype}`);
  if (each.shape.length === 0) {
    if (weight) {
      throw new UserError(
        `loss ${name}: expected no weight of a scalar, which is of the whole batch, got one; give \`each\` with the batch axis kept`,
      );
    }
    return { name, total: each, weight: undefined, perExample: 0 };
  }
  if (each.shape[0] !== batch) throw withoutBatch(`loss ${name}`, each, batch);
  if (!weight) {
    const perExample = product(each.shape.slice(1));
    if (typeof perExample !== 'number')
      throw new UserError(`loss ${name}: expected one batch axis, got shape ${show(each.shape)}`);
    return { name, total: total(each), weight: undefined, perExample };
  }
  expectWeight(name, weight, each, fields);
  return { name, total: total(mul(each, weight)), weight: total(weight), perExample: 1 };
}

function expectWeight(name: string, weight: Value, each: Value, fields: ReadonlySet<Value>): void {
  if (!sameShape(weight.shape, each.shape) || weight.dtype !== 'float32') {
    throw new UserError(
      `loss ${name}: expected a float32 weight of shape ${show(each.shape)}, got ${weight.dtype} ${show(weight.shape)}`,
    );
  }
  for (const node of topologicalOrder([weight])) {
    if (!isOp(node, 'Input') || fields.has(node.outputs[0])) continue;
    throw new UserError(
      `loss ${name}: expected a weight of fields alone, since the weights of a batch are added up before the pass, got one that depends on ${node.attributes.name}; put what depends on it into \`each\``,
    );
  }
}

function sumsOf(task: Task, outputs: Values, fields: Values, training: boolean): Values {
  const sums: Record<string, Value> = {};
  for (const [name, metric] of Object.entries(task.metrics)) {
    expectMetricName(name);
    if (training && metric.evaluationOnly) continue;
    const given = asked(`metric ${name}`, () => metric.sums(outputs, fields));
    for (const [key, value] of Object.entries(given)) {
      if (value.dtype !== 'float32' || value.shape.some((dim) => typeof dim !== 'number')) {
        throw new UserError(
          `metric ${name}: ${key}: expected a float32 sum over the batch, got ${value.dtype} ${show(value.shape)}; add it up over the first axis: reduceSum(${key}, { axes: [0] })`,
        );
      }
      sums[`${name}/${key}`] = value;
    }
  }
  return sums;
}

function withoutBatch(what: string, { shape }: Value, batch: Dim): UserError {
  return new UserError(
    `${what}: expected the batch of ${batch === 'batch' ? 'any number of' : batch} examples along the first axis, got shape ${show(shape)}; keep that axis`,
  );
}
