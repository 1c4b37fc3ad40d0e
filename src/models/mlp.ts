/** A multilayer perceptron on flattened images: the smallest model, and the example of how a model is written. */
import * as v from 'valibot';
import { dense } from '../autodiff/functions.ts';
import type { Scope } from '../layers/scope.ts';
import { relu, reshape } from '../onnx/ops.ts';
import { product, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { checked, MOST_LAYERS, size } from './schema.ts';

export const mlpSchema = v.strictObject({
  kind: v.literal('mlp'),
  /** The widths of the hidden layers. */
  hidden: v.pipe(v.array(size(2 ** 20)), v.minLength(1), v.maxLength(MOST_LAYERS)),
});

export type MlpConfig = v.InferOutput<typeof mlpSchema>;

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for
 * a config that is none.
 */
export function mlp(scope: Scope, images: Value, classes: number, config: MlpConfig): Value {
  const { hidden } = checked('mlp', mlpSchema, config);
  const [batch = 0, ...image] = images.shape;
  let x = reshape(images, [batch, product(image)]);
  const layer = (name: string, columns: number): Value => {
    const width = staticDim(x.shape[1], 'mlp', x.shape);
    const kernel = scope.sub(name).param('kernel', [width, columns], { kind: 'xavier-uniform' });
    return dense(x, kernel, scope.sub(name).param('bias', [columns], { kind: 'zeros' }));
  };
  hidden.forEach((width, i) => {
    x = relu(layer(`fc${i}`, width));
  });
  return layer('head', classes);
}
