/** A checkpoint as one ONNX file: weights inside, any batch size, and what a caller must know in its metadata. */

import { inferenceGraph } from '../artifacts/graphs.ts';
import { type Graph, mapOutputs, substitute } from '../onnx/graph.ts';
import { add, cast, constant, input, mul, transpose } from '../onnx/ops.ts';
import { serialize } from '../onnx/serialize.ts';
import { type ConstantData, isOp, type Value } from '../onnx/value.ts';
import { taskOf } from '../tasks/own.ts';
import type { ImageSpec } from '../tasks/spec.ts';
import type { Task } from '../tasks/task.ts';
import { inFloat16, type Precision } from './half.ts';

export { PRECISIONS, type Precision, throughFloat16 } from './half.ts';

/** A trained model, to be put into one file. */
export interface InferenceModel {
  readonly task: Task;
  /** Variables by path. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** How weights are stored: float32, or float16 in half the size. The graph computes in float32 either way. */
  readonly precision?: Precision;
  /** What a user of the file must know: its doc string, and its metadata by key. */
  readonly doc?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of a model: the fields that the task predicts from → what it predicts, for any number of examples, the weights
 * inside. Throws a UserError for a weight that float16 cannot hold.
 */
export function inferenceModel({
  task,
  weights,
  precision = 'fp32',
  doc,
  metadata,
}: InferenceModel): Uint8Array {
  const file = stored(inferenceGraph(task), weights, precision);
  return serialize(file.graph, {
    weights: file.weights,
    ...(doc !== undefined && { doc }),
    ...(metadata && { metadata }),
  });
}

/** A classifier of images. */
export interface ImageModel extends Pick<InferenceModel, 'weights' | 'precision'> {
  readonly spec: ImageSpec;
  readonly classes: readonly string[];
  /** Per channel, for pixels on the scale 0 … 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Whether images are unchanged pixels, uint8 [batch, height, width, channels], which the graph normalises. */
  readonly rawPixels?: boolean;
}

/**
 * The bytes of a classifier: `images` float32 [batch, channels, height, width] → `logits` float32 [batch, classes].
 * Metadata: `classes` (JSON list of names), `mean` and `std` (JSON lists, per channel), `input_size` (JSON object),
 * `input` (`normalized`, or `raw-pixels` for uint8 [batch, height, width, channels]). Throws a UserError for a weight that
 * float16 cannot hold.
 */
export function imageModel(model: ImageModel): Uint8Array {
  const { spec, weights, classes, mean, std, rawPixels = false, precision = 'fp32' } = model;
  const file = stored(inferenceGraph(taskOf(spec)), weights, precision);
  return serialize(rawPixels ? fromPixels(file.graph, model) : file.graph, {
    weights: file.weights,
    doc: rawPixels
      ? 'Images are uint8 [batch, height, width, channels]: pixels as they come, 0 to 255.'
      : 'Images are float32 [batch, channels, height, width]: pixels on the scale 0 to 1, minus mean, divided by std.',
    metadata: {
      classes: JSON.stringify(classes),
      mean: JSON.stringify(mean),
      std: JSON.stringify(std),
      input_size: JSON.stringify(spec.image),
      input: rawPixels ? 'raw-pixels' : 'normalized',
    },
  });
}

/** A graph and its weights, as a file of a precision holds them. */
function stored(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  precision: Precision,
): { readonly graph: Graph; readonly weights: ReadonlyMap<string, ConstantData> } {
  return precision === 'fp16' ? inFloat16(graph, weights) : { graph, weights };
}

/** The graph with (pixels / 255 − mean) / std in front, from pixels with channels last. */
function fromPixels(graph: Graph, { spec, mean, std }: ImageModel): Graph {
  const { channels, height, width } = spec.image;
  const pixels = input('images', ['batch', height, width, channels], 'uint8');
  const planes = transpose(cast(pixels, 'float32'), [0, 3, 1, 2]);
  const perChannel = (of: (mean: number, std: number) => number): Value =>
    constant(
      Float32Array.from(mean, (m, c) => of(m, std[c] ?? 1)),
      [channels, 1, 1],
    );
  const scaled = mul(
    planes,
    perChannel((_m, s) => 1 / (255 * s)),
  );
  const images = add(
    scaled,
    perChannel((m, s) => -m / s),
  );
  const isImages = (value: Value) => isOp(value.node, 'Input') && value.node.attributes.name === 'images';
  const by = new Map(graph.inputs.filter(isImages).map((value) => [value, images]));
  return {
    ...mapOutputs(graph, (outputs) => substitute(outputs, by)),
    inputs: graph.inputs.map((value) => (isImages(value) ? pixels : value)),
  };
}
