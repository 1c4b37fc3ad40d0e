/**
 * Recurrent classifiers of texts: an embedding, LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) layers
 * over the tokens, padding left out, and a linear head on the last state or on the mean of the states.
 */
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import { embedding } from '../layers/embedding.ts';
import { maskedMean } from '../layers/masked-mean.ts';
import { gru, lstm } from '../layers/recurrent.ts';
import type { Scope } from '../layers/scope.ts';
import { notEqual, transpose } from '../onnx/ops.ts';
import { show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { PADDING } from './encoder.ts';
import { checked, MOST_LAYERS, rate, size } from './schema.ts';

const entries = {
  /** The number of ids; they are below it, and 0 is padding. */
  vocabulary: v.pipe(size(2 ** 22), v.minValue(2)),
  /** Of the embedding; the width if left out. */
  embedding: v.optional(size(65536)),
  /** Of the state of each layer and direction. */
  width: size(65536),
  /** 1 if left out. */
  layers: v.optional(size(MOST_LAYERS)),
  /** Whether each layer goes over the tokens in both directions; false if left out. */
  bidirectional: v.optional(v.boolean()),
  /** What the head reads: the state behind the last token, or the mean of the states of all tokens that are no padding. */
  pool: v.optional(v.picklist(['last', 'mean']), 'last'),
  /** Of the elements of the embedding, of the states between layers, and of what the head reads; 0 if left out. */
  dropout: rate(),
};

export const lstmSchema = v.strictObject({ kind: v.literal('lstm'), ...entries });
export const gruSchema = v.strictObject({ kind: v.literal('gru'), ...entries });

const LAYERS = { lstm, gru } as const;

/** What is left out has its default. */
export type RecurrentConfig = v.InferInput<typeof lstmSchema> | v.InferInput<typeof gruSchema>;

/**
 * Ids int32 or int64 [batch, length], below the vocabulary, 0 for padding, which follows the text → float32 [batch, outputs]: logits before
 * softmax, or predictions. They do not depend on how much padding there is; an example of nothing but padding gives the
 * head zeros. Throws UserError for a config that is none, and for ids of another rank or dtype.
 */
export function recurrentText(scope: Scope, ids: Value, outputs: number, given: RecurrentConfig): Value {
  const schema = v.variant('kind', [lstmSchema, gruSchema]);
  const config = checked('recurrent', schema, given);
  const { kind, vocabulary, width, embedding: embedded = width, layers = 1, pool } = config;
  const { bidirectional = false, dropout: dropped = 0 } = config;
  if (ids.shape.length !== 2 || (ids.dtype !== 'int32' && ids.dtype !== 'int64')) {
    const got = `${ids.dtype} ${show(ids.shape)}`;
    throw new UserError(`${kind}: expected ids int32 or int64 [batch, length], got ${got}`);
  }
  // Steps first: the ids are smaller to transpose than what comes of them.
  const steps = transpose(ids);
  const isReal = notEqual(steps, PADDING);
  const tokens = scope.sub('tokens');
  const x = dropout(tokens.sub('drop'), embedding(tokens, steps, vocabulary, embedded), dropped);
  const states = LAYERS[kind](scope.sub(kind), x, width, {
    ...{ layers, bidirectional, dropout: dropped, mask: isReal, paddingLast: true, stepsFirst: true },
    output: pool === 'mean' ? 'all' : 'last',
  });
  const head = scope.sub('head');
  const read = pool === 'mean' ? maskedMean(states, isReal, 0) : states;
  return dense(head, dropout(head.sub('drop'), read, dropped), outputs);
}
