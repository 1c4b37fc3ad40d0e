/** The tensors that a file holds, as initializers or in Constant nodes, read when they are first asked for. */
import { show, UserError } from '../errors.ts';
import { ATTRIBUTE_TYPES, type TensorProto } from '../onnx/proto.ts';
import { decodeTensor, denseTensor, type FileTensor, type TensorInfo, tensorInfo } from './decode-tensor.ts';
import { ELEMENT_TYPES } from './element-types.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';

/** A tensor of the file. */
export interface TensorSource extends TensorInfo {
  /** Of an initializer, or of the output of a Constant node. */
  readonly name: string;
  readonly isInitializer: boolean;
  /** Its numbers: a view of the model's bytes where these have that form. Nobody changes them. */
  read(): FileTensor;
}

/**
 * All tensors of a file of which we have numbers, by name, with `constants` that stood in attributes. Throws UserError
 * where one is not what its shape says.
 */
export function tensorSources(
  model: OnnxModel,
  constants: readonly TensorProto[] = [],
): Map<string, TensorSource> {
  const sources = new Map<string, TensorSource>();
  const { external } = model;
  const add = (source: TensorSource | undefined): void => {
    if (source) sources.set(source.name, source);
  };
  const addTensor = (tensor: TensorProto, isInitializer: boolean, name = tensor.name): void => {
    const what = `import: ${show(name)}`;
    const info = tensorInfo(tensor, what, external);
    add(info && { ...info, name, isInitializer, read: once(() => decodeTensor(tensor, what, external)) });
  };
  for (const [name, tensor] of model.initializers) addTensor(tensor, true, name);
  for (const tensor of constants) addTensor(tensor, false);
  for (const [name, tensor] of model.sparse) {
    const what = `import: ${show(name)}`;
    add(lazily(name, true, () => denseTensor(tensor, what, external)));
  }
  for (const node of model.nodes)
    if (node.op === 'Constant' && node.domain === '') add(constantSource(node, model));
  return sources;
}

function lazily(name: string, isInitializer: boolean, read: () => FileTensor): TensorSource {
  const { shape, stored, dtype, data } = read();
  const tensor = { shape, stored, dtype, data };
  return { name, isInitializer, shape, stored, dtype, size: data.length, read: () => tensor };
}

function once(read: () => FileTensor): () => FileTensor {
  let known: FileTensor | undefined;
  return () => {
    known ??= read();
    return known;
  };
}

/** The tensor of a Constant node; undefined for one of texts. */
function constantSource(
  { name: node, outputs, attributes }: OnnxNode,
  { external }: OnnxModel,
): TensorSource | undefined {
  const name = outputs[0] ?? '';
  const what = `import: node ${node} (Constant)`;
  const [attribute] = attributes.values();
  if (!attribute || attributes.size > 1)
    throw new UserError(`${what}: expected one attribute, got ${attributes.size}; the file is damaged`);
  const { type, t, sparseTensor, f = 0, i = 0, floats = [], ints = [] } = attribute;
  if (t) {
    const info = tensorInfo(t, what, external);
    return info && { ...info, name, isInitializer: false, read: once(() => decodeTensor(t, what, external)) };
  }
  if (sparseTensor) return lazily(name, false, () => denseTensor(sparseTensor, what, external));
  const list = (dataType: 1 | 7, shape: readonly number[], numbers: readonly number[]) =>
    lazily(name, false, () => {
      const { dtype, name: stored } = ELEMENT_TYPES[dataType] ?? { dtype: 'float32', name: 'float' };
      const data =
        dataType === 1 ? Float32Array.from(numbers) : BigInt64Array.from(numbers, (x) => BigInt(x));
      return { dtype, stored, shape, data };
    });
  if (type === ATTRIBUTE_TYPES.float) return list(1, [], [f]);
  if (type === ATTRIBUTE_TYPES.int) return list(7, [], [i]);
  if (type === ATTRIBUTE_TYPES.floats) return list(1, [floats.length], floats);
  if (type === ATTRIBUTE_TYPES.ints) return list(7, [ints.length], ints);
  return undefined;
}
