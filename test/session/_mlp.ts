/** Perceptrons as PyTorch exports them, and feeds for them. */
import * as og from '../../src/index.ts';
import { file, info, node, tensor } from '../import/_files.ts';

/** sin(frequency·(i + 1)): numbers that any language can make. */
export const sines = (count: number, frequency: number, scale = 1): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(frequency * (i + 1))) * scale);

/** Linear(inputs, hidden), ReLU, Linear(hidden, classes): `input` → `output`. */
export function perceptron(
  sizes: readonly [inputs: number, hidden: number, classes: number],
  weights: readonly [Float32Array, Float32Array, Float32Array, Float32Array],
): Uint8Array {
  const [inputs, hidden, classes] = sizes;
  const [w1, b1, w2, b2] = weights;
  return file({
    inputs: [info('input', ['batch_size', inputs])],
    initializers: [
      tensor('fc1.weight', [hidden, inputs], w1),
      tensor('fc1.bias', [hidden], b1),
      tensor('fc2.weight', [classes, hidden], w2),
      tensor('fc2.bias', [classes], b2),
    ],
    nodes: [
      node('Gemm', ['input', 'fc1.weight', 'fc1.bias'], 'h', { transB: 1 }),
      node('Relu', ['h'], 'r'),
      node('Gemm', ['r', 'fc2.weight', 'fc2.bias'], 'output', { transB: 1 }),
    ],
    outputs: [info('output', ['batch_size', classes])],
  });
}

/** The perceptron of the golden numbers. */
export const small = perceptron(
  [4, 5, 3],
  [sines(20, 0.7), sines(5, 1.3, 0.1), sines(15, 0.9), sines(3, 1.7, 0.1)],
);

/** One with many numbers in its first layer, and adapters of few there: only these train. */
export const adapted = (options: Partial<og.GenerateOptions> = {}): og.TrainingArtifacts =>
  og.generateArtifacts(
    perceptron(
      [64, 1024, 3],
      [sines(65_536, 0.7, 0.1), sines(1024, 1.3), sines(3072, 0.9, 0.1), sines(3, 1.7)],
    ),
    {
      ...{ loss: 'cross-entropy', batchSize: 6, lora: { target: /fc1/, rank: 2, alpha: 4 } },
      optimizer: og.adamw({ learningRate: 0.01 }),
      ...options,
    },
  );

/** Batch number `j` of six examples; every second has a label that does not count. */
export function batch(j: number): { input: og.Tensor; labels: og.Tensor } {
  const labels = BigInt64Array.from({ length: 6 }, (_, i) => BigInt((i * (j + 1)) % 3));
  if (j % 2 === 1) labels[1] = -100n;
  return {
    input: { dtype: 'float32', shape: [6, 4], data: sines(24, 0.31 + 0.07 * j) },
    labels: { dtype: 'int64', shape: [6], data: labels },
  };
}

export const artifacts = (options: Partial<og.GenerateOptions> = {}): og.TrainingArtifacts =>
  og.generateArtifacts(small, {
    loss: 'cross-entropy',
    optimizer: og.adamw({ learningRate: 0.01, weightDecay: 0.1 }),
    batchSize: 6,
    ...options,
  });
