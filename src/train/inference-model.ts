/** A checkpoint as one ONNX file: weights inside, any batch size, and what a caller must know in its metadata. */
import { buildInference } from '../artifacts/build.ts';
import type { Spec } from '../artifacts/spec.ts';
import { serialize } from '../onnx/serialize.ts';

export interface InferenceModel {
  readonly spec: Spec;
  /** By path. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly classes: readonly string[];
  /** Per channel, for pixels on the scale 0 … 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * The bytes of the model: `images` float32 [batch, channels, height, width] → `logits` float32 [batch, classes].
 * Metadata: `classes` (JSON list of names), `mean` and `std` (JSON lists, per channel), `input_size` (JSON object).
 */
export function inferenceModel({ spec, weights, classes, mean, std }: InferenceModel): Uint8Array {
  return serialize(buildInference(spec), {
    weights,
    doc: 'Images are float32 [batch, channels, height, width]: pixels on the scale 0 to 1, minus mean, divided by std.',
    metadata: {
      classes: JSON.stringify(classes),
      mean: JSON.stringify(mean),
      std: JSON.stringify(std),
      input_size: JSON.stringify(spec.image),
    },
  });
}
