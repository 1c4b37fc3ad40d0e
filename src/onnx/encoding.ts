/** The numbers that ONNX files use. The description of an op (opset/) says how it is written. */
import { UserError } from '../errors.ts';
import type { DType } from './value.ts';

export const OPSET = 18;
export const IR_VERSION = 8;
/** The domain of ONNX Runtime's own operators, which every stock build has. */
export const MICROSOFT = 'com.microsoft';

/** TensorProto.DataType */
export const DATA_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  float16: 10,
  int32: 6,
  int64: 7,
  bool: 9,
  uint8: 2,
};

/** A float32 has 7 significant digits. Rounding to these gives 1e-6 back as 1e-6. */
export const sevenDigits = (x: number): number => Number(x.toPrecision(7));

/** The dtype that a file's number stands for. `name` is the tensor's, for the error. */
export function dtypeOf(type: number, name: string): DType {
  const dtypes: readonly DType[] = ['float32', 'float16', 'int32', 'int64', 'bool', 'uint8'];
  const dtype = dtypes.find((candidate) => DATA_TYPES[candidate] === type);
  if (!dtype) throw new UserError(`${name}: expected one of ${dtypes.join(', ')}, got data type ${type}`);
  return dtype;
}
