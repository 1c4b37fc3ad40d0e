/** Converts between `Tensor` and ONNX Runtime's tensors, which are the same in node and in a browser. */
import type { Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common';
import { messageOf, UserError } from '../errors.ts';
import type { Tensor, TensorData, TensorType } from './session.ts';

/** ONNX Runtime reads the arrays in place. */
export function toOrtFeeds(
  Constructor: TensorConstructor,
  feeds: Readonly<Record<string, Tensor>>,
): Record<string, OrtTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      new Constructor(dtype, data, [...shape]),
    ]),
  );
}

/** The user's mistake behind an error of Gather: an index of the data that no row has. Undefined for other errors. */
export function indexError(error: unknown): UserError | undefined {
  const found = /Name:'([^']*)'.*out of data bounds, idx=(-?\d+) .* range \[-?\d+,(\d+)\]/.exec(
    messageOf(error),
  );
  if (!found) return undefined;
  const [, node = '', index = '', last = ''] = found;
  return new UserError(
    `${node}: expected indices of 0 to ${last}, got ${index} in the data; give a table with more rows (a larger vocabulary), or data that fit it`,
    { cause: error },
  );
}

export function fromOrt(
  name: string,
  { type, data, dims }: Pick<OrtTensor, 'type' | 'data' | 'dims'>,
): Tensor {
  if (!isTensorType(type) || !isTensorData(data)) throw new Error(`internal: output ${name} is ${type}`);
  return { dtype: type, shape: dims, data };
}

function isTensorType(type: string): type is TensorType {
  return ['float32', 'int32', 'int64', 'bool', 'uint8'].includes(type);
}

function isTensorData(data: unknown): data is TensorData {
  return [Float32Array, Int32Array, BigInt64Array, Uint8Array].some((type) => data instanceof type);
}
