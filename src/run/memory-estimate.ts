/**
 * Estimates the memory of a run at its peak, before anything is loaded: what the graphs hold while they run, counted node
 * by node, and the arrays around them. `npm run bench:memory` compares it with real runs. Also for browsers.
 */
import { type GraphName, inferenceGraph, type TaskGraphs } from '../artifacts/graphs.ts';
import type { TrainConfig } from '../config/config.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { peakBytes } from '../passes/memory.ts';
import { createOptimizer } from '../step/optimizer.ts';
import { regularizerOf } from './plan.ts';

/** The program, ONNX Runtime and the two threads that read examples. */
const BASE = 255e6;

/** What ONNX Runtime takes beyond the values of a graph: copies packed for its products, and sizes rounded up. */
const OVERHEAD = { factor: 1.1, bytes: 60e6 };

/** Batches that are ready or being made. */
const BATCHES = 4;

/** Vectors as large as the weights while the Hessian is measured: three of the iteration, a product and its parts. */
const HESSIAN_VECTORS = 5;

type Config = Pick<TrainConfig, 'batchSize' | 'gr' | 'optimizer' | 'hessianEvery'> &
  Partial<Pick<TrainConfig, 'diagnosticsEvery' | 'ema' | 'weightDecayIn' | 'perturbationGroups'>>;

export interface EstimatedData {
  /** Bytes of the dataset, as each of the two threads holds it. */
  readonly bytes: number;
  /** Examples of a batch in an evaluation. */
  readonly testBatch: number;
}

/** Bytes at the peak of training or evaluation, whichever takes more. */
export function estimateMemory(
  graphs: TaskGraphs,
  config: Config,
  { bytes, testBatch }: EstimatedData,
): number {
  const { batchSize, gr, optimizer, diagnosticsEvery = 0, hessianEvery, ema = 0 } = config;
  const { memory, task } = graphs;
  const inOneRun = graphs.batch === batchSize;
  const numbers = (variables: readonly { readonly shape: readonly number[] }[]): number =>
    4 * variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const weights = numbers(graphs.parameters);
  const running = (graph: GraphName) => OVERHEAD.factor * peakBytes(graphs.graph(graph)) + OVERHEAD.bytes;
  const evaluating = OVERHEAD.factor * peakBytes(inferenceGraph(task, testBatch)) + OVERHEAD.bytes;

  const slots = createOptimizer({ optimizer }).slots.length;
  const kept = regularizerOf(gr).reuse?.slots.length ?? 0;
  const state = 1 + slots + kept + (ema > 0 ? 1 : 0);
  // Fast sessions keep their memory between runs, and fast checkpoints are copies, written while training continues.
  const keepsMemory = memory === 'fast';
  const example = 5 * Object.values(task.fields).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const always =
    BASE +
    2 * bytes +
    BATCHES * batchSize * example +
    (keepsMemory ? 2 : 1) * state * weights +
    numbers(graphs.pass.variables) -
    weights;
  const sum = inOneRun ? 1 : 2; // the gradient of a run, and that of the runs before it
  if (gr === 'exact' && (!inOneRun || config.weightDecayIn === 'loss')) {
    const [first, second] = [running('loss-grad'), running('hvp')];
    const phases = keepsMemory ? [first + second + 3 * weights] : [first + 2 * weights, second + 3 * weights];
    const measuring = hessianEvery > 0 ? (keepsMemory ? first : 0) + second + HESSIAN_VECTORS * weights : 0;
    return always + Math.max(...phases, keepsMemory ? first + second + evaluating : evaluating, measuring);
  }
  const plain = () => running('loss-grad');
  // Where one graph does exact regularization, diagnostics compute the plain gradient as well.
  const step =
    gr === 'exact' ? running('gr-exact') + (diagnosticsEvery > 0 ? plain() + weights : 0) : plain();
  // Of each group there are a gradient, a perturbed place and the gradient there.
  const { perturbationGroups: groups = 1 } = config;
  // fd, sam and their kin also hold the perturbed parameters and the first gradient.
  const arrays = gr === 'exact' || gr === 'none' ? sum : groups === 1 ? sum + 2 : 3 * groups + 1;
  const measuring = hessianEvery > 0 ? running('hvp') + HESSIAN_VECTORS * weights : 0;
  return (
    always + Math.max(step + arrays * weights, (keepsMemory ? step : 0) + Math.max(evaluating, measuring))
  );
}
