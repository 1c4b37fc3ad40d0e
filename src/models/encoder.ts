/**
 * A transformer encoder over tokens (Vaswani et al. 2017; pre-norm as in Xiong et al., *On Layer Normalization in the
 * Transformer Architecture*, ICML 2020): learned positions, padding masked, a class token or the mean over tokens, and
 * a head that starts at zero.
 */
import * as v from 'valibot';
import { gelu } from '../autodiff/functions.ts';
import { UserError } from '../errors.ts';
import { dense } from '../layers/dense.ts';
import { embedding } from '../layers/embedding.ts';
import { maskedMean } from '../layers/masked-mean.ts';
import { positions } from '../layers/positions.ts';
import type { Scope } from '../layers/scope.ts';
import { constant, notEqual, or, pad, reshape, slice } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { BLOCK_ENTRIES, checked, MOST_LAYERS, size } from './schema.ts';
import { mlpWidthOf, transformer } from './transformer.ts';

export const encoderSchema = v.strictObject({
  kind: v.literal('encoder'),
  /** The number of ids; they are below it, and 0 is padding. */
  vocabulary: v.pipe(size(2 ** 22), v.minValue(2)),
  width: size(65536),
  layers: size(MOST_LAYERS),
  heads: size(1024),
  /** What the head reads: a learned token in front of the others, or the mean over all that are no padding. */
  pool: v.optional(v.picklist(['class', 'mean']), 'mean'),
  ...BLOCK_ENTRIES,
});

/** What is left out has its default. */
export type EncoderConfig = v.InferInput<typeof encoderSchema>;

/** The id that stands for no token, behind the end of a shorter text. */
export const PADDING = 0;

/**
 * Ids int32 or int64 [batch, length], below the vocabulary, 0 for padding → float32 [batch, outputs]: logits before
 * softmax, or predictions. They do not depend on how much padding there is; an example of nothing but padding gives
 * finite numbers. Throws UserError for a config that is none, where heads do not divide the width, and for ids of another
 * rank or dtype.
 */
export function encoder(scope: Scope, ids: Value, outputs: number, given: EncoderConfig): Value {
  const config = checked('encoder', encoderSchema, given);
  const { vocabulary, width, layers, heads, pool, dropout, attentionDropout, stochasticDepth } = config;
  const mlpWidth = mlpWidthOf('encoder', config);
  if (ids.shape.length !== 2) {
    throw new UserError(`encoder: expected ids [batch, length], got ${show(ids.shape)}`);
  }
  const embedded = embedding(scope.sub('tokens'), ids, vocabulary, width);
  const classToken = pool === 'class';
  const y = transformer(scope, positions(scope, embedded, { classToken }), {
    ...{ layers, heads, mlpWidth, activation: gelu, dropout, attentionDropout, stochasticDepth },
    mask: classToken ? withFirst(ids) : notEqual(ids, PADDING),
  });
  const [batch = 0] = ids.shape;
  const pooled = classToken
    ? reshape(slice(y, 1, 0, 1), [batch, width])
    : maskedMean(y, notEqual(ids, PADDING), 1);
  return dense(scope.sub('head'), pooled, outputs, { init: { kind: 'zeros' } });
}

/** Which tokens are real, behind a class token that always is: bool [batch, 1 + length]. */
function withFirst(ids: Value): Value {
  const length = 1 + staticDim(ids.shape[1], 'encoder: ids', ids.shape);
  const isFirst = constant(
    Uint8Array.from({ length }, (_, i) => (i === 0 ? 1 : 0)),
    [1, length],
    'bool',
  );
  return or(notEqual(pad(ids, 1, 1, 0), PADDING), isFirst);
}
