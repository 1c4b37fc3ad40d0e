/** Ops that reduce some axes to one element, and the cumulative sum along an axis. */
import type { DType, TensorType } from '../value.ts';
import { axes, axis, axisOperand, expectDType, FLOAT, flag, NUMBERS, op } from './schema.ts';

const reduce = (dtypes: readonly DType[]) =>
  op({
    arity: 1,
    attributes: { axes, keepdims: flag(true) },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], { axes: reduced, keepdims }, name): readonly [TensorType] => {
      expectDType(name, x, dtypes);
      return [{ dtype: x.dtype, shape: reducedShape(x, reduced, keepdims) }];
    },
  });

function reducedShape({ shape }: TensorType, axes: readonly number[], keepdims: boolean) {
  return shape.flatMap((dim, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [dim]));
}

export const reduction = {
  ReduceSum: reduce(NUMBERS),
  ReduceMean: reduce(FLOAT),
  ReduceMax: reduce(NUMBERS),
  ArgMax: op({
    arity: 1,
    attributes: { axis: axis(0), keepdims: flag(true) },
    kind: 'other',
    webgpu: 'rewritten',
    infer: ([x], { axis: reduced, keepdims }, name): readonly [TensorType] => {
      expectDType(name, x, NUMBERS);
      return [{ dtype: 'int64', shape: reducedShape(x, [reduced], keepdims) }];
    },
  }),
  CumSum: op({
    arity: 1,
    attributes: { axis: axisOperand, exclusive: flag(false), reverse: flag(false) },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], _, name): readonly [TensorType] => {
      expectDType(name, x, FLOAT);
      return [x];
    },
  }),
};
