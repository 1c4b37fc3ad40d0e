/**
 * manifest.json, version 2: all that a trainer, an evaluator or a page must know of a task and its graphs, and nothing
 * of how they were made.
 */

import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';
import { type RandomUniform, ROLES, type Variable } from '../layers/scope.ts';
import { decays } from '../layers/weight-decay.ts';
import { staticShape } from '../onnx/shapes.ts';
import { isOp, type Value } from '../onnx/value.ts';
import { FIELD_TYPES, type Task, type Values } from '../tasks/task.ts';
import { traceTask } from '../tasks/trace.ts';
import { type GraphName, MEMORY_LEVELS, type ParameterRates, type TaskGraphs } from './graphs.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const shape = v.array(count);
const tensor = v.object({
  name: v.string(),
  dtype: v.string(),
  shape: v.array(v.union([count, v.string()])),
});
const graph = v.object({
  file: v.string(),
  inputs: v.array(tensor),
  outputs: v.array(tensor),
  /** Of the file's bytes, once it is written. */
  sha256: v.optional(v.string()),
});

const init = v.variant('kind', [
  v.object({ kind: v.literal('zeros') }),
  v.object({ kind: v.literal('ones') }),
  v.object({ kind: v.literal('normal'), std: v.number() }),
  v.object({ kind: v.literal('xavier-uniform') }),
  v.object({ kind: v.literal('constant'), value: v.number() }),
  v.object({ kind: v.literal('he-normal'), fan: v.picklist(['in', 'out']) }),
  v.object({ kind: v.literal('lecun-normal') }),
]);

