/** LayerScale (Touvron et al., *Going deeper with Image Transformers*, 2021, section 2). */
import { expectNumber } from '../expect.ts';
import { mul } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

/**
 * What a residual block adds, each column times a factor that is learned: float32 [..., n], and so is the result. Its
 * parameter is `scale` [n], from `start`, which is near 0, so that a deep network starts near the identity. Throws
 * UserError where `start` is no number or the last axis is not static.
 */
export function layerScale(scope: Scope, x: Value, start: number): Value {
  expectNumber('layerScale: start', start);
  const width = staticDim(x.shape.at(-1), 'layerScale: x', x.shape);
  return mul(x, scope.param('scale', [width], { kind: 'constant', value: start }));
}
