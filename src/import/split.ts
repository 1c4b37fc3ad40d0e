/** The trunk: nodes that nothing trained feeds, as an ONNX file of their own, verbatim. */
import { UserError } from '../errors.ts';
import { DATA_TYPES } from '../onnx/encoding.ts';
import { encodeAgain, intAttribute, type NodeProto, type ValueInfoProto } from '../onnx/proto.ts';
import type { Dim, DType } from '../onnx/value.ts';
import { ELEMENT_TYPES } from './element-types.ts';
import type { ValueType } from './entry.ts';
import { renamedNode } from './inline-functions.ts';
import { batchMultiple } from './known.ts';
import { needs } from './node-order.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { Plan } from './plan.ts';
import { neededNodes } from './variables.ts';

/** A tensor of every example, without the batch axis. */
export interface ImportedField {
  readonly dtype: Exclude<DType, 'float16'>;
  readonly shape: readonly number[];
}
export type ImportedFields = Readonly<Record<string, ImportedField>>;

/** What runs once for each batch, before the graphs: any operators of any opset. */
export interface Trunk {
  /** What of the data it takes. */
  readonly inputs: ImportedFields;
  /** What it gives: its outputs, which the model takes as fields. */
  readonly features: ImportedFields;
  /** The only number of examples that it takes; undefined where it takes any. */
  readonly batch: number | undefined;
  /** How many of the file's nodes it has. */
  readonly nodes: number;
  /** The ONNX file. */
  bytes(): Uint8Array;
}

/** The part of the plan's file that gives `features`, by their names. */
export function trunkOf(plan: Plan, features: ReadonlyMap<string, ValueType>, fields: ImportedFields): Trunk {
  const { source, bound } = plan;
  const nodes = neededNodes(source.nodes, features.keys());
  const used = new Set(nodes.flatMap(needs));
  const inputs = [...bound.types].filter(([name]) => used.has(name));
  const batch = isOfAnyBatch(plan) ? undefined : plan.fixedBatch;
  return {
    inputs: fieldsOf(new Map(inputs)),
    features: fields,
    batch,
    nodes: nodes.length,
    bytes: () => trunkFile(source, [...features.keys()], batch === undefined),
  };
}

/** Whether a file for a fixed batch takes any other: where no list of numbers in the trunk names the batch. */
function isOfAnyBatch({ fixedBatch, trunk, nodes }: Plan): boolean {
  if (fixedBatch === undefined) return true;
  return !nodes.some(({ op, outputs }) => RESHAPING.has(op) && outputs.some((name) => trunk.has(name)));
}

const RESHAPING = new Set([
  'Reshape',
  'Expand',
  'Tile',
  'Resize',
  'Slice',
  'Loop',
  'If',
  'Scan',
  'LSTM',
  'GRU',
  'RNN',
]);

/** The nodes that some values need, as a model whose outputs they are; all floats in and out of it are float32. */
export function trunkFile(source: OnnxModel, outputs: readonly string[], isOfAny: boolean): Uint8Array {
  const { proto } = source;
  const nodes = neededNodes(source.nodes, outputs);
  const used = new Set([...nodes.flatMap(needs), ...outputs]);
  const inputs = new Set(source.inputs.map(({ name }) => name));
  const given = proto.graph.input.filter(({ name }) => used.has(name) && inputs.has(name));
  const casts = castsOf(source, given, outputs);
  return encodeAgain({
    ...proto,
    graph: {
      ...proto.graph,
      node: [
        ...casts.before,
        ...nodes.map((node) => ({ ...renamedNode(node.proto, casts.rename), name: node.name })),
        ...casts.behind,
      ],
      initializer: [...source.initializers].flatMap(([name, tensor]) =>
        used.has(name) ? [{ ...tensor, name }] : [],
      ),
      sparseInitializer: (proto.graph.sparseInitializer ?? []).filter(({ values }) =>
        used.has(values?.name ?? ''),
      ),
      input: given.map((info) => {
        const open = isOfAny ? withOpenBatch(info) : info;
        return casts.rename(info.name) === info.name ? open : ofFloat(open);
      }),
      output: outputs.map((name) => ({ name, type: null })),
      valueInfo: [],
    },
  });
}

interface Casts {
  readonly before: readonly NodeProto[];
  readonly behind: readonly NodeProto[];
  /** What the file's nodes call what is cast. */
  readonly rename: (name: string) => string;
}

const isFloat = (dataType: number): boolean => ELEMENT_TYPES[dataType]?.dtype === 'float32';

/** Where a file has floats of another precision, a Cast behind each such input, and in front of each float output. */
function castsOf(source: OnnxModel, inputs: readonly ValueInfoProto[], outputs: readonly string[]): Casts {
  const tensors = [...source.initializers.values()].map(({ dataType }) => dataType);
  const types = [...source.inputs.map(({ dataType }) => dataType), ...tensors];
  if (!types.some((dataType) => isFloat(dataType) && dataType !== FLOAT)) {
    return { before: [], behind: [], rename: (name) => name };
  }
  const typeOf = (name: string): number => source.types.get(name)?.dataType ?? FLOAT;
  const ins = inputs
    .map(({ name }) => name)
    .filter((name) => isFloat(typeOf(name)) && typeOf(name) !== FLOAT);
  const outs = outputs.filter((name) => isFloat(typeOf(name)));
  const renamed = new Set([...ins, ...outs]);
  return {
    before: ins.map((name) => castNode(name, inner(name), typeOf(name))),
    behind: outs.map((name) => castNode(inner(name), name, FLOAT)),
    rename: (name) => (renamed.has(name) ? inner(name) : name),
  };
}

/** TensorProto.DataType of float32. */
const FLOAT = DATA_TYPES.float32;
const inner = (name: string): string => `${name}#cast`;

function castNode(from: string, to: string, dataType: number): NodeProto {
  const attribute = [intAttribute('to', dataType)];
  return { name: `${to}#node`, opType: 'Cast', domain: '', input: [from], output: [to], attribute };
}

const ofFloat = (info: ValueInfoProto): ValueInfoProto => ({
  ...info,
  type: { ...info.type, tensorType: { shape: info.type?.tensorType?.shape ?? null, elemType: FLOAT } },
});

/** The input with any number of examples. */
function withOpenBatch(info: ValueInfoProto): ValueInfoProto {
  const tensor = info.type?.tensorType;
  if (!tensor?.shape) return info;
  const [, ...rest] = tensor.shape.dim;
  const batch = { dimParam: 'batch' };
  return { ...info, type: { ...info.type, tensorType: { ...tensor, shape: { dim: [batch, ...rest] } } } };
}

/** Types with a symbolic batch, as fields. */
export function fieldsOf(types: ReadonlyMap<string, ValueType>): ImportedFields {
  const entries = [...types].map(([name, { dtype, shape }]): [string, ImportedField] => {
    if (dtype === 'float16') throw new Error(`internal: ${name} is float16`);
    return [name, { dtype, shape: withoutBatch(name, shape) }];
  });
  return Object.fromEntries(entries);
}

/** What an example has of a shape. Several rows for each, as windows of an image are, become an axis of their own. */
function withoutBatch(name: string, [first = 1, ...rest]: readonly Dim[]): readonly number[] {
  const count = batchMultiple(first);
  const sizes = rest.filter((dim) => typeof dim === 'number');
  if (count === undefined || sizes.length < rest.length) {
    throw new UserError(
      `import: ${name}: expected the batch as its first axis and no other, got [${[first, ...rest].join(', ')}]`,
    );
  }
  return count === 1 ? sizes : [count, ...sizes];
}
