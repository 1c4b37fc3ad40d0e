/** model.json: what the page, or another program, needs to know to use the model beside it. */
import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const schema = v.object({
  /** The name of the graph that was trained. */
  name: v.string(),
  dataset: v.string(),
  /** The model takes `images`, uint8 [batch, height, width, channels], and gives `logits`, float32 [batch, classes]. */
  model: v.object({ file: v.string(), bytes: count, precision: v.string() }),
  image: v.object({ channels: count, height: count, width: count }),
  classes: v.array(v.string()),
  /** The normalisation of each channel, for pixels from 0 to 1. The model applies it by itself. */
  mean: v.array(v.number()),
  std: v.array(v.number()),
  /** The fraction of the test images that the model classifies correctly; null where it was not measured. */
  accuracy: v.nullable(v.number()),
  /** Test images and their classes. */
  samples: v.array(v.object({ file: v.string(), label: v.string() })),
});

export type ModelInfo = Readonly<v.InferOutput<typeof schema>>;

/** Checks the value in model.json. Throws UserError where it does not fit. */
export function parseModelInfo(json: unknown): ModelInfo {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? 'the file';
  throw new UserError(`model.json: ${where}: ${mismatch(issue)}; export the model again`);
}
