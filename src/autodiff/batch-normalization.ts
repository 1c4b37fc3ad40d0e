/** Normalisation of every column over the rows (Ioffe & Szegedy, *Batch Normalization*, ICML 2015). */
import { expectAt } from '../expect.ts';
import { add, call, mul, reciprocal, reshape, sqrt, sub } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { addToRows, columnMean, columnSum } from './columns.ts';
import { normalizationJacobian } from './jacobians.ts';
import { lift, sum } from './linear.ts';

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
  const normalized = hatTimesRow(epsilon)(x, reshape(scale, [1, ...scale.shape]));
  return addToRows(normalized, bias);
}

/**
 * x̂∘row with x̂ = (x − mean)/√(variance + epsilon). Its derivatives are made of its adjoint, Σ v∘x̂ over the rows, and of the
 * Jacobian of x̂. x̂ itself is never laid out: 1/√(variance + epsilon) is multiplied with rows, which are short.
 */
function hatTimesRow(epsilon: number): (x: Value, row: Value) => Value {
  const centred = (x: Value): Value => sub(x, columnMean(x));
  const inverse = (x: Value): Value => reciprocal(sqrt(add(columnMoments(x).variance, epsilon)));
  const hatTimes = (x: Value, row: Value): Value => expectAt(call(timesRow, [x, row]), 0);
  const sumAlongHat = (x: Value, v: Value): Value => expectAt(call(sumAlong, [x, v]), 0);
  const jacobian = normalizationJacobian('batch-norm-jacobian', {
    mean: columnMean,
    inverse,
    hatTimes,
    alongHat: (x, v) => mul(sumAlongHat(x, v), 1 / staticDim(x.shape[0], 'batch-norm', x.shape)),
  });
  const timesRow: Composite = {
    name: 'batch-norm-hat-times',
    body: (given) => {
      const [x, row] = [expectAt(given, 0), expectAt(given, 1)];
      return [mul(centred(x), mul(inverse(x), row))];
    },
    vjp: ([ct], _y, given) => {
      const [x, row] = [expectAt(given, 0), expectAt(given, 1)];
      return [lift(ct, (d) => mul(jacobian(x, d), row)), lift(ct, (d) => sumAlongHat(x, d))];
    },
    jvp: ([tx, tRow], _y, given) => {
      const [x, row] = [expectAt(given, 0), expectAt(given, 1)];
      return [
        sum(
          lift(tx, (t) => mul(jacobian(x, t), row)),
          lift(tRow, (t) => hatTimes(x, t)),
        ),
      ];
    },
  };
  const sumAlong: Composite = {
    name: 'batch-norm-sum-along-hat',
    body: (given) => {
      const [x, v] = [expectAt(given, 0), expectAt(given, 1)];
      return [mul(inverse(x), columnSum(mul(v, centred(x))))];
    },
    vjp: ([ct], _y, given) => {
      const [x, v] = [expectAt(given, 0), expectAt(given, 1)];
      return [lift(ct, (row) => mul(jacobian(x, v), row)), lift(ct, (row) => hatTimes(x, row))];
    },
    jvp: ([tx, tv], _y, given) => {
      const [x, v] = [expectAt(given, 0), expectAt(given, 1)];
      return [
        sum(
          lift(tx, (t) => columnSum(mul(v, jacobian(x, t)))),
          lift(tv, (t) => sumAlongHat(x, t)),
        ),
      ];
    },
  };
  return hatTimes;
}
