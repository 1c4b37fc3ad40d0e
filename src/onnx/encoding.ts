/**
 * How each op is written in ONNX: one total table that serialize.ts and read.ts share, so that what is written
 * can be read. `int`, `ints` and `float` are ONNX attributes; `input` is a list that ONNX takes as a constant
 * int64 tensor behind the op's own inputs, in the order given here.
 */
import type { Attributes, DType, OpType } from './value.ts';

export const OPSET = 18;
export const IR_VERSION = 8;
/** The domain of ONNX Runtime's own operators, in every stock build. */
export const MICROSOFT = 'com.microsoft';

/** TensorProto.DataType */
export const DATA_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

export type Field = 'int' | 'ints' | 'float' | 'dtype' | 'input';
/** Ops that exist in a file: leaves are its inputs and initializers, calls are inlined. */
export type EmittedOp = Exclude<OpType, 'Input' | 'Constant' | 'Call'>;
type Encoding<Op extends EmittedOp> = { readonly [Name in keyof Attributes<Op>]: Field };

export const ENCODINGS: { readonly [Op in EmittedOp]: Encoding<Op> } = {
  Identity: {},
  Neg: {},
  Abs: {},
  Sign: {},
  Exp: {},
  Log: {},
  Sqrt: {},
  Reciprocal: {},
  Erf: {},
  Tanh: {},
  Sigmoid: {},
  Relu: {},
  Cast: { to: 'dtype' },
  Add: {},
  Sub: {},
  Mul: {},
  Div: {},
  Pow: {},
  Equal: {},
  Greater: {},
  Less: {},
  Where: {},
  ReduceSum: { axes: 'input', keepdims: 'int' },
  ReduceMean: { axes: 'input', keepdims: 'int' },
  ReduceMax: { axes: 'input', keepdims: 'int' },
  MatMul: { transA: 'int', transB: 'int', alpha: 'float' },
  Gemm: { transA: 'int', transB: 'int', alpha: 'float', beta: 'float' },
  Reshape: { shape: 'input' },
  Transpose: { perm: 'ints' },
  Expand: { shape: 'input' },
  Slice: { starts: 'input', ends: 'input', axes: 'input' },
  Pad: { pads: 'input' },
  Concat: { axis: 'int' },
  Split: { axis: 'int', sizes: 'input' },
  Gather: { axis: 'int' },
  GatherElements: { axis: 'int' },
  ScatterElements: { axis: 'int' },
  Softmax: { axis: 'int' },
  LogSoftmax: { axis: 'int' },
  LayerNormalization: { epsilon: 'float' },
};
