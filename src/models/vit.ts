/**
 * The Vision Transformer (Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021; small variants from
 * Touvron et al., *DeiT*, ICML 2021): pre-norm blocks, learned positions, class token or mean over tokens,
 * zero-initialised head. No dropout.
 */
import * as v from 'valibot';
import { dense, gelu, geluTanh, layerNorm } from '../autodiff/functions.ts';
import type { Scope } from '../layers/scope.ts';
import { add, matmul, pad, reduceMean, reshape, slice, softmax, transpose } from '../onnx/ops.ts';
import { product, show, staticDim } from '../onnx/shapes.ts';
import type { Dim, Value } from '../onnx/value.ts';
import { checked, MOST_LAYERS, size } from './schema.ts';

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
    mlpRatio: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(64)), 4),
    pool: v.optional(v.picklist(['class', 'mean']), 'class'),
    activation: v.optional(v.picklist(['gelu', 'gelu-tanh']), 'gelu'),
  }),
  v.check(
    ({ variant, width, layers, heads }) => variant !== undefined || (width && layers && heads) !== undefined,
    'expected a variant, or width, layers and heads',
  ),
);

/** A variant, or width, layers and heads; what else is left out has its default. */
export type VitConfig = v.InferInput<typeof vitSchema>;
type CheckedConfig = v.InferOutput<typeof vitSchema>;

/** In the papers' code (big_vision, timm) 1e-6, not ONNX's 1e-5. */
const NORM_EPSILON = 1e-6;

interface Sizes {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
}

function sizesOf({ variant, mlpRatio, ...given }: CheckedConfig): Sizes {
  const row: Partial<Sizes> = variant ? VIT_VARIANTS[variant] : {};
  const width = given.width ?? row.width ?? 0;
  const layers = given.layers ?? row.layers ?? 0;
  const heads = given.heads ?? row.heads ?? 0;
  if (width % heads !== 0) {
    throw new Error(`vit: expected a width that ${heads} heads divide, got ${width}`);
  }
  const mlpWidth = Math.round(width * mlpRatio);
  if (mlpWidth < 1) {
    throw new Error(
      `vit: expected an mlpRatio that gives the MLP a width of at least 1, got ${mlpRatio} × ${width}`,
    );
  }
  return { width, layers, heads, mlpWidth };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for
 * a config that is none, and an Error where heads do not divide the width or a patch the image.
 */
export function vit(scope: Scope, images: Value, classes: number, given: VitConfig): Value {
  const config = checked('vit', vitSchema, given);
  const { width, layers, heads, mlpWidth } = sizesOf(config);
  const activation = config.activation === 'gelu' ? gelu : geluTanh;
  let x = embed(scope, images, width, config);
  for (let i = 0; i < layers; i++) {
    const block = scope.sub(`block${i}`);
    x = add(x, attention(block.sub('attn'), norm(block.sub('norm1'), x), heads));
    x = add(x, mlp(block.sub('mlp'), norm(block.sub('norm2'), x), mlpWidth, activation));
  }
  const normalized = norm(scope.sub('norm'), x);
  const [batch = 0] = images.shape;
  const pooled =
    config.pool === 'class'
      ? reshape(slice(normalized, 1, 0, 1), [batch, width])
      : reduceMean(normalized, { axes: [1] });
  return linear(scope.sub('head'), pooled, classes, 'zeros');
}

/** Patches through a linear layer, a class token in front, positions added: [batch, tokens, width]. */
function embed(scope: Scope, images: Value, width: number, { patch, pool }: CheckedConfig): Value {
  const x = linear(scope.sub('embed'), patches(images, patch), width);
  const tokens = staticDim(x.shape[1], 'vit', x.shape);
  if (pool === 'mean')
    return add(x, scope.param('positions', [tokens, width], { kind: 'normal', std: 0.02 }));
  // A zero row in front, and then the class token and the positions in one table: this needs no batch size.
  const token = scope.param('cls', [width], { kind: 'zeros' });
  const positions = scope.param('positions', [tokens + 1, width], { kind: 'normal', std: 0.02 });
  const table = add(positions, pad(reshape(token, [1, width]), 0, 0, tokens));
  return add(pad(x, 1, 1, 0), table);
}

/** [batch, channels, height, width] → [batch, tokens, channels·patch·patch], a patch in (channel, row, column) order. */
function patches(images: Value, patch: number): Value {
  const [batch = 0, channels = 0, height, width] = images.shape;
  const rows = staticDim(height, 'vit', images.shape) / patch;
  const columns = staticDim(width, 'vit', images.shape) / patch;
  if (!Number.isInteger(rows) || !Number.isInteger(columns)) {
    throw new Error(
      `vit: expected an image size that patch ${patch} divides, got ${show(images.shape.slice(2))}`,
    );
  }
  const grid = transpose(reshape(images, [batch, channels, rows, patch, columns, patch]), [0, 2, 4, 1, 3, 5]);
  return reshape(grid, [batch, rows * columns, product([channels, patch, patch])]);
}

function attention(scope: Scope, x: Value, heads: number): Value {
  const [batch = 0, tokens = 0, width] = x.shape;
  const columns = staticDim(width, 'vit', x.shape);
  const size = columns / heads;
  const apart: readonly Dim[] = [batch, tokens, heads, size];
  const project = (name: string): Value =>
    transpose(reshape(linear(scope.sub(name), x, columns), apart), [0, 2, 1, 3]);
  const [query, key, value] = [project('query'), project('key'), project('value')];
  const weights = softmax(matmul(query, key, { transB: true, alpha: 1 / Math.sqrt(size) }));
  const mixed = reshape(transpose(matmul(weights, value), [0, 2, 1, 3]), x.shape);
  return linear(scope.sub('out'), mixed, columns);
}

function mlp(scope: Scope, x: Value, hidden: number, activation: (x: Value) => Value): Value {
  const width = staticDim(x.shape.at(-1), 'vit', x.shape);
  return linear(scope.sub('fc2'), activation(linear(scope.sub('fc1'), x, hidden)), width);
}

function linear(
  scope: Scope,
  x: Value,
  columns: number,
  init: 'xavier-uniform' | 'zeros' = 'xavier-uniform',
): Value {
  const width = staticDim(x.shape.at(-1), 'vit', x.shape);
  return dense(
    x,
    scope.param('kernel', [width, columns], { kind: init }),
    scope.param('bias', [columns], { kind: 'zeros' }),
  );
}

function norm(scope: Scope, x: Value): Value {
  const width = staticDim(x.shape.at(-1), 'vit', x.shape);
  const scale = scope.param('scale', [width], { kind: 'ones' });
  return layerNorm(x, scale, scope.param('bias', [width], { kind: 'zeros' }), NORM_EPSILON);
}
