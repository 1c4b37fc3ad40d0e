/** Layer normalization (Ba, Kiros & Hinton 2016). */
import { affineLayerNorm } from '../autodiff/functions.ts';
import { expectNumber } from '../expect.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

/** What keeps a layer norm from dividing by 0. */
export interface LayerNormOptions {
  /** What is added to the variance: 1e-6 by default, as in big_vision, timm's ViT and Flax; PyTorch's own is 1e-5. */
  readonly epsilon?: number | undefined;
}

/**
 * (x − mean)/√(variance + epsilon)·scale + bias over the last axis: float32 [..., n], and so is the result. Its
 * parameters are `scale` [n], from 1, and `bias` [n], from 0. Throws UserError where epsilon is no number from 0 on or the
 * last axis is not static.
 */
export function layerNorm(scope: Scope, x: Value, { epsilon = 1e-6 }: LayerNormOptions = {}): Value {
  expectNumber('layerNorm: epsilon', epsilon, { min: 0 });
  const width = staticDim(x.shape.at(-1), 'layerNorm: x', x.shape);
  const scale = scope.param('scale', [width], { kind: 'ones' });
  return affineLayerNorm(x, scale, scope.param('bias', [width], { kind: 'zeros' }), epsilon);
}
