/** Normalisation of every column over the rows (Ioffe & Szegedy, *Batch Normalization*, ICML 2015). */
import { expectAt } from '../expect.ts';
import { add, call, mul, reciprocal, reshape, sqrt, sub } from '../onnx/ops.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { columnMean, columnSum } from './columns.ts';
import { normalizationJacobian } from './jacobians.ts';
import { lift, sum, toShape } from './linear.ts';

/** The mean and the variance (over n, not n − 1) of each column of x [rows, columns], both [1, columns]. */
export function columnMoments(x: Value): { readonly mean: Value; readonly variance: Value } {
  const mean = columnMean(x);
  const centred = sub(x, mean);
  return { mean, variance: columnMean(mul(centred, centred)) };
}

/**
 * (x − mean)/√(variance + epsilon)·scale + bias of each column over the rows: x float32 [rows, columns], scale and bias
 * [columns]; the result is as x. It is differentiated through the mean and the variance. A column's scale multiplies all
 * derivatives of the column, so that the sums over its rows serve the cotangents of x, scale and bias alike.
 */
export function normalizeColumns(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  const { hatOf, jacobian } = standardization(epsilon);
  const composite: Composite = {
    name: 'batch-norm',
    body: (given) => {
      const [at, factor, summand] = [expectAt(given, 0), expectAt(given, 1), expectAt(given, 2)];
      return [add(mul(hatOf(at), factor), summand)];
    },
    vjp: ([ct], _y, given) => {
      const [at, factor] = [expectAt(given, 0), expectAt(given, 1)];
      return [
        lift(ct, (d) => mul(jacobian(at, d), factor)),
        lift(ct, (d) => reshape(columnSum(mul(d, hatOf(at))), scale.shape)),
        lift(ct, (d) => reshape(columnSum(d), bias.shape)),
      ];
    },
    jvp: ([tx, tScale, tBias], _y, given) => {
      const [at, factor] = [expectAt(given, 0), expectAt(given, 1)];
      return [
        sum(
          lift(tx, (t) => mul(jacobian(at, t), factor)),
          lift(tScale, (t) => mul(hatOf(at), t)),
          toShape(tBias, x.shape),
        ),
      ];
    },
  };
  return expectAt(call(composite, [x, scale, bias]), 0);
}

/** x̂ = (x − mean)/√(variance + epsilon), and its Jacobian at x times a vector. */
function standardization(epsilon: number) {
  const statistics = (at: Value) => {
    const { mean, variance } = columnMoments(at);
    const inverse = reciprocal(sqrt(add(variance, epsilon)));
    return { hat: mul(sub(at, mean), inverse), inverse };
  };
  const jacobian = normalizationJacobian('batch-norm-jacobian', { mean: columnMean, statistics });
  const composite: Composite = {
    name: 'batch-norm-hat',
    body: (given) => [statistics(expectAt(given, 0)).hat],
    vjp: ([ct], _y, given) => [lift(ct, (d) => jacobian(expectAt(given, 0), d))],
    jvp: ([t], _y, given) => [lift(t, (d) => jacobian(expectAt(given, 0), d))],
  };
  return { hatOf: (x: Value): Value => expectAt(call(composite, [x]), 0), jacobian };
}
