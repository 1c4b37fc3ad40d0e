import { gemm, type MatMulOptions, matmul, mul } from '../../onnx/ops.ts';
import type { product as described } from '../../onnx/opset/product.ts';
import type { Value } from '../../onnx/value.ts';
import { lift, sum, sumTo, toShape } from '../linear.ts';
import type { Rules } from './rule.ts';

type Product = (a: Value, b: Value, options: MatMulOptions) => Value;
interface Flags {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** The cotangents of A and B in alpha·op(A)·op(B). Flags transpose the operands, so no Transpose is needed. */
function factors(
  product: Product,
  ct: Value,
  a: Value,
  b: Value,
  { transA, transB, alpha }: Flags,
): [Value, Value] {
  return [
    transA
      ? product(b, ct, { transA: transB, transB: true, alpha })
      : product(ct, b, { transB: !transB, alpha }),
    transB
      ? product(ct, a, { transA: true, transB: transA, alpha })
      : product(a, ct, { transA: !transA, alpha }),
  ];
}

const plainGemm: Product = (a, b, options) => gemm(a, b, undefined, options);

export const product: Rules<keyof typeof described> = {
  MatMul: {
    vjp: ([ct], _y, [a, b], flags) => {
      const [da, db] = factors(matmul, ct, a, b, flags);
      return [sumTo(da, a.shape), sumTo(db, b.shape)];
    },
    jvp: ([ta, tb], _y, [a, b], flags) => [
      sum(
        lift(ta, (t) => matmul(t, b, flags)),
        lift(tb, (t) => matmul(a, t, flags)),
      ),
    ],
  },
  Gemm: {
    vjp: ([ct], _y, [a, b, c], flags) => {
      const [da, db] = factors(plainGemm, ct, a, b, flags);
      return c ? [da, db, sumTo(mul(ct, flags.beta), c.shape)] : [da, db];
    },
    // C's tangent becomes the C of a product: a row there costs next to nothing. The other product is added by an Add,
    // because in ONNX Runtime a C that is a whole matrix costs more than an Add.
    jvp: ([ta, tb, tc], [y], [a, b], flags) => {
      if (!ta && !tb) return [lift(tc, (t) => toShape(mul(t, flags.beta), y.shape) ?? t)];
      return [
        sum(
          lift(ta, (t) => gemm(t, b, tc, flags)),
          lift(tb, (t) => gemm(a, t, ta ? undefined : tc, flags)),
        ),
      ];
    },
  },
};
