/** An ONNX file as a model that trains: the front door of the importer. */
import { UserError } from '../errors.ts';
import { Scope } from '../layers/scope.ts';
import { identity, input } from '../onnx/ops.ts';
import { type DType, isOp, type Value } from '../onnx/value.ts';
import type { ExternalData } from './decode-tensor.ts';
import type { ValueType } from './entry.ts';
import { bindInputs, type Sizes } from './inputs.ts';
import { interpret, type Problem, type Walk } from './interpret.ts';
import { type OnnxModel, readModel } from './onnx-model.ts';
import { tensorSources } from './tensor-source.ts';
import { findVariables, type ImportedVariable, neededNodes, type TrainableOptions } from './variables.ts';

/** A tensor of every example, without the batch axis. */
export interface ImportedField {
  readonly dtype: Exclude<DType, 'float16'>;
  readonly shape: readonly number[];
}
export type ImportedFields = Readonly<Record<string, ImportedField>>;
type Values = Readonly<Record<string, Value>>;

export interface ImportOptions extends TrainableOptions {
  /** Sizes that the file leaves open, by their names in it: `{ sequence: 128 }`. */
  readonly dims?: Sizes;
  /** The outputs that are wanted; all by default. */
  readonly outputs?: readonly string[];
  /** Reads what the file keeps in other files beside it. */
  readonly external?: ExternalData;
  /** Whether the file's Dropout nodes drop while training; by default they do nothing, as in inference. */
  readonly dropout?: boolean;
}

export interface ImportedModel {
  /** What `predict` takes. */
  readonly inputs: ImportedFields;
  readonly outputs: readonly string[];
  /** In the file's order. */
  readonly variables: readonly ImportedVariable[];
  /** What a user should know: what was read otherwise than the file says it. */
  readonly notes: readonly string[];
  /** The file's numbers by the paths of variables: views of the file where they lie aligned in it. */
  weights(): ReadonlyMap<string, Float32Array>;
  /** The file's outputs by their names, of fields whose first axis is the batch. */
  predict(scope: Scope, fields: Values): Values;
  readonly source: OnnxModel;
}

/**
 * Reads an ONNX file that somebody exported for inference, as a model that trains. Its float tensors become variables
 * under their own names and in their own layout; its nodes are lowered to ops of ours. Throws UserError where the file is
 * damaged, sizes are missing, or a node cannot be lowered: one line that lists all such nodes.
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): ImportedModel {
  const source = readModel(bytes, options.external);
  const outputs = options.outputs ?? source.outputs;
  const nodes = neededNodes(source, outputs);
  const tensors = tensorSources(source);
  const bound = bindInputs(source, options.dims ?? {});
  const walk: Walk = {
    nodes,
    tensors,
    variables: findVariables(nodes, outputs, tensors, options),
    fed: bound.types,
    trunk: new Set(),
    fixedBatch: bound.fixedBatch,
    generalised: new Set(),
    dropout: options.dropout ?? false,
  };
  const { scope, used } = trial(walk, outputs);
  const asked = new Set(scope.variables.map(({ path }) => path));
  const variables = [...walk.variables.values()].filter(({ path }) => asked.has(path));
  return {
    inputs: fieldsOf(used),
    outputs,
    variables,
    notes: notesOf(walk),
    weights: () => weightsOf(variables),
    predict: (now, fields) => predict(walk, outputs, now, fields),
    source,
  };
}

/** Lowers everything once with a symbolic batch, which tells what is used and what cannot be lowered. */
function trial(
  walk: Walk,
  outputs: readonly string[],
): { scope: Scope; used: ReadonlyMap<string, ValueType> } {
  const scope = new Scope({ training: false });
  const used = new Map<string, ValueType>();
  const made = new Map<string, Value>();
  const { entries, problems } = interpret(walk, {
    scope,
    batch: 'batch',
    source: (name, type) => {
      const known = made.get(name) ?? input(name, type.shape, type.dtype);
      made.set(name, known);
      used.set(name, type);
      return known;
    },
  });
  if (problems.length > 0) throw refusal(problems);
  for (const name of outputs) {
    const entry = entries.get(name);
    if (!entry) throw new UserError(`import: nothing gives the output ${name}`);
    entry.value; // an output that nothing else needs has not been asked for yet
  }
  return { scope, used };
}

function predict(walk: Walk, outputs: readonly string[], scope: Scope, fields: Values): Values {
  const [first] = Object.values(fields);
  const batch = first?.shape[0];
  if (batch === undefined)
    throw new UserError('import: expected fields with the batch as their first axis, got none');
  const { entries, problems } = interpret(walk, {
    scope,
    batch,
    source: (name) => {
      const value = fields[name];
      if (value) return value;
      throw new UserError(`import: expected a field ${name}, got ${Object.keys(fields).join(', ')}`);
    },
  });
  if (problems.length > 0) throw refusal(problems);
  const results = outputs.map((name): [string, Value] => {
    const value = entries.get(name)?.value;
    if (!value) throw new Error(`internal: no output ${name}`);
    // A model computes its outputs, also where the file hands an input through.
    return [name, isOp(value.node, 'Input') || isOp(value.node, 'Constant') ? identity(value) : value];
  });
  return Object.fromEntries(results);
}

function refusal(problems: readonly Problem[]): UserError {
  const [first] = problems;
  if (first && problems.length === 1) return new UserError(first.message);
  const each = problems.map(
    ({ node, message }) => `${node.name} (${node.op}): ${message.replace(/^import: node [^:]*: /, '')}`,
  );
  return new UserError(`import: ${problems.length} nodes cannot be trained through: ${each.join('; ')}`);
}

function fieldsOf(used: ReadonlyMap<string, ValueType>): ImportedFields {
  const entries = [...used].map(([name, { dtype, shape }]): [string, ImportedField] => {
    if (dtype === 'float16') throw new Error(`internal: ${name} is float16`);
    const rest = shape.slice(1).map((dim) => {
      if (typeof dim === 'number') return dim;
      throw new UserError(`import: input ${name}: expected one axis of the batch, got [${shape.join(', ')}]`);
    });
    return [name, { dtype, shape: rest }];
  });
  return Object.fromEntries(entries);
}

function notesOf({ fixedBatch, generalised }: Walk): readonly string[] {
  if (fixedBatch === undefined) return [];
  const nodes =
    generalised.size === 0 ? '' : `; ${generalised.size} reshapes that name it were read as of any batch`;
  return [`the file is for batches of ${fixedBatch}, and is read as for any${nodes}`];
}

function weightsOf(variables: readonly ImportedVariable[]): ReadonlyMap<string, Float32Array> {
  return new Map(
    variables.map(({ path, source }): [string, Float32Array] => {
      const { data } = source.read();
      if (!(data instanceof Float32Array)) throw new Error(`internal: ${path} is no float`);
      return [path, data];
    }),
  );
}
