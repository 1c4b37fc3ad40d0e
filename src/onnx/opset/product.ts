/** Matrix products. */
import { UserError } from '../../errors.ts';
import { broadcast, sameShape, show } from '../shapes.ts';
import type { Dim, Shape, TensorType } from '../value.ts';
import { expectDType, FLOAT, flag, float, op } from './schema.ts';

/** Rows, columns of a matrix stack after its optional transposition. */
function matrixDims(op: string, x: TensorType, transposed: boolean): [Dim, Dim] {
  const [rows, columns] = x.shape.slice(-2);
  if (rows === undefined || columns === undefined)
    throw new UserError(`${op}: expected rank 2 or more, got ${show(x.shape)}`);
  return transposed ? [columns, rows] : [rows, columns];
}

function productDims(
  op: string,
  a: TensorType,
  b: TensorType,
  { transA, transB }: { readonly transA: boolean; readonly transB: boolean },
): [Dim, Dim] {
  expectDType(op, a, FLOAT);
  expectDType(op, b, FLOAT);
  const [rows, inner] = matrixDims(op, a, transA);
  const [innerB, columns] = matrixDims(op, b, transB);
  if (inner !== innerB) {
    const flags = `transA ${transA}, transB ${transB}`;
    throw new UserError(
      `${op}: expected inner dimensions to agree, got ${show(a.shape)} and ${show(b.shape)} (${flags})`,
    );
  }
  return [rows, columns];
}

export const product = {
  /** alpha·A·B over the last two axes, leading axes broadcast; either factor may be transposed. */
  MatMul: op({
    arity: 2,
    attributes: { transA: flag(false), transB: flag(false), alpha: float(1) },
    kind: 'product',
    webgpu: 'rewritten',
    infer: ([a, b], flags, name): readonly [TensorType] => {
      const dims = productDims(name, a, b, flags);
      const leading = broadcast(name, a.shape.slice(0, -2), b.shape.slice(0, -2));
      return [{ dtype: a.dtype, shape: [...leading, ...dims] }];
    },
  }),
  /** alpha·A·B + beta·C on matrices; C is broadcast to the result. */
  Gemm: op({
    arity: '2 or 3',
    attributes: { transA: flag(false), transB: flag(false), alpha: float(1), beta: float(1) },
    kind: 'product',
    webgpu: 'native',
    infer: ([a, b, c], flags, name): readonly [TensorType] => {
      if (a.shape.length !== 2 || b.shape.length !== 2) {
        throw new UserError(`${name}: expected two matrices, got ${show(a.shape)} and ${show(b.shape)}`);
      }
      const shape: Shape = productDims(name, a, b, flags);
      if (c && !sameShape(broadcast(name, shape, c.shape), shape)) {
        throw new UserError(`${name}: expected a C that broadcasts to ${show(shape)}, got ${show(c.shape)}`);
      }
      if (c) expectDType(name, c, FLOAT);
      return [{ dtype: a.dtype, shape }];
    },
  }),
};
