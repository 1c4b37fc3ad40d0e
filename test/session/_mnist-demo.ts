/**
 * The calls of the MNIST demo that came with onnxruntime-training for the web, in its order: a session of four files by
 * their addresses, digits evaluated before and after every step, an epoch of training, an epoch of testing. Written anew;
 * what it needs of `ort` is what that demo imports.
 */
import type { OrtTensor, OrtTensorConstructor } from '../../src/runtime/session.ts';
import type { TrainingSession } from '../../src/session/training-session.ts';

/** The module that such a program imports: ONNX Runtime's, but for its `TrainingSession`. */
export interface Ort {
  readonly Tensor: OrtTensorConstructor;
  readonly TrainingSession: typeof TrainingSession;
}

export interface DemoData {
  /** Bytes of the pictures and classes, without the files' headers. */
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

export interface DemoOptions {
  readonly train: DemoData;
  readonly test: DemoData;
  readonly batchSize: number;
  readonly epochs: number;
  readonly lossName: string;
}

const PIXELS = 28 * 28;
const normalized = (pixel: number): number => (pixel / 255 - 0.1307) / 0.3081;

function* batchesOf({ Tensor }: Ort, { images, labels }: DemoData, size: number) {
  for (let i = 0; i + size <= labels.length; i += size) {
    const data = Float32Array.from(images.subarray(i * PIXELS, (i + size) * PIXELS), normalized);
    yield {
      input: new Tensor('float32', data, [size, PIXELS]),
      labels: new Tensor('int64', BigInt64Array.from(labels.subarray(i, i + size), BigInt), [size]),
    };
  }
}

function predictionsIn({ dims, data }: OrtTensor): number[] {
  const [count = 0, classes = 0] = dims;
  const numbers = Array.from(data, Number);
  return Array.from({ length: count }, (_, i) => {
    const scores = numbers.slice(i * classes, (i + 1) * classes);
    return scores.indexOf(Math.max(...scores));
  });
}

const numberIn = (tensor: OrtTensor | undefined): number => Number.parseFloat(String(tensor?.data));

/** Accuracy on the test examples after each epoch, the losses of all steps, and what the digits are taken for at the end. */
export async function demo(
  ort: Ort,
  files: Parameters<typeof TrainingSession.create>[0],
  { train, test, batchSize, epochs, lossName }: DemoOptions,
) {
  const session = await ort.TrainingSession.create(files);
  const [digits] = batchesOf(ort, test, 18);
  if (!digits) throw new Error('test: no digits');
  const digitsNow = async (): Promise<number[]> => {
    const { output } = await session.runEvalStep(digits);
    return output ? predictionsIn(output) : [];
  };
  let shown = await digitsNow();
  const [losses, accuracies]: [number[], number[]] = [[], []];
  const start = Date.now();
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const feeds of batchesOf(ort, train, batchSize)) {
      const results = await session.runTrainStep(feeds);
      losses.push(numberIn(results[lossName]));
      await session.runOptimizerStep();
      await session.lazyResetGrad();
      shown = await digitsNow();
    }
    let [right, seen] = [0, 0];
    for (const feeds of batchesOf(ort, test, batchSize)) {
      const results = await session.runEvalStep(feeds);
      if (!Number.isFinite(numberIn(results[lossName]))) throw new Error('test: no loss');
      const predictions = results.output ? predictionsIn(results.output) : [];
      right += predictions.filter((prediction, i) => BigInt(prediction) === feeds.labels.data[i]).length;
      seen += predictions.length;
    }
    accuracies.push(right / seen);
  }
  const seconds = (Date.now() - start) / 1000;
  const parameters = await session.getContiguousParameters(true);
  const size = await session.getParametersSize(true);
  await session.release();
  return { losses, accuracies, shown, seconds, parameters: parameters.dims, size, steps: losses.length };
}
