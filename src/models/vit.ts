/**
 * The Vision Transformer (Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021; small variants from
 * Touvron et al., *DeiT*, ICML 2021): pre-norm blocks, learned positions, class token or mean over tokens,
 * zero-initialised head.
 */
import * as v from 'valibot';
import { gelu, geluTanh } from '../autodiff/functions.ts';
import { dense } from '../layers/dense.ts';
import { positions } from '../layers/positions.ts';
import type { Scope } from '../layers/scope.ts';
import { reduceMean, reshape, slice } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { imagePatches } from './image-patches.ts';
import { BLOCK_ENTRIES, checked, MOST_LAYERS, size } from './schema.ts';
import { mlpWidthOf, transformer } from './transformer.ts';

/** Width, depth, heads; the MLP is four times as wide. */
export const VIT_VARIANTS = {
  micro: { width: 64, layers: 4, heads: 4 },
  ti: { width: 192, layers: 12, heads: 3 },
  s: { width: 384, layers: 12, heads: 6 },
  b: { width: 768, layers: 12, heads: 12 },
  l: { width: 1024, layers: 24, heads: 16 },
} as const;

export const vitSchema = v.pipe(
  v.strictObject({
    kind: v.literal('vit'),
    /** A row of the table, whose numbers the fields below replace where given. */
    variant: v.optional(v.picklist(['micro', 'ti', 's', 'b', 'l'])),
    patch: size(8192),
    width: v.optional(size(65536)),
    layers: v.optional(size(MOST_LAYERS)),
    heads: v.optional(size(1024)),
    pool: v.optional(v.picklist(['class', 'mean']), 'class'),
    activation: v.optional(v.picklist(['gelu', 'gelu-tanh']), 'gelu'),
    /** How the kernel of the patch embedding starts: `xavier-uniform` if left out. */
    embedInit: v.optional(v.picklist(['xavier-uniform', 'lecun-normal'])),
    ...BLOCK_ENTRIES,
  }),
  v.check(
    ({ variant, width, layers, heads }) => variant !== undefined || (width && layers && heads) !== undefined,
    'expected a variant, or width, layers and heads',
  ),
);

/** A variant, or width, layers and heads; what else is left out has its default. */
export type VitConfig = v.InferInput<typeof vitSchema>;
type CheckedConfig = v.InferOutput<typeof vitSchema>;

interface Sizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
}

function sizesOf({ variant, ...given }: CheckedConfig): Sizes {
  const row: Partial<Sizes> = variant ? VIT_VARIANTS[variant] : {};
  return {
    width: given.width ?? row.width ?? 0,
    layers: given.layers ?? row.layers ?? 0,
    heads: given.heads ?? row.heads ?? 0,
  };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for
 * a config that is none, and where heads do not divide the width or a patch the image.
 */
export function vit(scope: Scope, images: Value, classes: number, given: VitConfig): Value {
  const config = checked('vit', vitSchema, given);
  const { width, layers, heads } = sizesOf(config);
  const mlpWidth = mlpWidthOf('vit', { width, heads, mlpRatio: config.mlpRatio });
  const activation = config.activation === 'gelu' ? gelu : geluTanh;
  const { pool, patch, dropout, attentionDropout, stochasticDepth } = config;
  const rates = { dropout, attentionDropout, stochasticDepth };
  const init = { kind: config.embedInit ?? 'xavier-uniform' };
  const embedded = dense(scope.sub('embed'), imagePatches('vit', images, patch), width, { init });
  const tokens = positions(scope, embedded, { classToken: pool === 'class' });
  const y = transformer(scope, tokens, { layers, heads, mlpWidth, activation, ...rates });
  const [batch = 0] = images.shape;
  const pooled = pool === 'class' ? reshape(slice(y, 1, 0, 1), [batch, width]) : reduceMean(y, { axes: [1] });
  return dense(scope.sub('head'), pooled, classes, { init: { kind: 'zeros' } });
}
