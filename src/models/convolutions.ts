/** What convolutional networks have in common. */
import { conv } from '../layers/conv.ts';
import type { Scope } from '../layers/scope.ts';
import { transpose } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/** Images [batch, channels, height, width] → [batch, height, width, channels], which is what layers of images take. */
export const channelsLast = (images: Value): Value => transpose(images, [0, 2, 3, 1]);

/**
 * A convolution without a bias that keeps the size but for its stride, an odd kernel's: float32 [batch, height, width, in]
 * → [batch, ⌈height/stride⌉, ⌈width/stride⌉, channels]. Its kernel starts as He et al. 2015 say, by its fan out.
 */
export function sameConv(scope: Scope, x: Value, channels: number, kernel: number, stride = 1): Value {
  return conv(scope, x, channels, {
    ...{ kernel, stride, padding: (kernel - 1) / 2, bias: false },
    init: { kind: 'he-normal', fan: 'out' },
  });
}
