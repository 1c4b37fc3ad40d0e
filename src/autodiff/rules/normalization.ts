import { add, exp, mul, neg, reduceMean, reduceSum, sub } from '../../onnx/ops.ts';
import type { normalization as described } from '../../onnx/opset/normalization.ts';
import { isOp, type Value } from '../../onnx/value.ts';
import { normJacobian, softmaxJacobian } from '../jacobians.ts';
import { lift, sum, sumTo } from '../linear.ts';
import { type Rules, symmetric, unary } from './rule.ts';

const rowMean = (x: Value): Value => reduceMean(x, { axes: [-1], keepdims: true });
const rowSum = (x: Value, axis: number): Value => reduceSum(x, { axes: [axis], keepdims: true });

/** x̂, the normalised values before the scale. */
function normalized([y, mean, inverse]: readonly [Value, Value, Value], x: Value, scale: Value): Value {
  const isOnes = isOp(scale.node, 'Constant') && scale.node.attributes.data.every((item) => item === 1);
  return isOnes ? y : mul(sub(x, mean), inverse);
}

export const normalization: Rules<keyof typeof described> = {
  Softmax: symmetric((d, _y, x, { axis }) => softmaxJacobian(x, d, axis)),
  LogSoftmax: unary(
    (ct, y, _x, { axis }) => sub(ct, mul(exp(y), rowSum(ct, axis))),
    (t, y, _x, { axis }) => sub(t, rowSum(mul(exp(y), t), axis)),
  ),
  // y = x̂·scale, and 1/σ changes by −s²·mean(x̂∘x').
  LayerNormalization: {
    vjp: ([ctY, ctMean, ctInverse], outputs, [x, scale], { epsilon }) => {
      const inverse = outputs[2];
      const xHat = normalized(outputs, x, scale);
      const columns = scale.shape[0];
      const share = 1 / (typeof columns === 'number' ? columns : 1);
      const dx = sum(
        lift(ctY, (ct) => normJacobian(x, mul(ct, scale), epsilon)),
        lift(ctInverse, (ct) => neg(mul(xHat, mul(mul(ct, share), mul(inverse, inverse))))),
      );
      // add() rather than sum(): the cotangent of the mean alone is narrower than x.
      const spread = lift(ctMean, (ct) => add(dx ?? mul(x, 0), mul(ct, share)));
      return [spread ?? dx, lift(ctY, (ct) => sumTo(mul(ct, xHat), scale.shape))];
    },
    jvp: ([tx, tScale], outputs, [x, scale], { epsilon }) => {
      const inverse = outputs[2];
      const xHat = normalized(outputs, x, scale);
      if (!tx) return [lift(tScale, (t) => mul(xHat, t)), undefined, undefined];
      return [
        add(mul(normJacobian(x, tx, epsilon), scale), lift(tScale, (t) => mul(xHat, t)) ?? 0),
        rowMean(tx),
        neg(mul(mul(inverse, inverse), rowMean(mul(tx, xHat)))),
      ];
    },
  },
};
