/** The walk over a file's nodes: each is computed where its numbers are known, or else lowered to ops of ours. */
import { UserError } from '../errors.ts';
import type { Scope } from '../layers/scope.ts';
import { cast, constant, notEqual, reshape, slice, zeros } from '../onnx/ops.ts';
import type { Dim, Value } from '../onnx/value.ts';
import { NodeCall, where } from './call.ts';
import { Entry, type ValueType } from './entry.ts';
import { fold } from './fold.ts';
import { dimIn, knownOf, MOST_KNOWN } from './known.ts';
import { type Adapter, type AdapterValues, adapterVariables, lowerAdapted } from './lora.ts';
import { LOWERINGS } from './lower/index.ts';
import type { Call, Lowering } from './lower/lowering.ts';
import type { OnnxNode } from './onnx-node.ts';
import { expectSize, expectSmallResult } from './size-limit.ts';
import type { Known, Lowered } from './tensor.ts';
import type { TensorSource } from './tensor-source.ts';
import type { ImportedVariable } from './variables.ts';

/** What is to be lowered. */
export interface Walk {
  readonly nodes: readonly OnnxNode[];
  readonly tensors: ReadonlyMap<string, TensorSource>;
  readonly variables: ReadonlyMap<string, ImportedVariable>;
  /** Of products, by the name of the node. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** The types of values that are fed, with a symbolic batch: the file's inputs, and what a trunk gives. */
  readonly fed: ReadonlyMap<string, ValueType>;
  /** The names of all that depends on something that trains. */
  readonly trained: ReadonlySet<string>;
  /** The names that the trunk computes: those that are asked for are fed. */
  readonly trunk: ReadonlySet<string>;
  readonly fixedBatch: number | undefined;
  /** The nodes whose lists were read as of any batch. A walk with a symbolic batch fills it. */
  readonly generalised: Set<string>;
  /** Whether Dropout drops while training. */
  readonly dropout: boolean;
}

export interface Tracing {
  readonly scope: Scope;
  /** Examples of the batch. */
  readonly batch: Dim;
  /** The value that is fed by this name. */
  readonly source: (name: string, type: ValueType) => Value;
}

/** A node that could not be lowered. */
export interface Problem {
  readonly node: OnnxNode;
  readonly message: string;
  /** Whether there is no lowering for its operator at all. */
  readonly isUnknown: boolean;
}

export interface Walked {
  /** What the nodes gave, and what was asked for besides. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** The value of a name; undefined where a problem left it without one. */
  readonly find: (name: string) => Entry | undefined;
  /** Names whose types nobody knows, and values that nodes with problems would have given. */
  readonly missing: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

/** An input of a node that an earlier problem left without a value. */
class Missing extends Error {
  readonly value: string;

