import { UserError } from '../../errors.ts';
import { sameShape, show, withDim } from '../shapes.ts';
import type { TensorType } from '../value.ts';
import { axis, expectDType, FLOAT, float, op } from './schema.ts';

const overAxis = <const W extends 'native' | 'rewritten'>(webgpu: W) =>
  op({
    arity: 1,
    attributes: { axis: axis(-1) },
    kind: 'other',
    webgpu,
    infer: ([x], _, name): readonly [TensorType] => {
      expectDType(name, x, FLOAT);
      return [x];
    },
  });

export const normalization = {
  Softmax: overAxis('native'),
  LogSoftmax: overAxis('rewritten'),
  /** Over the last axis: the normalised and scaled values, the mean, and 1/σ (both with a last axis of 1). */
  LayerNormalization: op({
    arity: 2,
    attributes: { epsilon: float(1e-5) },
    kind: 'other',
    webgpu: 'native',
    infer: (
      [x, scale],
      _,
      name,
    ): readonly [y: TensorType, mean: TensorType, inverseDeviation: TensorType] => {
      expectDType(name, x, FLOAT);
      expectDType(name, scale, FLOAT);
      const last = x.shape.at(-1);
      if (last === undefined || !sameShape(scale.shape, [last])) {
        throw new UserError(`${name}: expected a scale of shape [${last}], got ${show(scale.shape)}`);
      }
      const statistic = { dtype: 'float32' as const, shape: withDim(x.shape, x.shape.length - 1, 1) };
      return [x, statistic, statistic];
    },
  }),
};
