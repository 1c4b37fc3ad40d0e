/**
 * Networks without weights, as PyPI `onnx` carries them: each weight is made by a ConstantOfShape, one number all over. Here
 * they get random ones, since equal channels would hide mistakes.
 */

import { bytesOf } from '../../../src/bytes.ts';
import { decodeTensor } from '../../../src/import/decode-tensor.ts';
import { decodeModel, encodeAgain, type TensorProto } from '../../../src/onnx/proto.ts';
import { Random } from '../../../src/random.ts';

/** Normal numbers, used over and over: a prime count, so that no axis of a weight repeats along with them. */
const random = new Random(0, 'init');
const NORMAL = Float32Array.from({ length: 65_537 }, () => random.normal());

/** The file with an initializer in place of each ConstantOfShape of a constant shape. */
export function withRandomWeights(bytes: Uint8Array): Uint8Array {
  const { graph, ...model } = decodeModel(bytes, 'weights');
  const shapes = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  // Scales and variances.
  const isPositive = new Set(
    graph.node.flatMap(({ opType, input: [, scale = '', , , variance = ''] }) =>
      opType === 'BatchNormalization' ? [scale, variance] : [],
    ),
  );
  const made: TensorProto[] = [];
  const node = graph.node.filter(({ opType, input: [from = ''], output: [name = ''] }) => {
    const shape = opType === 'ConstantOfShape' ? shapes.get(from) : undefined;
    if (!shape) return true;
    const dims = Array.from(decodeTensor(shape, from).data, Number);
    made.push(randomTensor(name, dims, made.length, isPositive.has(name)));
    return false;
  });
  if (made.length === 0) return bytes;
  return encodeAgain({ ...model, graph: { ...graph, node, initializer: [...graph.initializer, ...made] } });
}

/** He et al.'s for matrices and kernels; for a vector small numbers, or those around 1. */
function randomTensor(name: string, dims: number[], index: number, isPositive: boolean): TensorProto {
  const [, ...inner] = dims;
  const spread = inner.length === 0 ? 0.1 : Math.sqrt(2 / inner.reduce((size, dim) => size * dim, 1));
  const data = new Float32Array(dims.reduce((all, dim) => all * dim, 1));
  for (let i = 0; i < data.length; i++) {
    const x = NORMAL[(i + 7919 * index) % NORMAL.length] ?? 0;
    data[i] = isPositive ? Math.exp(0.3 * x) : spread * x;
  }
  return { name, dims, dataType: 1, rawData: bytesOf(data) };
}
