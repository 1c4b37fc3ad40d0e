/** Batch normalization (Ioffe & Szegedy 2015). */
import { columnMoments, normalizeColumns } from '../autodiff/batch-normalization.ts';
import { stopGradient } from '../autodiff/functions.ts';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { add, mul, reciprocal, reshape, sqrt, sub } from '../onnx/ops.ts';
import { product, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Init, Scope } from './scope.ts';

/** How batches are averaged, and how the scale starts. */
export interface BatchNormOptions {
  /**
   * How much of the running statistics a step keeps: 0.9 by default. TensorFlow and Flax mean the same; PyTorch's momentum
   * is what is left, 0.1.
   */
  readonly momentum?: number;
  /** What is added to the variance: 1e-5 by default, as in PyTorch. */
  readonly epsilon?: number;
  /** How the scale starts; ones by default. */
  readonly scaleInit?: Init;
}

/** What batch normalization works with: each [n], for the n columns of the last axis. */
export interface BatchNormVariables {
  readonly scale: Value;
  readonly bias: Value;
  /** The running statistics: states of the scope, where it trains. */
  readonly mean: Value;
  readonly variance: Value;
}

/**
 * (x − mean)/√(variance + epsilon)·scale + bias for each column of the last axis: float32 [..., n], and so is the result.
 * While training, the mean and the variance are those over all other axes, the batch included, and are differentiated
 * through; examples then see each other. Else they are the running ones, the state `mean` [n] and `variance` [n] (over
 * count − 1, as in PyTorch), which every clean pass of training moves. Its parameters are `scale` [n], from 1, and `bias`
 * [n], from 0. Throws UserError where an option is out of range, the last axis is not static, or a column to train with
 * has one number only.
 */
export function batchNorm(scope: Scope, x: Value, options: BatchNormOptions = {}): Value {
  const { momentum = 0.9, epsilon = 1e-5, scaleInit = { kind: 'ones' } } = options;
  expectNumber('batchNorm: epsilon', epsilon, { min: 0 });
  expectNumber('batchNorm: momentum', momentum, { min: 0 });
  if (momentum > 1) throw new UserError(`batchNorm: momentum: expected at most 1, got ${momentum}`);
  const width = staticDim(x.shape.at(-1), 'batchNorm: x', x.shape);
  const scale = scope.param('scale', [width], scaleInit);
  const bias = scope.param('bias', [width], { kind: 'zeros' });
  const mean = scope.state('mean', [width], { kind: 'zeros' });
  const variance = scope.state('variance', [width], { kind: 'ones' });
  return normalizeBatch(scope, x, { scale, bias, mean, variance }, { momentum, epsilon });
}

/**
 * `batchNorm` with variables that the caller has. `training` is that of the scope by default; a model may leave a layer as
 * in evaluation while it trains others.
 */
export function normalizeBatch(
  scope: Scope,
  x: Value,
  { scale, bias, mean, variance }: BatchNormVariables,
  { momentum, epsilon, training = scope.training }: Required<Pick<BatchNormOptions, 'momentum' | 'epsilon'>> & { readonly training?: boolean },
): Value {
  const width = staticDim(x.shape.at(-1), 'batchNorm: x', x.shape);
  if (!training) {
    const factor = mul(scale, reciprocal(sqrt(add(variance, epsilon))));
    return add(mul(x, factor), sub(bias, mul(mean, factor)));
  }
  scope.couplesExamples();
  const count = staticDim(product(x.shape.slice(0, -1)), 'batchNorm: x', x.shape);
  if (count < 2) {
    throw new UserError(
      'batchNorm: expected more than one number for each channel while training, got 1; train with a larger batch',
    );
  }
  const rows = reshape(x, [count, width]);
  const moments = columnMoments(stopGradient(rows));
  const moved = (running: Value, now: Value): Value =>
    add(mul(running, momentum), mul(reshape(now, [width]), 1 - momentum));
  scope.next(mean, moved(mean, moments.mean));
  scope.next(variance, moved(variance, mul(moments.variance, count / (count - 1))));
  return reshape(normalizeColumns(rows, scale, bias, epsilon), x.shape);
}
