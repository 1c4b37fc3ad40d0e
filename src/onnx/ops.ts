/**
 * The ops: functions that check their operands, infer the result's type and return the result. A number stands for a
 * scalar constant of the other operand's dtype. An op that changes nothing (a reshape to the same shape, a product with 1)
 * returns its operand, so that derivative rules need no special cases.
 */
export { call } from './ops/composite.ts';
export { einsum } from './ops/einsum.ts';
export * from './ops/elementwise.ts';
export { gather, gatherElements, oneHot, scatterElements } from './ops/indexing.ts';
export * from './ops/layout.ts';
export { constant, full, input, type Operand, range, scalar, uniformNumber } from './ops/operands.ts';
export * from './ops/product.ts';
export {
  argMax,
  type CumSumOptions,
  cumSum,
  layerNormalization,
  logSoftmax,
  type ReduceOptions,
  reduceMax,
  reduceMean,
  reduceSum,
  softmax,
} from './ops/reduction.ts';
