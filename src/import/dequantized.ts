/** Quantized weights as numbers: what DequantizeLinear makes of an initializer. */
import { UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { decodeTensor, type FileTensor } from './decode-tensor.ts';
import type { OnnxModel } from './onnx-model.ts';
import type { OnnxNode } from './onnx-node.ts';
import type { TensorSource } from './tensor-source.ts';

/** The weights that nodes dequantize from initializers, as tensors of the file by the name that the node gives them. */
export function dequantizedSources(model: OnnxModel, nodes: readonly OnnxNode[]): TensorSource[] {
  const { initializers } = model;
  return nodes.flatMap(({ op, domain, inputs, outputs }): TensorSource[] => {
    const [x = '', ...others] = inputs;
    const [name = ''] = outputs;
    const tensor = initializers.get(x);
    const areHere = others.every((other) => other === '' || initializers.has(other));
    if (op !== 'DequantizeLinear' || domain !== '' || !tensor || !areHere) return [];
    const shape = tensor.dims;
    const about = { dtype: 'float32', stored: 'float', shape, size: sizeOf(shape) } as const;
    let known: Float32Array | undefined;
    const read = (): FileTensor => {
      known ??= dequantizedNumbers(model, name);
      return { ...about, data: known };
    };
    return [{ ...about, name, isInitializer: true, read }];
  });
}

/**
 * (x − zero point)·scale, with one scale, one for each index along `axis`, or one for each block of `block_size` along it
 * (ONNX, DequantizeLinear-21). `name` is the tensor that the node gives. Throws UserError where it is not of initializers.
 */
export function dequantizedNumbers({ nodes, initializers, external }: OnnxModel, name: string): Float32Array {
  const node = nodes.find(({ outputs }) => outputs.includes(name));
  const [x, scales, zeros] = [0, 1, 2].map((input) => {
    const tensor = initializers.get(node?.inputs[input] ?? '');
    return tensor && decodeTensor(tensor, tensor.name, external);
  });
  if (!node || !x || !(scales?.data instanceof Float32Array))
    throw new UserError(`${name}: expected a weight that is dequantized from initializers`);
  const size = sizeOf(x.shape);
  const given = Number(node.attributes.get('axis')?.i ?? 1);
  const axis = given < 0 ? given + x.shape.length : given;
  const block = Number(node.attributes.get('block_size')?.i ?? 0);
  const inner = sizeOf(x.shape.slice(axis + 1));
  const along = x.shape[axis] ?? 1;
  const scaleData = scales.data;
  const placeOf = (i: number): number => {
    if (scaleData.length === 1) return 0;
    const index = Math.floor(i / inner) % along;
    if (block === 0) return index;
    const blocks = Math.ceil(along / block);
    return (Math.floor(i / (inner * along)) * blocks + Math.floor(index / block)) * inner + (i % inner);
  };
  return Float32Array.from({ length: size }, (_, i) => {
    const place = placeOf(i);
    return (Number(x.data[i] ?? 0) - Number(zeros?.data[place] ?? 0)) * (scaleData[place] ?? 0);
  });
}
