/** Ops that move elements and compute nothing. Any dtype. */
import { UserError } from '../../errors.ts';
import { broadcast, leftOver, product, sameShape, show, staticDim, withDim } from '../shapes.ts';
import type { Shape, TensorType } from '../value.ts';
import { axes, axis, type Field, ints, list, op } from './schema.ts';

/** A shape. A file has −1 for a multiple of `batch`, which ONNX works out from the number of elements. */
const shapeOperand: Field<Shape> = {
  place: 'operand',
  write: (shape) => shape.map((dim) => (typeof dim === 'number' ? dim : -1)),
  read: (numbers, x) => leftOver(x?.shape ?? [], numbers),
};

export const layout = {
  Identity: op({
    arity: 1,
    attributes: {},
    kind: 'view',
    webgpu: 'native',
    infer: ([x]): readonly [TensorType] => [x],
  }),
  Reshape: op({
    arity: 1,
    attributes: { shape: shapeOperand },
    kind: 'view',
    webgpu: 'native',
    infer: ([x], { shape }, name): readonly [TensorType] => {
      if (product(shape) !== product(x.shape)) {
        throw new UserError(`${name}: expected as many elements as ${show(x.shape)}, got ${show(shape)}`);
      }
      return [{ dtype: x.dtype, shape }];
    },
  }),
  /** Output axis i is input axis perm[i]. */
  Transpose: op({
    arity: 1,
    attributes: { perm: ints },
    kind: 'permutation',
    webgpu: 'native',
    infer: ([x], { perm }, name): readonly [TensorType] => {
      const rank = x.shape.length;
      const shape = perm.flatMap((axis) => x.shape[axis] ?? []);
      if (shape.length !== rank || new Set(perm).size !== rank) {
        throw new UserError(`${name}: expected a permutation of the ${rank} axes, got ${show(perm)}`);
      }
      return [{ dtype: x.dtype, shape }];
    },
  }),
  Expand: op({
    arity: 1,
    attributes: { shape: list },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], { shape }, name): readonly [TensorType] => {
      if (!sameShape(broadcast(name, x.shape, shape), shape)) {
        throw new UserError(
          `${name}: expected a shape that ${show(x.shape)} broadcasts to, got ${show(shape)}`,
        );
      }
      return [{ dtype: x.dtype, shape }];
    },
  }),
  /** The elements from starts[i] up to but not including ends[i] along axes[i]. */
  Slice: op({
    arity: 1,
    attributes: { starts: list, ends: list, axes },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], { starts, ends, axes: sliced }, name): readonly [TensorType] => {
      let shape = x.shape;
      sliced.forEach((at, i) => {
        const [start = 0, end = 0] = [starts[i], ends[i]];
        const length = staticDim(shape[at], name, x.shape);
        if (!(0 <= start && start < end && end <= length)) {
          throw new UserError(`${name}: expected 0 ≤ start < end ≤ ${length}, got ${start} and ${end}`);
        }
        shape = withDim(shape, at, end - start);
      });
      return [{ dtype: x.dtype, shape }];
    },
  }),
  /** Zero padding: `pads` are the counts before each axis, then after each. */
  Pad: op({
    arity: 1,
    attributes: { pads: list },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], { pads }, name): readonly [TensorType] => {
      const rank = x.shape.length;
      if (pads.length !== 2 * rank || pads.some((count) => count < 0))
        throw new UserError(`${name}: expected ${2 * rank} counts of 0 or more, got ${show(pads)}`);
      const shape = x.shape.map((dim, i) => {
        const count = (pads[i] ?? 0) + (pads[i + rank] ?? 0);
        return count === 0 ? dim : staticDim(dim, name, x.shape) + count;
      });
      return [{ dtype: x.dtype, shape }];
    },
  }),
  Concat: op({
    arity: 'any',
    attributes: { axis: axis(0) },
    kind: 'other',
    webgpu: 'native',
    infer: (values, { axis }, name): readonly [TensorType] => {
      const [first] = values;
      if (!first) throw new UserError(`${name}: expected at least one value, got none`);
      let length = 0;
      for (const { dtype, shape } of values) {
        const dim = staticDim(shape[axis], name, shape);
        if (dtype !== first.dtype || !sameShape(withDim(shape, axis, 0), withDim(first.shape, axis, 0))) {
          const got = values.map((v) => `${v.dtype} ${show(v.shape)}`).join(' and ');
          throw new UserError(
            `${name}: expected one dtype and shapes that differ on axis ${axis} only, got ${got}`,
          );
        }
        length += dim;
      }
      return [{ dtype: first.dtype, shape: withDim(first.shape, axis, length) }];
    },
  }),
  /** Consecutive pieces of these sizes along an axis. */
  Split: op({
    arity: 1,
    attributes: { axis: axis(0), sizes: list },
    kind: 'other',
    webgpu: 'native',
    infer: ([x], { axis, sizes }, name): readonly TensorType[] => {
      const length = staticDim(x.shape[axis], name, x.shape);
      if (sizes.some((size) => size < 1) || sizes.reduce((sum, size) => sum + size, 0) !== length) {
        throw new UserError(`${name}: expected positive sizes that add up to ${length}, got ${show(sizes)}`);
      }
      return sizes.map((size) => ({ dtype: x.dtype, shape: withDim(x.shape, axis, size) }));
    },
  }),
};
