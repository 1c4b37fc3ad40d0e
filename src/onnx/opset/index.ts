/**
 * The closed set of ops: everything that the graph core can write, read and differentiate. An op does what the ONNX
 * operator of the same name does (opset 18). Lists that ONNX takes as constant tensors are attributes here.
 */
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import { normalization } from './normalization.ts';
import { product } from './product.ts';
import { reduction } from './reduction.ts';

export const OPS = {
  ...elementwise,
  ...reduction,
  ...product,
  ...layout,
  ...indexing,
  ...normalization,
};
