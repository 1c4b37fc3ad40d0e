/** What is to be made of a file: its nodes in the newest form, its variables, and which nodes are kept as they are. */
import { UserError } from '../errors.ts';
import { Scope } from '../layers/scope.ts';
import { input } from '../onnx/ops.ts';
import type { ExternalData } from './decode-tensor.ts';
import { dequantizedSources } from './dequantized.ts';
import type { ValueType } from './entry.ts';
import { type FixedInputs, withFixedInputs } from './fixed-inputs.ts';
import { type BoundInputs, bindInputs, boundDeclared, type Sizes } from './inputs.ts';
import { interpret, type Walk } from './interpret.ts';
import { withKnownBranches } from './known-branches.ts';
import { type Adapter, adaptersOf, type LoraOptions } from './lora.ts';
import { needs } from './node-order.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';
import { tensorSources } from './tensor-source.ts';
import { downstreamOf, findVariables, neededNodes, type TrainableOptions } from './variables.ts';
import { inNewestForm } from './versions.ts';

export interface ImportOptions extends TrainableOptions {
  /** Sizes that the file leaves open, by their names in it: `{ sequence: 128 }`. */
  readonly dims?: Sizes | undefined;
  /** Inputs that are always one number, by name: `{ sr: 16000, state: 0 }`. They are then no fields. */
  readonly fix?: FixedInputs | undefined;
  /** The outputs that are wanted; all by default. */
  readonly outputs?: readonly string[] | undefined;
  /** Reads what the file keeps in other files beside it. */
  readonly external?: ExternalData | undefined;
  /** Whether the file's Dropout nodes drop while training; by default they do nothing, as in inference. */
  readonly dropout?: boolean | undefined;
  /**
   * The types of values that the trunk gives, by name, where neither the file says them nor its operators are known; the
   * batch is the first axis of their shapes, 'batch'. `findTypes` finds them.
   */
  readonly features?: Readonly<Record<string, ValueType>> | undefined;
  /** Which products get low-rank adapters; what `trainable` does not name is then frozen. */
  readonly lora?: LoraOptions | undefined;
}

/** Finds no name. */
const NOTHING = /(?!)/;

export interface Plan extends Walk {
  readonly source: OnnxModel;
  readonly outputs: readonly string[];
  readonly bound: BoundInputs;
}

/** Reads the options and the file's graph. Throws UserError where they do not fit together. */
export function planOf(model: OnnxModel, options: ImportOptions): Plan {
  const given = withFixedInputs(model, options.fix ?? {});
  const bound = bindInputs(given, options.dims ?? {});
  const source = withKnownBranches(given, bound);
  const outputs = wantedOutputs(source, options.outputs);
  const { nodes: all, constants } = inNewestForm(neededNodes(source.nodes, outputs));
  const tensors = tensorSources(source, constants);
  const adapters = options.lora
    ? adaptersOf({ ...source, nodes: all }, options.lora)
    : new Map<string, Adapter>();
  const quantized = dequantizedSources(source, all);
  for (const each of quantized) tensors.set(each.name, each);
  const made = new Set(quantized.map(({ name }) => name));
  const nodes = all.filter(({ outputs: names }) => !names.some((name) => made.has(name)));
  const variables = findVariables(nodes, outputs, tensors, {
    ...options,
    ...(options.lora && options.trainable === undefined && { trainable: NOTHING }),
  });
  for (const { name } of quantized) {
    const variable = variables.get(name);
    if (variable) variables.set(name, { ...variable, role: 'frozen' });
  }
  const trainable = [...variables.values()].filter(({ role }) => role !== 'frozen').map(({ path }) => path);
  if (options.trainable !== undefined && trainable.length === 0)
    throw nothingMatches(options, variables.keys());
  const adapted = nodes.filter(({ name }) => adapters.has(name)).flatMap(({ outputs: names }) => names);
  const trained = downstreamOf(nodes, [...trainable, ...adapted]);
  const whole: Walk = {
    ...{ nodes, tensors, variables, adapters },
    fed: bound.types,
    ...{ trained, trunk: new Set() },
    fixedBatch: bound.fixedBatch,
    generalised: new Set(),
    dropout: options.dropout ?? false,
  };
  return {
    ...whole,
    ...trunkOf(source, whole, { bound, options, outputs }),
    ...{ source, outputs, bound, trained },
  };
}

