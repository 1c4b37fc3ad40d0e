/** Normalisation of every column over the rows (Ioffe & Szegedy, *Batch Normalization*, ICML 2015). */
import { expectAt } from '../expect.ts';
import { add, call, mul, reciprocal, sqrt, sub } from '../onnx/ops.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { columnMean } from './columns.ts';
import { normalizationJacobian } from './jacobians.ts';
import { lift } from './linear.ts';

/** The mean and the variance (over n, not n − 1) of each column of x [rows, columns], both [1, columns]. */
export function columnMoments(x: Value): { readonly mean: Value; readonly variance: Value } {
  const mean = columnMean(x);
  const centred = sub(x, mean);
  return { mean, variance: columnMean(mul(centred, centred)) };
}

/**
 * (x − mean)/√(variance + epsilon) of each column over the rows: float32 [rows, columns], and so is the result. It is
 * differentiated through the mean and the variance.
 */
export function normalizeColumns(x: Value, epsilon: number): Value {
  const statistics = (at: Value) => {
    const { mean, variance } = columnMoments(at);
    const inverse = reciprocal(sqrt(add(variance, epsilon)));
    return { hat: mul(sub(at, mean), inverse), inverse };
  };
  const jacobian = normalizationJacobian('batch-norm-jacobian', { mean: columnMean, statistics });
  const composite: Composite = {
    name: 'batch-norm',
    body: (given) => [statistics(expectAt(given, 0)).hat],
    vjp: ([ct], _y, given) => [lift(ct, (d) => jacobian(expectAt(given, 0), d))],
    jvp: ([t], _y, given) => [lift(t, (d) => jacobian(expectAt(given, 0), d))],
  };
  return expectAt(call(composite, [x]), 0);
}
