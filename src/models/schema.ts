/** What the schemas of models are made of. */
import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';

/** The most layers that a model may have: the time to write a graph grows faster than they do. */
export const MOST_LAYERS = 128;

/**
 * An integer from 1 to `most`. Every size has a bound: what a slip of the finger makes of a number would otherwise keep
 * the machine busy for hours, without a word.
 */
export function size(most: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));
}

/** The chance to leave something out while training: from 0 to below 1. Left out it is 0, and a config stays as it was written. */
export function rate() {
  return v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)));
}

/** What models of pre-norm blocks (transformer.ts) have in common. */
export const BLOCK_ENTRIES = {
  /** The width of the MLP over that of a token. */
  mlpRatio: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(64)), 4),
  /** Of elements: behind the embedding, in the MLP, and of what each attention and each MLP gives. 0 if left out. */
  dropout: rate(),
  /** Of attention weights; 0 if left out. */
  attentionDropout: rate(),
  /** Of whole branches, by example: of the last block's; it grows evenly from 0, in CaiT it is that of all. 0 if left out. */
  stochasticDepth: rate(),
};

/** The config of a model with its defaults. Throws UserError that names the model and the first field that does not fit. */
export function checked<const S extends v.GenericSchema>(
  model: string,
  schema: S,
  config: v.InferInput<S>,
): v.InferOutput<S> {
  const result = v.safeParse(schema, config);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(`${model}: ${[v.getDotPath(issue) ?? [], mismatch(issue)].flat().join(': ')}`);
}
