/**
 * The original file with trained numbers in place of its own. Its nodes, inputs and outputs stay as they are; only a
 * quantized weight with an adapter becomes one of float32. Pure: also for browsers.
 */
import { bytesOf } from '../bytes.ts';
import { UserError } from '../errors.ts';
import { DATA_TYPES } from '../onnx/encoding.ts';
import { toFloat16 } from '../onnx/float16.ts';
import { encodeAgain, type GraphProto, type ModelProto, type TensorProto } from '../onnx/proto.ts';
import { show, sizeOf } from '../onnx/shapes.ts';
import { decodeTensor, type ExternalData } from './decode-tensor.ts';
import { dequantizedNumbers } from './dequantized.ts';
import { type Adapter, adapterPaths, adapterProduct } from './lora.ts';
import type { OnnxModel } from './onnx-model.ts';

/** What is written: variables by path, and the adapters among them. */
export interface TrainedNumbers {
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly adapters: readonly Adapter[];
}

const { float32: FLOAT, float16: FLOAT16 } = DATA_TYPES;

/** A protobuf message has at most 2 GiB. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * The bytes of the file, weights inside, with each variable's numbers in place of those that it started from and with the
 * adapters added to their weights. Throws UserError for a variable that the file keeps where nothing can be replaced, and
 * where the file would have more than 2 GiB.
 */
export function exportTrained(source: OnnxModel, { values, adapters }: TrainedNumbers): Uint8Array {
  const replaced = new Map(values);
  const added = new Map<string, Float32Array>();
  for (const adapter of adapters) {
    const paths = adapterPaths(adapter);
    const product = productOf(adapter, values, paths);
    replaced.delete(paths.a);
    replaced.delete(paths.b);
    if (adapter.dequantized === undefined) {
      replaced.set(
        adapter.weight,
        sumOf(replaced.get(adapter.weight) ?? numbersOf(source, adapter.weight), product),
      );
    } else {
      const base = dequantizedNumbers(source, adapter.dequantized);
      added.set(adapter.dequantized, sumOf(base, product));
    }
  }
  const { proto } = source;
  const graph = withNumbers(withoutStart(proto.graph, adapters), source, replaced);
  expectAllPut(replaced);
  return encoded({ ...proto, graph: withDequantized(graph, source, adapters, added) });
}

/**
 * The file with what adapters start from among its initializers, under the paths of their variables, which no node uses,
 * and with `values` in place of the numbers of others.
 */
export function withStart(
  source: OnnxModel,
  adapters: readonly Adapter[],
  values: ReadonlyMap<string, Float32Array>,
): Uint8Array {
  const replaced = new Map(values);
  const held = adapters.flatMap((adapter) => {
    const paths = adapterPaths(adapter);
    return (['a', 'b'] as const).flatMap((part): TensorProto[] => {
      const data = replaced.get(paths[part]);
      replaced.delete(paths[part]);
      const dims = [...adapter.shapes[part]];
      return data ? [{ name: paths[part], dims, dataType: FLOAT, rawData: bytesOf(data) }] : [];
    });
  });
  const { proto } = source;
  const graph = withNumbers(withoutStart(proto.graph, adapters), source, replaced);
  expectAllPut(replaced);
  return encoded({ ...proto, graph: { ...graph, initializer: [...graph.initializer, ...held] } });
}

function withoutStart(graph: GraphProto, adapters: readonly Adapter[]): GraphProto {
  const names = new Set(adapters.flatMap((adapter) => Object.values(adapterPaths(adapter))));
  return { ...graph, initializer: graph.initializer.filter(({ name }) => !names.has(name)) };
}

function productOf(
  adapter: Adapter,
  values: ReadonlyMap<string, Float32Array>,
  paths: { readonly a: string; readonly b: string },
): Float32Array {
  const [a, b] = [values.get(paths.a), values.get(paths.b)];
  if (a && b) return adapterProduct(adapter, a, b);
  throw new UserError(
    `${adapter.weight}: expected the numbers of its adapter, ${paths.a} and ${paths.b}, got none`,
  );
}

function sumOf(base: Float32Array, product: Float32Array): Float32Array {
  return base.map((x, i) => x + (product[i] ?? 0));
}

function numbersOf({ initializers, external }: OnnxModel, name: string): Float32Array {
  const tensor = initializers.get(name);
  const data = tensor && decodeTensor(tensor, name, external).data;
  if (data instanceof Float32Array) return data;
  throw new UserError(`${name}: expected float numbers, to which an adapter can be added`);
}

