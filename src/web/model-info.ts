/** model.json: what the page, or another program, must know of the model beside it. */
import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const schema = v.object({
  /** Of the graph that was trained. */
  name: v.string(),
  dataset: v.string(),
  /** The model takes `images`, uint8 [batch, height, width, channels], and gives `logits`, float32 [batch, classes]. */
  model: v.object({ file: v.string(), bytes: count, precision: v.string() }),
  image: v.object({ channels: count, height: count, width: count }),
  classes: v.array(v.string()),
  /** Per channel, for pixels on the scale 0 … 1; the model normalises by itself. */
  mean: v.array(v.number()),
  std: v.array(v.number()),
  /** Share of the test images classified rightly, where it was measured. */
  accuracy: v.nullable(v.number()),
  /** Test images, and the classes they are of. */
  samples: v.array(v.object({ file: v.string(), label: v.string() })),
});

export type ModelInfo = Readonly<v.InferOutput<typeof schema>>;

/** Checks the value in model.json. Throws UserError. */
export function parseModelInfo(json: unknown): ModelInfo {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? 'the file';
  throw new UserError(`model.json: ${where}: ${mismatch(issue)}; export the model again`);
}
