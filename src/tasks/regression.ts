/** Predicting numbers: one of every example, or several. */
import { expectNumber, expectOneOf } from '../expect.ts';
import type { Scope } from '../layers/scope.ts';
import { huber, mae, mse } from '../losses/regression.ts';
import { fieldOf, outputOf } from '../metrics/names.ts';
import { meanAbsoluteError, type NumberOptions, r2, rootMeanSquaredError } from '../metrics/regression.ts';
import type { Value } from '../onnx/value.ts';
import { type Fields, ONLY_OUTPUT, type Task, type Values } from './task.ts';

const LOSSES = { mse, mae, huber } satisfies Record<string, (prediction: Value, target: Value) => Value>;
export type RegressionLoss = keyof typeof LOSSES;
const isLoss = (name: string): name is RegressionLoss => name in LOSSES;
export const REGRESSION_LOSSES: readonly RegressionLoss[] = Object.keys(LOSSES).filter(isLoss);

/** What predicts numbers. */
export interface RegressionOptions {
  /** What the model reads; the field `y`, float32, is added. */
  readonly fields: Fields;
  /** How many numbers to predict: `y` is [batch, targets], and [batch] where this is left out. */
  readonly targets?: number;
  /** Fields → float32 of the shape of `y`; [batch, 1] will do for [batch]. */
  readonly model: (scope: Scope, fields: Values) => Value;
  /** Averaged over all numbers: squared error, the default, absolute error, or Huber's with delta 1. */
  readonly loss?: RegressionLoss;
  /** The mean of the training targets, as `y` holds them: 0, the default, where they are standardised. */
  readonly center?: number | readonly number[];
  /** How large 1 of `y` is in the unit of the data: the deviation by which it was divided. 1 by default. */
  readonly scale?: NumberOptions['scale'];
}

/**
 * A task that predicts numbers; `mae` and `rmse` are in the unit of the data, `r2` has none. Throws UserError where an
 * option is none.
 */
export function regression({
  fields,
  targets,
  model,
  loss = 'mse',
  center = 0,
  scale = 1,
}: RegressionOptions): Task {
  expectOneOf('regression: loss', loss, REGRESSION_LOSSES);
  if (targets !== undefined) expectNumber('regression: targets', targets, { min: 1, isInteger: true });
  return {
    fields: { ...fields, y: { dtype: 'float32', shape: targets === undefined ? [] : [targets] } },
    predict: (scope, given) => ({ [ONLY_OUTPUT]: model(scope, given) }),
    loss: (outputs, given) => LOSSES[loss](outputOf(outputs, ONLY_OUTPUT, ONLY_OUTPUT), fieldOf(given, 'y')),
    metrics: {
      mae: meanAbsoluteError({ scale }),
      rmse: rootMeanSquaredError({ scale }),
      r2: r2({ center }),
    },
  };
}
