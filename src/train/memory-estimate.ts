/**
 * What a run takes at its peak, before anything is loaded: what the graphs hold while they run, counted node by node,
 * and the arrays around them. `npm run bench:memory` compares it with real runs. Also for browsers.
 */
import { type BuiltGraphs, buildInference, type GraphName, type Variant } from '../artifacts/build.ts';
import type { Spec } from '../artifacts/spec.ts';
import type { DatasetName } from '../datasets/dataset.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { createOptimizer } from '../optim/optimizer.ts';
import { peakBytes } from '../passes/memory.ts';
import type { TrainConfig } from './config.ts';

/** The program, ONNX Runtime and the two threads that read images. */
const BASE = 255e6;

/** What each of the two threads holds of a dataset of usual size; files in folders are read when they are needed. */
const DATASET: Readonly<Record<DatasetName, number>> = {
  mnist: 55e6,
  cifar10: 155e6,
  cifar100: 155e6,
  'image-folder': 0,
};

/** Of ONNX Runtime beyond the values of a graph: copies packed for its products, and what rounding up wastes. */
const OVERHEAD = { factor: 1.1, bytes: 60e6 };

/** Batches of images that are ready or being made, pixels and normalised. */
const BATCHES = 4;

/** Vectors of the size of the weights while the Hessian is measured: three of the iteration, a product and its parts. */
const HESSIAN_VECTORS = 5;

/** Bytes at the peak of training or evaluation, whichever takes more. */
export function estimateMemory(
  spec: Spec,
  { parameters, graphs }: BuiltGraphs,
  {
    batchSize,
    gr,
    optimizer,
    diagnosticsEvery = 0,
    hessianEvery,
  }: Pick<TrainConfig, 'batchSize' | 'gr' | 'optimizer' | 'hessianEvery'> &
    Partial<Pick<TrainConfig, 'diagnosticsEvery'>>,
  { microBatch, memory }: Variant,
  testBatch: number,
): number {
  const inOneRun = microBatch === batchSize;
  const weights = 4 * parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const running = (graph: GraphName) => OVERHEAD.factor * peakBytes(graphs[graph]) + OVERHEAD.bytes;
  const evaluating = OVERHEAD.factor * peakBytes(buildInference(spec, testBatch)) + OVERHEAD.bytes;

  const state = 1 + createOptimizer({ optimizer }).slots.length;
  // Fast runs keep what a graph took for its next run, and copy the state to save it while they go on.
  const keeps = memory === 'fast';
  const always =
    BASE +
    2 * DATASET[spec.dataset] +
    BATCHES * (4 + 1) * batchSize * sizeOf([spec.image.channels, spec.image.height, spec.image.width]) +
    (keeps ? 2 : 1) * state * weights;
  const sum = inOneRun ? 1 : 2; // the gradient of a run, and that of the runs before it
  if (gr === 'exact' && !inOneRun) {
    const [first, second] = [running('loss-grad'), running('hvp')];
    const phases = keeps ? [first + second + 3 * weights] : [first + 2 * weights, second + 3 * weights];
    const measuring = hessianEvery > 0 ? (keeps ? first : 0) + second + HESSIAN_VECTORS * weights : 0;
    return always + Math.max(...phases, keeps ? first + second + evaluating : evaluating, measuring);
  }
  const plain = () => running('loss-grad');
  // Where one graph does exact regularization, diagnostics compute the plain gradient as well.
  const step =
    gr === 'exact' ? running('gr-exact') + (diagnosticsEvery > 0 ? plain() + weights : 0) : plain();
  // Where the gradient is taken at other parameters as well: these, and the first gradient.
  const arrays = gr === 'fd' || gr === 'sam' ? sum + 2 : sum;
  const besides = hessianEvery > 0 ? running('hvp') + HESSIAN_VECTORS * weights : 0;
  return always + Math.max(step + arrays * weights, (keeps ? step : 0) + Math.max(evaluating, besides));
}
