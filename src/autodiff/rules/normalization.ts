import { add, exp, mul, neg, reduceMean, reduceSum, sub } from '../../onnx/ops.ts';
import { isOp, type Value } from '../../onnx/value.ts';
import { lift, sum, sumTo, toShape } from '../linear.ts';
import { type Rules, symmetric, unary } from './rule.ts';

const rowMean = (x: Value): Value => reduceMean(x, { axes: [-1], keepdims: true });
const rowSum = (x: Value, axis: number): Value => reduceSum(x, { axes: [axis], keepdims: true });

/** x̂, the normalised values before the scale. */
function normalized([y, mean, inverse]: readonly [Value, Value, Value], x: Value, scale: Value): Value {
  const isOnes = isOp(scale.node, 'Constant') && scale.node.attributes.data.every((item) => item === 1);
  return isOnes ? y : mul(sub(x, mean), inverse);
}

export const normalization: Rules<'Softmax' | 'LogSoftmax' | 'LayerNormalization'> = {
  // diag(y) − y·yᵀ is symmetric.
  Softmax: symmetric((d, y, _x, { axis }) => mul(y, sub(d, rowSum(mul(y, d), axis)))),
  LogSoftmax: unary(
    (ct, y, _x, { axis }) => sub(ct, mul(exp(y), rowSum(ct, axis))),
    (t, y, _x, { axis }) => sub(t, rowSum(mul(exp(y), t), axis)),
  ),
  // With x̂ = (x − mean x)·s: J(v) = s·(v − mean v − x̂·mean(v∘x̂)) is both the adjoint and the tangent map of x̂,
  // and s' = −s²·mean(x̂∘x').
  LayerNormalization: {
    vjp: ([ctY, ctMean, ctInverse], outputs, [x, scale]) => {
      const inverse = outputs[2];
      const xHat = normalized(outputs, x, scale);
      const columns = scale.shape[0];
      const share = 1 / (typeof columns === 'number' ? columns : 1);
      const e = lift(ctY, (ct) => mul(ct, scale));
      const slope = sum(
        lift(e, (v) => rowMean(mul(v, xHat))),
        lift(ctInverse, (ct) => mul(mul(ct, inverse), share)),
      );
      const inner = sum(
        lift(e, (v) => sub(v, rowMean(v))),
        lift(slope, (v) => neg(mul(xHat, v))),
      );
      const dx = sum(
        lift(inner, (v) => mul(inverse, v)),
        lift(ctMean, (ct) => mul(ct, share)),
      );
      return [toShape(dx, x.shape), lift(ctY, (ct) => sumTo(mul(ct, xHat), scale.shape))];
    },
    jvp: ([tx, tScale], outputs, [x, scale]) => {
      const inverse = outputs[2];
      const xHat = normalized(outputs, x, scale);
      if (!tx) return [lift(tScale, (t) => mul(xHat, t)), undefined, undefined];
      const mean = rowMean(tx);
      const slope = rowMean(mul(tx, xHat));
      const tHat = mul(inverse, sub(sub(tx, mean), mul(xHat, slope)));
      return [
        add(mul(tHat, scale), lift(tScale, (t) => mul(xHat, t)) ?? 0),
        mean,
        neg(mul(mul(inverse, inverse), slope)),
      ];
    },
  },
};
