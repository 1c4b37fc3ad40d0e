/** An ONNX file as its nodes, in an order in which they can run, with functions written out and every name checked. */
import { messageOf, show, UserError } from '../errors.ts';
import {
  decodeModel,
  type ModelProto,
  type SparseTensorProto,
  type TensorProto,
  type ValueInfoProto,
} from '../onnx/proto.ts';
import type { ExternalData } from './decode-tensor.ts';
import { typeName } from './element-types.ts';
import { inlineFunctions } from './inline-functions.ts';
import { ordered } from './node-order.ts';
import type { OnnxNode } from './onnx-node.ts';
import { withOwnStatistics } from './own-statistics.ts';
import { expectNoPythonCheckpoint, expectNoPythonModel } from './python-artifacts.ts';

/** The type that a file says a value has. */
export interface DeclaredType {
  readonly dataType: number;
  /** Sizes, or names of sizes; undefined where one is unknown. The whole is undefined where not even the rank is known. */
  readonly shape: readonly (number | string | undefined)[] | undefined;
}

export interface Declared extends DeclaredType {
  readonly name: string;
}

export interface OnnxModel {
  readonly proto: ModelProto;
  readonly nodes: readonly OnnxNode[];
  /** By the names that nodes use; a tensor of a branch has another in the file. */
  readonly initializers: ReadonlyMap<string, TensorProto>;
  readonly sparse: ReadonlyMap<string, SparseTensorProto>;
  /** What must be fed. */
  readonly inputs: readonly Declared[];
  readonly outputs: readonly string[];
  /** The types that the file says its values have, by name: often those of inputs and outputs only. */
  readonly types: ReadonlyMap<string, DeclaredType>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly external: ExternalData | undefined;
}

/**
 * Reads an ONNX file. Numbers stay where they are until they are asked for; `external` reads those in other files. Throws
 * UserError where the bytes are no ONNX model, damaged or of Python's onnxruntime.training, and where its graph is none: names that nothing gives, that two
 * nodes give, or nodes that wait for each other.
 */
export function readModel(bytes: Uint8Array, external?: ExternalData): OnnxModel {
  expectNoPythonCheckpoint('import', bytes);
  const read = decoded(bytes);
  expectNoPythonModel('import', read);
  const proto = withOwnStatistics(read);
  const { graph } = proto;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const sparse = new Map(
    (graph.sparseInitializer ?? []).map((tensor) => [tensor.values?.name ?? '', tensor]),
  );
  const inputs = graph.input.filter(({ name }) => !initializers.has(name) && !sparse.has(name)).map(declared);
  const given = new Set([...inputs.map(({ name }) => name), ...initializers.keys(), ...sparse.keys()]);
  const nodes = ordered(inlineFunctions(proto), given);
  for (const name of nodes.flatMap((node) => node.outputs)) given.add(name);
  const outputs = graph.output.map(({ name }) => name);
  if (outputs.length === 0) throw new UserError('import: expected a model with an output, got none');
  const missing = outputs.find((name) => !given.has(name));
  if (missing !== undefined) throw new UserError(`import: the output ${show(missing)} is given by no node`);
  const types = [...graph.input, ...(graph.valueInfo ?? []), ...graph.output].map(declared);
  return {
    ...{ proto, nodes, initializers, sparse, inputs, outputs, external },
    types: new Map(types.map((type) => [type.name, type])),
    metadata: Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value])),
  };
}

function decoded(bytes: Uint8Array): ModelProto {
  try {
    return decodeModel(bytes, 'import');
  } catch (error) {
    throw new UserError(messageOf(error), { cause: error });
  }
}

function declared({ name, type }: ValueInfoProto): Declared {
  const tensor = type?.tensorType;
  if (!tensor) return { name, dataType: 0, shape: undefined };
  // Sizes that are not known are left out, or stand as 0, −1 or a question mark, which is no name: others are it, too.
  const shape = tensor.shape?.dim.map(({ dimValue = 0, dimParam = '' }) =>
    dimParam === '' || dimParam === '?' ? (dimValue > 0 ? dimValue : undefined) : dimParam,
  );
  return { name, dataType: tensor.elemType, shape };
}

/** What messages say of a declared type: `float [N, 3, 224, 224]`. */
export function showType({ dataType, shape }: DeclaredType): string {
  const dims = shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : 'of unknown rank';
  return `${typeName(dataType)} ${dims}`;
}