const manifestSchema = v.object({
  format: v.literal(2),
  name: v.string(),
  /** sha-256 of what the graphs are made from: another hash means stale files. */
  hash: v.string(),
  microBatch: count,
  memory: v.picklist(MEMORY_LEVELS),
  /** The batch axis comes before each shape. */
  fields: v.record(v.string(), v.object({ dtype: v.picklist(FIELD_TYPES), shape })),
  /** In the order of the graphs' inputs. The rates are factors of the run's. */
  variables: v.array(
    v.object({
      path: v.string(),
      shape,
      init,
      role: v.picklist(ROLES),
      learningRate: v.number(),
      weightDecay: v.number(),
    }),
  ),
  /** Bool inputs, each element true with chance `keep`; the batch axis comes before the shape of `per` example. */
  masks: v.array(
    v.object({ name: v.string(), per: v.picklist(['example', 'step']), keep: v.number(), shape }),
  ),
  /** float32 inputs, each element uniform in [0, 1); likewise. Files of before there were any have none. */
  uniforms: v.optional(
    v.array(v.object({ name: v.string(), per: v.picklist(['example', 'step']), shape })),
    [],
  ),
  /** Numbers that a run may choose: inputs `scalar/<name>`. */
  scalars: v.array(v.object({ name: v.string(), default: v.number() })),
  /**
   * Of the loss. A weighted term is divided by the sum of its weights, a mean by examples × perExample; one of the whole
   * batch (perExample 0) is averaged over micro-batches.
   */
  terms: v.array(v.object({ name: v.string(), weighted: v.boolean(), perExample: count })),
  /** By metric and sum, the shapes of what training and evaluation add up. */
  sums: v.object({ training: v.record(v.string(), shape), evaluation: v.record(v.string(), shape) }),
  /** Paths of the state variables that a training pass changes. */
  state: v.array(v.string()),
  /** Whether examples of a batch see each other. */
  coupled: v.boolean(),
  /** What the task predicts; the batch axis comes before each shape. */
  outputs: v.record(v.string(), v.object({ dtype: v.string(), shape })),
  /** Those that were written. */
  graphs: v.partial(
    v.object({
      'loss-grad': graph,
      'gr-exact': graph,
      hvp: graph,
      evaluate: graph,
      weights: graph,
      infer: graph,
    } satisfies Record<GraphName, typeof graph>),
  ),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ManifestVariable = Manifest['variables'][number];
/** Of a manifest, what measuring needs beside the fields. */
export type EvaluationContract = Pick<Manifest, 'terms'> & {
  readonly sums: Pick<Manifest['sums'], 'evaluation'>;
};
export type ManifestMask = Manifest['masks'][number];
export type ManifestUniform = Manifest['uniforms'][number];

export interface Described {
  readonly name: string;
  readonly hash: string;
  /** Rates of a trainable variable, as factors of the run's: 1 where it is left out, and weight decay where `decays`. */
  readonly rates?: (variable: Variable) => ParameterRates;
  /** The graphs that are described; none where nobody reads them from files. */
  readonly graphs?: readonly GraphName[];
}

/** What must be known to measure with the graph `evaluate` of a task. */
export function describeEvaluation(task: Task): Pick<Manifest, 'fields'> & EvaluationContract {
  const { terms, sums } = traceTask(task, { batch: 'batch', training: false });
  return {
    fields: mapValues(task.fields, ({ dtype, shape }) => ({ dtype, shape: [...shape] })),
    terms: terms.map(({ name, weight, perExample }) => ({
      name,
      weighted: weight !== undefined,
      perExample,
    })),
    sums: { evaluation: shapesOf(sums) },
  };
}

function ratesByName(variable: Variable): ParameterRates {
  return { learningRate: 1, weightDecay: Number(decays(variable)) };
}

/** The manifest of a task's graphs. */
export function describeTask(
  task: Task,
  built: TaskGraphs,
  { name, hash, rates = ratesByName, graphs = [] }: Described,
): Manifest {
  const { pass } = built;
  const evaluation = traceTask(task, { batch: 'batch', training: false });
  return {
    format: 2,
    name,
    hash,
    microBatch: built.batch,
    memory: built.memory,
    fields: mapValues(task.fields, ({ dtype, shape }) => ({ dtype, shape: [...shape] })),
    variables: pass.variables.map((variable) => ({
      path: variable.path,
      shape: [...variable.shape],
      init: variable.init,
      role: variable.role,
      ...(variable.role === 'trainable' ? rates(variable) : { learningRate: 0, weightDecay: 0 }),
    })),
    masks: pass.masks.map((mask) => ({ ...describeRandom(mask), keep: mask.keep })),
    uniforms: pass.uniforms.map(describeRandom),
    scalars: pass.scalars.map(({ name, default: standard }) => ({ name, default: standard })),
    terms: pass.terms.map(({ name, weight, perExample }) => ({
      name,
      weighted: weight !== undefined,
      perExample,
    })),
    sums: { training: shapesOf(pass.sums), evaluation: shapesOf(evaluation.sums) },
    state: [...pass.nextState.keys()],
    coupled: pass.coupled,
    outputs: mapValues(evaluation.outputs, ({ dtype, shape }) => ({
      dtype,
      shape: [...staticShape(shape.slice(1), name)],
    })),
    graphs: Object.fromEntries(graphs.map((each) => [each, describeGraph(each, built)])),
  };
}

function describeRandom({ name, per, value }: RandomUniform) {
  const shape = per === 'example' ? value.shape.slice(1) : value.shape;
  return { name, per, shape: [...staticShape(shape, name)] };
}

function describeGraph(name: GraphName, built: TaskGraphs) {
  const { inputs, outputs } = built.graph(name);
  return {
    file: `${name}.onnx`,
    inputs: inputs.map((value) => tensorInfo(inputName(value), value)),
    outputs: Object.entries(outputs).map(([output, value]) => tensorInfo(output, value)),
  };
}

/** Throws UserError where the JSON is not a manifest. */
export function parseManifest(json: unknown, origin: string): Manifest {
  const result = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(
    `${origin}: ${v.getDotPath(issue) ?? 'file'}: ${mismatch(issue)}; delete it to have it written anew`,
  );
}

function shapesOf(values: Values): Record<string, number[]> {
  return mapValues(values, (value) => [...staticShape(value.shape)]);
}

function mapValues<T, U>(of: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, f(value)]));
}

function tensorInfo(name: string, { dtype, shape }: Value) {
  return { name, dtype, shape: [...shape] };
}

function inputName(value: Value): string {
  if (!isOp(value.node, 'Input')) throw new Error(`internal: ${value.node.op} among a graph's inputs`);
  return value.node.attributes.name;
}
