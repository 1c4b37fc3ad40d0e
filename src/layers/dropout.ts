/**
 * Layers that leave something out at random while a model trains. What is kept is scaled by 1/(1 − rate), so that the
 * mean stays and evaluation needs no change. Each has a mask `keep` in its scope, a random input (`Scope.random`).
 */
import { show, UserError } from '../errors.ts';
import { mul, where } from '../onnx/ops.ts';
import type { Shape, Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

/**
 * Dropout (Srivastava et al. 2014): each element is 0 with chance `rate`, else x/(1 − rate). float32 [batch, ...], and so
 * is the result. The value itself while not training, or with a rate of 0. Throws UserError where the rate is not in
 * [0, 1).
 */
export function dropout(scope: Scope, x: Value, rate: number): Value {
  return kept('dropout', scope, x, x.shape, rate);
}

/**
 * Stochastic depth (Huang et al. 2016; timm's DropPath): the whole of an example is 0 with chance `rate`, else
 * x/(1 − rate). It is for what a residual block adds: `add(x, stochasticDepth(scope.sub('depth'), branch, 0.1))`.
 * float32 [batch, ...], and so is the result. The value itself while not training, or with a rate of 0. Throws UserError
 * where the rate is not in [0, 1).
 */
export function stochasticDepth(scope: Scope, x: Value, rate: number): Value {
  return kept(
    'stochasticDepth',
    scope,
    x,
    x.shape.map((dim, axis) => (axis === 0 ? dim : 1)),
    rate,
  );
}

function kept(layer: string, scope: Scope, x: Value, shape: Shape, rate: number): Value {
  if (!(rate >= 0 && rate < 1)) {
    throw new UserError(`${layer}: expected a rate from 0 to below 1, got ${show(rate)}`);
  }
  if (!scope.training || rate === 0) return x;
  const keep = 1 - rate;
  return where(scope.random.mask('keep', shape, keep), mul(x, 1 / keep), 0);
}
