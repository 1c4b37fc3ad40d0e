/** An ONNX file as a model that trains: the front door of the importer. */
import { UserError } from '../errors.ts';
import { Scope } from '../layers/scope.ts';
import { identity, input, reshape } from '../onnx/ops.ts';
import { isOp, type Value } from '../onnx/value.ts';
import type { ValueType } from './entry.ts';
import { interpret, type Walked } from './interpret.ts';
import { type Adapter, adapterPaths } from './lora.ts';
import { type OnnxModel, readModel } from './onnx-model.ts';
import { type ImportOptions, type Plan, planOf } from './plan.ts';
import { refusal } from './refusal.ts';
import { fieldsOf, type ImportedFields, type Trunk, trunkOf } from './split.ts';
import type { ImportedVariable } from './variables.ts';

export type { ImportOptions } from './plan.ts';
export type { ImportedFields, Trunk } from './split.ts';
export type { ImportedVariable } from './variables.ts';

type Values = Readonly<Record<string, Value>>;

export interface ImportedModel {
  /** What `predict` takes: inputs of the file, and features of the trunk. */
  readonly inputs: ImportedFields;
  readonly outputs: readonly string[];
  /** What runs between the data and the model; none where all is lowered. */
  readonly trunk: Trunk | undefined;
  /** In the file's order, those of adapters last. */
  readonly variables: readonly ImportedVariable[];
  readonly adapters: readonly Adapter[];
  /** What a user should know: what was read otherwise than the file says it. */
  readonly notes: readonly string[];
  /** The file's numbers by the paths of variables, views of what `source` holds where they are floats there: not to be changed. */
  weights(): ReadonlyMap<string, Float32Array>;
  /** The file's outputs by their names, of fields whose first axis is the batch. */
  predict(scope: Scope, fields: Values): Values;
  readonly source: OnnxModel;
}

/**
 * Reads an ONNX file that somebody exported for inference, as a model that trains. Its float tensors become variables
 * under their own names and in their own layout; its nodes are lowered to ops of ours, but for those that nothing trained
 * feeds, which become the trunk. Throws UserError where the file is damaged, sizes are missing, or a node cannot be
 * lowered: one line that lists all such nodes.
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): ImportedModel {
  return modelOf(planOf(readModel(bytes, options.external), options));
}

/** The model that a plan makes. Throws UserError where nodes cannot be lowered. */
export function modelOf(plan: Plan): ImportedModel {
  const { scope, used } = trial(plan);
  const asked = new Set(scope.variables.map(({ path }) => path));
  const adapters = [...new Set(plan.adapters.values())];
  const variables = [
    ...[...plan.variables.values()].filter(({ path }) => asked.has(path)),
    ...adapters.flatMap((adapter) => variablesOf(adapter, plan)),
  ];
  const features = new Map([...used].filter(([name]) => plan.trunk.has(name)));
  const inputs = fieldsOf(used);
  const { outputs, source } = plan;
  return {
    ...{ inputs, outputs, variables, adapters, source },
    trunk: features.size === 0 ? undefined : trunkOf(plan, features, fieldsOf(features)),
    notes: notesOf(plan, variables),
    weights: () => weightsOf(variables),
    predict: (now, fields) => predict(plan, used, now, fields),
  };
}

/** A file that `artifacts` wrote may hold what they start from. */
function variablesOf(adapter: Adapter, { tensors }: Plan): ImportedVariable[] {
  const { a, b } = adapterPaths(adapter);
  const variable = (path: string, shape: readonly number[]): ImportedVariable => ({
    ...{ path, shape, role: 'trainable', decays: true },
    source: tensors.get(path),
  });
  return [variable(a, adapter.shapes.a), variable(b, adapter.shapes.b)];
}

/** What a trace with a symbolic batch asked for: variables, and what is to be fed. */
interface Trial {
  readonly scope: Scope;
  readonly used: ReadonlyMap<string, ValueType>;
}

/** Lowers everything once with a symbolic batch, which tells what is used and what cannot be lowered. */
function trial(plan: Plan): Trial {
  const scope = new Scope({ training: false });
  const used = new Map<string, ValueType>();
  const made = new Map<string, Value>();
  const { find, problems, missing } = interpret(plan, {
    scope,
    batch: 'batch',
    source: (name, type) => {
      const known = made.get(name) ?? input(name, type.shape, type.dtype);
      made.set(name, known);
      used.set(name, type);
      return known;
    },
  });
  if (problems.length > 0) throw refusal(plan, problems);
  const untyped = [...missing].filter((name) => plan.trunk.has(name));
  if (untyped.length > 0) throw new UserError(untypedMessage(untyped));
  const [lost] = missing;
  if (lost !== undefined) throw new Error(`internal: nothing gives ${lost}`);
  // An output that nothing else needs has not been asked for yet.
  for (const name of plan.outputs) outputOf(name, find);
  return { scope, used };
}

const untypedMessage = (names: readonly string[]): string =>
  `import: nobody says the types of ${names.slice(0, 5).join(', ')}, which the part that is kept as it is gives; give \`features\`, which findTypes() finds by running that part`;

function outputOf(name: string, find: Walked['find']): Value {
  const entry = find(name);
  if (entry) return entry.value;
  throw new UserError(untypedMessage([name]));
}

function predict(plan: Plan, used: ReadonlyMap<string, ValueType>, scope: Scope, fields: Values): Values {
  const [first] = Object.values(fields);
  const batch = first?.shape[0];
  if (batch === undefined)
    throw new UserError('import: expected fields with the batch as their first axis, got none');
  const { find, problems } = interpret(plan, {
    scope,
    batch,
    source: (name, { shape }) => {
      const value = fields[name];
      if (value) return reshape(value, shape);
      throw new UserError(`import: expected fields ${[...used.keys()].join(', ')}, got no ${name}`);
    },
  });
  if (problems.length > 0) throw refusal(plan, problems);
  const results = plan.outputs.map((name): [string, Value] => {
    const value = outputOf(name, find);
    // A model computes its outputs, also where the file hands an input through.
    return [name, isOp(value.node, 'Input') || isOp(value.node, 'Constant') ? identity(value) : value];
  });
  return Object.fromEntries(results);
}

function notesOf(
  { fixedBatch, generalised }: Plan,
  variables: readonly ImportedVariable[],
): readonly string[] {
  const notes: string[] = [];
  if (fixedBatch !== undefined) {
    const nodes = generalised.size === 0 ? '' : `; ${generalised.size} reshapes that name it mean any batch`;
    notes.push(`the file is for batches of ${fixedBatch}, and is read as for any${nodes}`);
  }
  const others = variables.flatMap(({ source }) =>
    source && source.stored !== 'float' ? [source.stored] : [],
  );
  const types = [...new Set(others)].join(', ');
  if (others.length > 0) notes.push(`${others.length} weights of type ${types} are trained as float32`);
  return notes;
}

function weightsOf(variables: readonly ImportedVariable[]): ReadonlyMap<string, Float32Array> {
  return new Map(
    variables.flatMap(({ path, source }): [string, Float32Array][] => {
      if (!source) return [];
      const { data } = source.read();
      if (!(data instanceof Float32Array)) throw new Error(`internal: ${path} is no float`);
      return [[path, data]];
    }),
  );
}
