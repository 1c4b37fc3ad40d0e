/**
 * CaiT (Touvron et al., *Going deeper with Image Transformers*, ICCV 2021): pre-norm blocks over the patches alone, with
 * talking heads and LayerScale, and behind them a few blocks in which only the class token looks. As in timm, LayerScale
 * is in both, and what is left out at random is left out of the blocks over patches; the rate of stochastic depth is the
 * same in all of them. Kernels start as in `vit`.
 */
import * as v from 'valibot';
import { gelu } from '../autodiff/functions.ts';
import { attention } from '../layers/attention.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import { layerNorm } from '../layers/layer-norm.ts';
import { positions, withClassToken } from '../layers/positions.ts';
import type { Scope } from '../layers/scope.ts';
import { concat, reshape, slice } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { imagePatches } from './image-patches.ts';
import { BLOCK_ENTRIES, checked, MOST_LAYERS, size } from './schema.ts';
import { mlpWidthOf, preNormBlock } from './transformer.ts';

/** Width, blocks over patches, heads, and where LayerScale starts: 0.1 up to 18 blocks (section 2), as in timm beyond. */
export const CAIT_VARIANTS = {
  micro: { width: 64, layers: 3, heads: 4, layerScale: 0.1 },
  'xxs-24': { width: 192, layers: 24, heads: 4, layerScale: 1e-5 },
  'xxs-36': { width: 192, layers: 36, heads: 4, layerScale: 1e-5 },
  'xs-24': { width: 288, layers: 24, heads: 6, layerScale: 1e-5 },
  's-24': { width: 384, layers: 24, heads: 8, layerScale: 1e-5 },
  's-36': { width: 384, layers: 36, heads: 8, layerScale: 1e-6 },
} as const;

export const caitSchema = v.pipe(
  v.strictObject({
    kind: v.literal('cait'),
    /** A row of the table, whose numbers the fields below replace where given. */
    variant: v.optional(v.picklist(['micro', 'xxs-24', 'xxs-36', 'xs-24', 's-24', 's-36'])),
    patch: size(8192),
    width: v.optional(size(65536)),
    /** The blocks over patches. */
    layers: v.optional(size(MOST_LAYERS)),
    heads: v.optional(size(1024)),
    /** The blocks in which the class token looks. */
    classLayers: v.optional(size(MOST_LAYERS), 2),
    /** Where the factors of LayerScale start; by the variant, or 1e-5. */
    layerScale: v.optional(v.pipe(v.number(), v.finite())),
    ...BLOCK_ENTRIES,
  }),
  v.check(
    ({ variant, width, layers, heads }) => variant !== undefined || (width && layers && heads) !== undefined,
    'expected a variant, or width, layers and heads',
  ),
);

/** A variant, or width, layers and heads; what else is left out has its default. */
export type CaitConfig = v.InferInput<typeof caitSchema>;
type CheckedConfig = v.InferOutput<typeof caitSchema>;

interface Sizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly layerScale: number;
}

function sizesOf({ variant, ...given }: CheckedConfig): Sizes {
  const row: Partial<Sizes> = variant ? CAIT_VARIANTS[variant] : {};
  return {
    width: given.width ?? row.width ?? 0,
    layers: given.layers ?? row.layers ?? 0,
    heads: given.heads ?? row.heads ?? 0,
    layerScale: given.layerScale ?? row.layerScale ?? 1e-5,
  };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for
 * a config that is none, and where heads do not divide the width or a patch the image.
 */
export function cait(scope: Scope, images: Value, classes: number, given: CaitConfig): Value {
  const config = checked('cait', caitSchema, given);
  const { width, layers, heads, layerScale } = sizesOf(config);
  const mlpWidth = mlpWidthOf('cait', { width, heads, mlpRatio: config.mlpRatio });
  const { patch, dropout: rate = 0, attentionDropout = 0, stochasticDepth: depth } = config;
  const block = { mlpWidth, activation: gelu, layerScale };
  const embedded = dense(scope.sub('embed'), imagePatches('cait', images, patch), width);
  let y = dropout(scope.sub('drop'), positions(scope, embedded), rate);
  for (let i = 0; i < layers; i++) {
    y = preNormBlock(scope.sub(`block${i}`), y, {
      attend: (attn, x) => attention(attn, x, { heads, talkingHeads: true, dropout: attentionDropout }),
      ...{ ...block, dropout: rate, depth },
    });
  }
  const first = (x: Value): Value => slice(x, 1, 0, 1);
  const attend = (attn: Scope, x: Value): Value => attention(attn, x, { heads, queries: first(x) });
  let seen = withClassToken(scope, y);
  let token = first(seen);
  for (let i = 0; i < config.classLayers; i++) {
    if (i > 0) seen = concat([token, y], 1);
    token = preNormBlock(scope.sub(`class${i}`), token, { ...block, attend, seen });
  }
  const normed = layerNorm(scope.sub('norm'), token);
  const [batch = 0] = images.shape;
  return dense(scope.sub('head'), reshape(normed, [batch, width]), classes, { init: { kind: 'zeros' } });
}
