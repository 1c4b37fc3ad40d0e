/** What a file holds, and what of it can be trained: as data, for people and programs. */
import { messageOf, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { FixedInputs } from './fixed-inputs.ts';
import type { ImportedModel } from './import-model.ts';
import { modelOf } from './import-model.ts';
import { lowering } from './interpret.ts';
import { type OnnxModel, readModel, showType } from './onnx-model.ts';
import { type ImportOptions, planOf } from './plan.ts';

/** An operator of a file. */
export interface InspectedOperator {
  /** With its domain in front, where that is not ONNX's own: `com.microsoft.FastGelu`. */
  readonly name: string;
  readonly count: number;
  /** Whether its nodes can be trained through. Those that cannot may still stand in the trunk. */
  readonly differentiable: boolean;
}

export interface Inspection {
  readonly producer: string;
  /** The opsets by their domains; ONNX's own is `ai.onnx`. */
  readonly opsets: Readonly<Record<string, number>>;
  /** With their types as the file says them: `float [N, 3, 224, 224]`. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** The most frequent first. */
  readonly operators: readonly InspectedOperator[];
  readonly nodes: number;
  /** The sizes that a caller must give, by name, with those that are given. */
  readonly openSizes: readonly string[];
  /** What trains with these options; undefined where something stands in the way. */
  readonly training: InspectedTraining | undefined;
  /** The one line that says what stands in the way; undefined where nothing does. */
  readonly problem: string | undefined;
}

export interface InspectedTraining {
  readonly variables: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly role: 'trainable' | 'frozen' | 'state';
  }[];
  /** Numbers that train. */
  readonly trainable: number;
  /** Numbers that graphs take but that stay. */
  readonly frozen: number;
  /** Nodes that are kept as they are, and what they give. */
  readonly trunk: { readonly nodes: number; readonly features: readonly string[] } | undefined;
  readonly notes: readonly string[];
}

/** Inspects an ONNX file. Throws UserError where it is damaged; what only stands in the way of training is `problem`. */
export function inspectModel(bytes: Uint8Array, options: ImportOptions = {}): Inspection {
  return inspectSource(readModel(bytes, options.external), options);
}

/** The same of a file that has been read. */
export function inspectSource(source: OnnxModel, options: ImportOptions = {}): Inspection {
  const { proto } = source;
  const tried = attempt(source, options);
  return {
    producer: [proto.producerName, proto.producerVersion].filter((part) => part !== '').join(' '),
    opsets: Object.fromEntries(
      proto.opsetImport.map(({ domain, version }) => [domain === '' ? 'ai.onnx' : domain, version]),
    ),
    inputs: Object.fromEntries(source.inputs.map((input) => [input.name, showType(input)])),
    outputs: Object.fromEntries(
      source.outputs.map((name) => [
        name,
        showType(source.types.get(name) ?? { dataType: 0, shape: undefined }),
      ]),
    ),
    operators: operatorsOf(source),
    nodes: source.nodes.length,
    openSizes: openSizes(source, options.fix ?? {}),
    ...tried,
  };
}

function attempt(source: OnnxModel, options: ImportOptions): Pick<Inspection, 'training' | 'problem'> {
  try {
    return { training: trainingOf(modelOf(planOf(source, options))), problem: undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { training: undefined, problem: messageOf(error) };
  }
}

/** What of a model trains. */
export function trainingOf({ variables, trunk, notes }: ImportedModel): InspectedTraining {
  const numbers = (trains: boolean): number =>
    variables
      .filter(({ role }) => (role === 'trainable') === trains)
      .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    variables: variables.map(({ path: name, shape, role }) => ({ name, shape, role })),
    trainable: numbers(true),
    frozen: numbers(false),
    trunk: trunk && { nodes: trunk.nodes, features: Object.keys(trunk.features) },
    notes,
  };
}

/** Those that are folded or aliased, and need no lowering. */
const ALWAYS = new Set(['Constant', 'Identity', 'Shape', 'Size', 'NonZero']);

function operatorsOf({ nodes }: OnnxModel): InspectedOperator[] {
  const counts = new Map<string, InspectedOperator>();
  for (const { op, domain } of nodes) {
    const name = domain === '' ? op : `${domain}.${op}`;
    const differentiable = ALWAYS.has(name) || lowering({ op, domain }) !== undefined || RENAMED.has(name);
    counts.set(name, { name, count: (counts.get(name)?.count ?? 0) + 1, differentiable });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}

/** Operators of earlier opsets that versions.ts reads as others. */
const RENAMED = new Set(['Upsample']);

/** Sizes of inputs, but for the first axis, that the file gives a name or nothing. */
function openSizes({ inputs: all }: OnnxModel, fixed: FixedInputs): string[] {
  const inputs = all.filter(({ name }) => !Object.hasOwn(fixed, name));
  const firsts = new Set(inputs.map(({ shape }) => shape?.[0]));
  const names = inputs.flatMap(({ name, shape = [] }) =>
    shape.flatMap((dim, axis) => {
      if (axis === 0 || typeof dim === 'number' || (dim !== undefined && firsts.has(dim))) return [];
      return [dim ?? `${name}[${axis}]`];
    }),
  );
  return [...new Set(names)];
}