function nothingMatches({ trainable, frozen }: ImportOptions, names: Iterable<string>): UserError {
  const all = [...names];
  const but = frozen === undefined ? '' : ` and not ${frozen}`;
  const some = all.slice(0, 8).join(', ') + (all.length > 8 ? ', …' : '');
  return new UserError(
    `import: trainable: none of the ${all.length} weights matches ${trainable}${but}; they are ${some}`,
  );
}

function wantedOutputs(source: OnnxModel, given: readonly string[] | undefined): readonly string[] {
  // What a loss is of may lie before the end: the logits before a Softmax.
  const isKnown = (name: string): boolean =>
    source.outputs.includes(name) || source.nodes.some(({ outputs }) => outputs.includes(name));
  const unknown = given?.find((name) => !isKnown(name));
  if (unknown === undefined && given?.length !== 0) return given ?? source.outputs;
  throw new UserError(
    `import: outputs: expected some of ${source.outputs.join(', ')}, got ${unknown ?? 'none'}`,
  );
}

/**
 * The names that the trunk computes: what depends on the data, and on nothing that trains. Where that has no weights and
 * can be lowered, it is: a session of its own would save nothing.
 */
function trunkOf(
  source: OnnxModel,
  whole: Walk,
  { bound, options, outputs }: Pick<Plan, 'bound' | 'outputs'> & { readonly options: ImportOptions },
): Pick<Walk, 'trunk' | 'fed' | 'generalised'> {
  const { trained } = whole;
  const data = downstreamOf(whole.nodes, bound.types.keys());
  const isKept = (name: string): boolean => data.has(name) && !trained.has(name);
  const kept = whole.nodes.filter(({ outputs }) => outputs.some(isKept));
  const { fed, generalised } = whole;
  if (kept.length === 0 || trained.size === 0) return { trunk: new Set(), fed, generalised };
  const { types, isWhole } = lowered(whole, kept);
  // A weight may go through a node of its own first, a Transpose, say.
  const weighted = downstreamOf(whole.nodes, whole.variables.keys());
  const hasWeights = kept.some(({ inputs }) => inputs.some((name) => weighted.has(name)));
  if (isWhole && !hasWeights) return { trunk: new Set(), fed, generalised };
  const asked = whole.nodes.filter(({ outputs: names }) => names.some((name) => trained.has(name)));
  const lowerable = behindFeatures(kept, [...asked.flatMap(needs), ...outputs], types);
  const trunk = new Set(kept.flatMap((node) => (lowerable.has(node) ? [] : node.outputs.filter(isKept))));
  const known = new Map(fed);
  for (const name of trunk) {
    const declared = boundDeclared(source.types.get(name), bound, options.dims ?? {});
    const type = options.features?.[name] ?? types.get(name) ?? declared;
    if (type) known.set(name, type);
  }
  return { trunk, fed: known, generalised };
}

/**
 * Those of the trunk's nodes that are lowered all the same. What the trunk gives has the batch first, and no other axis of
 * it; nodes between such a value and what is asked for, as in front of an LSTM that has its steps first, go with the rest.
 */
function behindFeatures(
  kept: readonly OnnxNode[],
  wanted: readonly string[],
  types: ReadonlyMap<string, ValueType>,
): ReadonlySet<OnnxNode> {
  const isFeature = (name: string): boolean => {
    const [first, ...rest] = types.get(name)?.shape ?? ['batch'];
    return typeof first === 'string' && rest.every((dim) => typeof dim === 'number');
  };
  const asked = new Set(wanted);
  const found = new Set<OnnxNode>();
  for (const node of kept.toReversed()) {
    if (!node.outputs.some((name) => asked.has(name) && !isFeature(name))) continue;
    found.add(node);
    for (const name of needs(node)) asked.add(name);
  }
  return found;
}

/** The types of what some nodes give, as far as they can be lowered, and whether they all can. */
function lowered(
  whole: Walk,
  nodes: readonly OnnxNode[],
): { readonly types: ReadonlyMap<string, ValueType>; readonly isWhole: boolean } {
  const names = new Set(nodes.flatMap(({ outputs }) => outputs));
  const upstream = neededNodes(whole.nodes, names);
  const walk: Walk = { ...whole, nodes: upstream, generalised: new Set() };
  const { entries, problems, missing } = interpret(walk, {
    scope: new Scope({ training: false }),
    batch: 'batch',
    source: (name, { shape, dtype }) => input(name, shape, dtype),
  });
  const types = new Map<string, ValueType>();
  for (const [name, { dtype, shape }] of entries) types.set(name, { dtype, shape });
  return { types, isWhole: problems.length === 0 && missing.size === 0 };
}
