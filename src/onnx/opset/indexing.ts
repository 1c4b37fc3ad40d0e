/** Ops that read or add elements at indices. */
import { UserError } from '../../errors.ts';
import { sameShape, show } from '../shapes.ts';
import type { Dim, TensorType } from '../value.ts';
import { axis, expectDType, op } from './schema.ts';

const INDICES = ['int32', 'int64'] as const;

function expectElements(op: string, data: TensorType, indices: TensorType, axis: number): void {
  expectDType(op, indices, INDICES);
  if (indices.shape.length !== data.shape.length) {
    throw new UserError(`${op}: expected indices of rank ${data.shape.length}, got ${show(indices.shape)}`);
  }
  const fits = (dim: Dim, i: number) => {
    const limit = data.shape[i];
    return (
      i === axis || dim === limit || (typeof dim === 'number' && typeof limit === 'number' && dim < limit)
    );
  };
  if (!indices.shape.every(fits)) {
    const got = `${show(indices.shape)} for ${show(data.shape)}`;
    throw new UserError(
      `${op}: expected indices no longer than the data on any axis but ${axis}, got ${got}`,
    );
  }
}

export const indexing = {
  /** The slices of `data` along `axis` at `indices`, of any shape. */
  Gather: op({
    arity: 2,
    attributes: { axis: axis(0) },
    kind: 'other',
    webgpu: 'native',
    infer: ([data, indices], { axis }, name): readonly [TensorType] => {
      expectDType(name, indices, INDICES);
      const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
      return [{ dtype: data.dtype, shape }];
    },
  }),
  /** One element of `data` per index. */
  GatherElements: op({
    arity: 2,
    attributes: { axis: axis(0) },
    kind: 'other',
    webgpu: 'native',
    infer: ([data, indices], { axis }, name): readonly [TensorType] => {
      expectElements(name, data, indices, axis);
      return [{ dtype: data.dtype, shape: indices.shape }];
    },
  }),
  /** `data`, with each update added to the element at its index. */
  ScatterElements: op({
    arity: 3,
    attributes: { axis: axis(0) },
    fixed: { reduction: 'add' },
    kind: 'other',
    webgpu: 'native',
    infer: ([data, indices, updates], { axis }, name): readonly [TensorType] => {
      expectElements(name, data, indices, axis);
      if (!sameShape(indices.shape, updates.shape) || updates.dtype !== data.dtype) {
        const got = `${updates.dtype} ${show(updates.shape)}`;
        throw new UserError(
          `${name}: expected ${data.dtype} updates of shape ${show(indices.shape)}, got ${got}`,
        );
      }
      return [data];
    },
  }),
};
