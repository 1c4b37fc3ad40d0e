/** How many images a graph run may hold: the spec's number, less when memory is short. Also for browsers. */
import type { BuiltGraphs, GraphName } from '../artifacts/build.ts';
import type { Spec } from '../artifacts/spec.ts';
import { peakBytes } from '../passes/memory.ts';
import type { TrainConfig } from './config.ts';

export interface MicroBatchChoice {
  readonly microBatch: number;
  /** Estimated bytes at the peak of a step: intermediate values, parameters, gradients and optimizer state. */
  readonly bytes: number;
}

/** What ONNX Runtime and the JavaScript engine take before anything is trained. */
const BASE_BYTES = 150e6;
/** ONNX Runtime's arena rounds up and fragments. */
const ARENA = 1.15;

/**
 * The largest divisor of the batch size, of at most the spec's micro-batch, whose estimate stays below
 * `availableBytes`; 1 when none does. A given `microBatch` is taken as it is.
 */
export function chooseMicroBatch(
  spec: Pick<Spec, 'microBatch'>,
  build: (microBatch: number) => BuiltGraphs,
  config: Pick<TrainConfig, 'batchSize' | 'microBatch' | 'gr'>,
  availableBytes: number,
): MicroBatchChoice {
  const { batchSize, microBatch } = config;
  const choice = (size: number): MicroBatchChoice => ({
    microBatch: size,
    bytes: estimate(build(size), config, size),
  });
  if (microBatch > 0) return choice(microBatch);
  const most = Math.min(spec.microBatch, batchSize);
  const divisors = Array.from({ length: most }, (_, i) => most - i).filter((size) => batchSize % size === 0);
  for (const size of divisors) {
    const candidate = choice(size);
    if (candidate.bytes <= availableBytes || size === 1) return candidate;
  }
  throw new Error(`internal: batch size ${batchSize} has no divisor`);
}

function estimate(
  { graphs, parameters }: BuiltGraphs,
  { batchSize, gr }: Pick<TrainConfig, 'batchSize' | 'gr'>,
  size: number,
): number {
  const graph: GraphName = gr !== 'exact' ? 'loss-grad' : size === batchSize ? 'gr-exact' : 'hvp';
  const weights = 4 * parameters.reduce((sum, { shape }) => sum + shape.reduce((n, dim) => n * dim, 1), 0);
  // Parameters, two moments, the gradient that the run returns and, where there are two, the other one.
  const copies = 4 + (gr === 'none' ? 0 : 1) + (gr === 'fd' || gr === 'sam' ? 1 : 0);
  return BASE_BYTES + copies * weights + ARENA * peakBytes(graphs[graph]);
}