/**
 * The graph with other numbers, which are taken out of `replaced`, also in branches that were read in place of their If.
 * What lies in other files comes inside.
 */
function withNumbers(
  graph: GraphProto,
  { initializers, nodes, external }: OnnxModel,
  replaced: Map<string, Float32Array>,
): GraphProto {
  const named = new Map([...initializers].map(([name, tensor]) => [tensor, name]));
  for (const { op, domain, outputs, attributes } of nodes) {
    const tensor = op === 'Constant' && domain === '' ? attributes.get('value')?.t : undefined;
    if (tensor) named.set(tensor, outputs[0] ?? '');
  }
  const put = (tensor: TensorProto): TensorProto => {
    const name = named.get(tensor) ?? '';
    const values = replaced.get(name);
    replaced.delete(name);
    return values ? withValues(tensor, values) : inside(tensor, external);
  };
  const within = (each: GraphProto): GraphProto => ({
    ...each,
    initializer: each.initializer.map(put),
    node: each.node.map((node) => ({
      ...node,
      attribute: node.attribute.map((attribute) => ({
        ...attribute,
        ...(attribute.t && { t: put(attribute.t) }),
        ...(attribute.g && { g: within(attribute.g) }),
      })),
    })),
  });
  return within(graph);
}

function expectAllPut(left: ReadonlyMap<string, Float32Array>): void {
  const [name] = left.keys();
  if (name === undefined) return;
  throw new UserError(
    `${name}: the file holds it within a function or as a list of numbers, where it cannot be replaced; freeze it (--trainable)`,
  );
}

/** The tensor with other numbers: of the type that it had, where that is float16, else float32. */
export function withValues(
  { name, dims, dataType, docString, metadataProps }: TensorProto,
  values: Float32Array,
): TensorProto {
  if (values.length !== sizeOf(dims))
    throw new UserError(`${name}: expected ${sizeOf(dims)} numbers for ${show(dims)}, got ${values.length}`);
  const isHalf = dataType === FLOAT16;
  const numbers = isHalf ? toFloat16(new Float32Array(values)) : values;
  return {
    ...{ name, dims, dataType: isHalf ? FLOAT16 : FLOAT, rawData: bytesOf(numbers) },
    ...(docString !== undefined && { docString }),
    ...(metadataProps && { metadataProps }),
  };
}

/** A tensor whose bytes lie in another file, with these inside. */
function inside(tensor: TensorProto, external: ExternalData | undefined): TensorProto {
  if (tensor.dataLocation !== 1) return tensor;
  const { data } = decodeTensor(tensor, tensor.name, external);
  const { externalData: _elsewhere, dataLocation: _external, ...rest } = tensor;
  return { ...rest, rawData: bytesOf(data) };
}

/** The graph whose quantized weights with adapters are float32, in place of the nodes that made them so. */
function withDequantized(
  graph: GraphProto,
  { nodes }: OnnxModel,
  adapters: readonly Adapter[],
  added: ReadonlyMap<string, Float32Array>,
): GraphProto {
  if (added.size === 0) return graph;
  const node = graph.node.filter(({ output }) => !output.some((name) => added.has(name)));
  const used = new Set(
    nodes.filter(({ outputs }) => !outputs.some((name) => added.has(name))).flatMap(({ inputs }) => inputs),
  );
  const gone = new Set(
    adapters.flatMap(({ weight, dequantized }) => (dequantized && !used.has(weight) ? [weight] : [])),
  );
  const tensors = adapters.flatMap(({ dequantized = '', weightShape }): TensorProto[] => {
    const values = added.get(dequantized);
    return values
      ? [{ name: dequantized, dims: [...weightShape], dataType: FLOAT, rawData: bytesOf(values) }]
      : [];
  });
  return {
    ...graph,
    node,
    initializer: [...graph.initializer.filter(({ name }) => !gone.has(name)), ...tensors],
  };
}

function encoded(model: ModelProto): Uint8Array {
  const bytes = model.graph.initializer.reduce((sum, { rawData }) => sum + rawData.length, 0);
  if (bytes > MOST_BYTES) {
    throw new UserError(
      `the file would have ${(bytes / 1e9).toFixed(1)} GB, expected at most 2.1: save the adapters or the checkpoint alone`,
    );
  }
  return encodeAgain(model);
}
