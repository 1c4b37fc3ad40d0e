/** A small curve to learn, and what can be compared of two runs. */
import * as og from '../../src/index.ts';

export const x = Float32Array.from({ length: 200 }, (_, i) => -3 + (6 * i) / 200);
export const y = x.map(Math.sin);

export const model = (scope: og.Scope, { x }: { x: og.Value }) =>
  og.dense(scope.sub('out'), og.tanh(og.dense(scope.sub('hidden'), x, 16)), 1);

/** The options of a run of a few epochs. */
export const sine = {
  model,
  loss: (out: og.Value, { y }: { y: og.Value }) => og.mse(out, y),
  data: { x, y },
  epochs: 6,
  optimizer: og.adamw({ learningRate: 0.01 }),
  verbose: false,
};

export const bytesOf = (weights: og.Weights | undefined): Promise<Uint8Array> =>
  og.saveWeights(weights ?? {});
