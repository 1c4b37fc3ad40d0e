/** A multilayer perceptron on whatever an example is: the smallest model, and the example of how a model is written. */
import * as v from 'valibot';
import { gelu, silu } from '../autodiff/functions.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import type { Scope } from '../layers/scope.ts';
import { relu, reshape, tanh } from '../onnx/ops.ts';
import { product } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { checked, MOST_LAYERS, rate, size } from './schema.ts';

const ACTIVATIONS = { relu, gelu, silu, tanh } as const;

export const mlpSchema = v.strictObject({
  kind: v.literal('mlp'),
  /** The widths of the hidden layers. */
  hidden: v.pipe(v.array(size(2 ** 20)), v.minLength(1), v.maxLength(MOST_LAYERS)),
  /** relu if left out. */
  activation: v.optional(v.picklist(['relu', 'gelu', 'silu', 'tanh'])),
  /** Of the elements of every hidden layer; 0 if left out. */
  dropout: rate(),
});

/** The hidden layers; what is left out has its default. */
export type MlpConfig = v.InferOutput<typeof mlpSchema>;

/**
 * Features float32 [batch, n], or images [batch, channels, height, width] and whatever else has a batch axis, flattened →
 * float32 [batch, outputs]: logits before softmax, or predictions. Throws UserError for a config that is none.
 */
export function mlp(scope: Scope, x: Value, outputs: number, config: MlpConfig): Value {
  const { hidden, activation = 'relu', dropout: rate = 0 } = checked('mlp', mlpSchema, config);
  const [batch = 0, ...example] = x.shape;
  let y = reshape(x, [batch, product(example)]);
  hidden.forEach((width, i) => {
    const layer = scope.sub(`fc${i}`);
    y = dropout(layer.sub('drop'), ACTIVATIONS[activation](dense(layer, y, width)), rate);
  });
  return dense(scope.sub('head'), y, outputs);
}