  constructor(value: string) {
    super(`internal: ${value} is missing`);
    this.value = value;
  }
}

/** Lowers all nodes. A node that cannot be lowered is a problem; those that need it are left out. */
export function interpret(walk: Walk, tracing: Tracing): Walked {
  const entries = new Map<string, Entry>();
  const problems: Problem[] = [];
  const missing = new Set<string>();
  const lowered = lowerer(walk, tracing);
  /** Problems of nodes beside the trained ones, by what they would have given: only what is asked for must be lowered. */
  const excused = new Map<string, Problem>();
  const find = (name: string): Entry | undefined => {
    const known = entries.get(name) ?? sourceEntry(name, walk, tracing);
    if (known) entries.set(name, known);
    return known;
  };
  const entry = (name: string): Entry => {
    const known = find(name);
    if (known) return known;
    throw new Missing(name);
  };
  for (const node of walk.nodes) {
    try {
      const results = step(node, walk, tracing, entry, lowered);
      node.outputs.forEach((name, i) => {
        const result = results[i];
        if (name !== '' && result) entries.set(name, result);
      });
    } catch (error) {
      const isOptional = walk.trunk.size > 0 && !node.outputs.some((name) => walk.trained.has(name));
      const problem = problemOf(node, error, excused);
      if (!problem) missing.add(error instanceof Missing ? error.value : '');
      else if (isOptional) for (const name of node.outputs) excused.set(name, problem);
      else if (!problems.includes(problem)) problems.push(problem);
    }
  }
  return { entries, find, missing, problems };
}

/** What an error says of a node; undefined where an earlier one left it without an input. */
function problemOf(
  node: OnnxNode,
  error: unknown,
  excused: ReadonlyMap<string, Problem>,
): Problem | undefined {
  if (error instanceof Missing) return excused.get(error.value);
  if (!(error instanceof UserError)) throw error;
  return { node, isUnknown: lowering(node) === undefined, message: error.message };
}

function step(
  node: OnnxNode,
  walk: Walk,
  tracing: Tracing,
  entry: (name: string) => Entry,
  lowered: typeof lower,
): readonly (Entry | undefined)[] {
  const isPlain = node.domain === '';
  if (isPlain && node.op === 'Constant') return [];
  if (isPlain && node.op === 'Identity') return [entry(node.inputs[0] ?? '')];
  const call = new NodeCall(node, {
    scope: tracing.scope,
    training: tracing.scope.training && trainsItself(node, walk),
    entry,
    examples: () => examplesOf(walk, tracing),
    fixedBatch: walk.fixedBatch,
    generalised: { names: walk.generalised, batch: tracing.batch },
  });
  const results = asked(node, () => fold(call));
  // What the trunk computes is fed, but for what is known of it.
  const isKept = results === undefined && node.outputs.some((name) => walk.trunk.has(name));
  if (isKept) return [];
  return (results ?? lowered(node, call)).map(
    (result, i) => result && new Entry(node.outputs[i] ?? '', result),
  );
}

/** Lowers nodes, those with adapters together with these. Nodes that share a weight share its adapter. */
function lowerer({ adapters }: Walk, { scope }: Tracing): typeof lower {
  const made = new Map<Adapter, AdapterValues>();
  return (node, call) => {
    const adapter = adapters.get(node.name);
    if (!adapter) return lower(node, call);
    const values = made.get(adapter) ?? adapterVariables(scope, adapter);
    made.set(adapter, values);
    return lower(
      node,
      call,
      (lowered) => (each) => lowerAdapted(each, adapter, values, lowered, LOWERINGS.MatMul),
    );
  };
}

function lower(
  node: OnnxNode,
  call: Call,
  changed: (lowered: Lowering) => Lowering = (lowered) => lowered,
): readonly Lowered[] {
  const plain = lowering(node);
  const found = plain && changed(plain);
  if (!found) throw call.error('it has no derivative here');
  const results = asked(node, () => {
    expectSmallResult(call);
    return found(call);
  });
  for (const result of results) {
    expectSize(call, ('channelsLast' in result ? result.channelsLast : result).shape);
  }
  return results;
}

export function lowering({ op, domain }: Pick<OnnxNode, 'op' | 'domain'>): Lowering | undefined {
  const key = domain === '' ? op : `${domain}.${op}`;
  return Object.hasOwn(LOWERINGS, key) ? LOWERINGS[key] : undefined;
}

/** Whether a node acts otherwise while training: a batch normalization whose statistics move, a Dropout that drops. */
function trainsItself({ op, inputs }: OnnxNode, { variables, dropout }: Walk): boolean {
  if (op === 'BatchNormalization') return variables.get(inputs[3] ?? '')?.role === 'state';
  return dropout;
}

/** Zeros of the batch. A symbolic one comes from something that is fed: nothing else knows it. */
function examplesOf({ fed, trunk }: Walk, { batch, source }: Tracing): Value {
  if (typeof batch === 'number') return zeros([batch]);
  for (const [name, type] of fed) {
    if (type.shape[0] !== 'batch' || trunk.has(name)) continue;
    const x = source(name, typeIn(type, batch));
    const first = x.shape.reduce<Value>((part, dim, axis) => {
      return axis === 0 || dim === 1 ? part : slice(part, axis, 0, 1);
    }, x);
    const column = reshape(first, [batch]);
    return cast(notEqual(column, column), 'float32');
  }
  throw new UserError('import: expected an input whose first axis is the batch, got none');
}

const typeIn = ({ dtype, shape }: ValueType, batch: Dim): ValueType => ({
  dtype,
  shape: shape.map((dim) => dimIn(dim, batch)),
});

/** Says which node an error is of. */
function asked<T>(node: OnnxNode, give: () => T): T {
  try {
    return give();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith('import: ')) throw error;
    throw new UserError(`${where(node)}: ${error.message}`, { cause: error });
  }
}

/** The entry of a name that no lowered node gives: a tensor of the file, an input, or what the trunk gives. */
function sourceEntry(name: string, { variables, tensors, fed }: Walk, tracing: Tracing): Entry | undefined {
  const { scope, batch, source } = tracing;
  const variable = variables.get(name);
  if (variable) return variableEntry(variable, scope);
  const tensor = tensors.get(name);
  if (tensor) return tensorEntry(tensor);
  const type = fed.get(name);
  if (!type) return undefined;
  const now = typeIn(type, batch);
  return new Entry(name, { type: () => now, value: () => source(name, now) });
}

function variableEntry({ path, shape, role }: ImportedVariable, scope: Scope): Entry {
  const type: ValueType = { dtype: 'float32', shape };
  const init = { kind: 'zeros' } as const; // what a run starts from are the file's own numbers
  const value = (): Value => {
    if (role === 'state') return scope.state(path, shape, init);
    return role === 'frozen' ? scope.frozen(path, shape, init) : scope.param(path, shape, init);
  };
  return new Entry(path, { type: () => type, value });
}

function tensorEntry(tensor: TensorSource): Entry {
  const { name, dtype, shape } = tensor;
  return new Entry(name, {
    type: () => ({ dtype, shape }),
    value: () => constant(tensor.read().data, shape, dtype),
    known: (): Known | undefined =>
      tensor.size > MOST_KNOWN ? undefined : knownOf(tensor.read().data, shape, dtype),
  });
}
