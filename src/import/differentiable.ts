/** Through which inputs of an operator a derivative passes. */
import type { OnnxNode } from './onnx-node.ts';

/** Operators whose results do not change smoothly with anything. */
// biome-ignore format: a list
const NONE = new Set([
  'Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero', 'Unique', 'Hardmax',
  'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf',
  'BitShift', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'BitwiseNot',
  'Floor', 'Ceil', 'Round', 'Sign',
  'Range', 'ConstantOfShape', 'EyeLike', 'OneHot', 'NonMaxSuppression', 'Constant',
  'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli',
  'QuantizeLinear', 'DynamicQuantizeLinear', 'DequantizeLinear',
]);

/** Operators of which only some inputs carry a derivative; others are indices, sizes, or settings. */
const SOME: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [0, 1, 2],
  Clip: [0],
  Compress: [0],
  CumSum: [0],
  Dropout: [0],
  Expand: [0],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  MaxUnpool: [0],
  Pad: [0],
  Pow: [0],
  ReduceL1: [0],
  ReduceL2: [0],
  ReduceLogSum: [0],
  ReduceLogSumExp: [0],
  ReduceMax: [0],
  ReduceMean: [0],
  ReduceMin: [0],
  ReduceProd: [0],
  ReduceSum: [0],
  ReduceSumSquare: [0],
  Reshape: [0],
  Resize: [0],
  ScatterElements: [0, 2],
  ScatterND: [0, 2],
  Scatter: [0, 2],
  Slice: [0],
  Split: [0],
  Squeeze: [0],
  Tile: [0],
  TopK: [0],
  Trilu: [0],
  Unsqueeze: [0],
  Upsample: [0],
  Where: [1, 2],
};

/** The types of floats that a Cast may give, by TensorProto.DataType. */
const FLOATS = [1, 10, 11, 16];

/** The inputs of a node that its result has derivatives by. All, for an operator that we know nothing of. */
export function differentiableInputs({ op, domain, inputs, attributes }: OnnxNode): readonly string[] {
  if (domain !== '') return inputs;
  if (NONE.has(op)) return [];
  if (op === 'Cast' && !FLOATS.includes(attributes.get('to')?.i ?? 1)) return [];
  return SOME[op]?.map((i) => inputs[i] ?? '') ?? inputs;
}
