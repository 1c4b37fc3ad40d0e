/**
 * The Swin Transformer (Liu et al., *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*, ICCV 2021):
 * attention within windows, which every second block moves by half a window; a bias for relative positions; four tokens
 * merged into one between stages. As in timm, a window is no larger than the grid of its stage, and one as large as the
 * grid is not moved. Kernels start as in `vit`.
 *
 * The authors train with patch 4 and window 7 on 224×224. For 32×32 the committed graphs take patch 2 and window 4: grids
 * of 16, 8, 4 and 2 tokens a side, which the window divides, the last one as a single window of 2×2. Patch 4 would leave
 * one token to the last stage, and patch 1 has four times the work.
 */
import * as v from 'valibot';
import { gelu } from '../autodiff/functions.ts';
import { permuteRows } from '../autodiff/permutation.ts';
import type { Pair } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import { attention } from '../layers/attention.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import { layerNorm } from '../layers/layer-norm.ts';
import { relativePositions } from '../layers/relative-positions.ts';
import type { Scope } from '../layers/scope.ts';
import { add, reduceMean, reshape } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { imagePatches, patchGrid } from './image-patches.ts';
import { BLOCK_ENTRIES, checked, MOST_LAYERS, size } from './schema.ts';
import {
  type GridWindows,
  mergeOrder,
  reorder,
  type StageWindows,
  shiftMask,
  stageWindows,
  windowCounts,
} from './swin-windows.ts';
import { depthRate, mlpWidthOf, preNormBlock } from './transformer.ts';

/** The width of the first stage, which each next one doubles; the blocks and the heads of each stage. */
export const SWIN_VARIANTS = {
  micro: { width: 32, blocks: [2, 4], heads: [2, 4] },
  ti: { width: 96, blocks: [2, 2, 6, 2], heads: [3, 6, 12, 24] },
  s: { width: 96, blocks: [2, 2, 18, 2], heads: [3, 6, 12, 24] },
  b: { width: 128, blocks: [2, 2, 18, 2], heads: [4, 8, 16, 32] },
} as const;

const MOST_STAGES = 8;
/** PyTorch's own, which the authors' norms have. */
const NORM = { epsilon: 1e-5 };

export const swinSchema = v.pipe(
  v.strictObject({
    kind: v.literal('swin'),
    /** A row of the table, whose numbers the fields below replace where given. */
    variant: v.optional(v.picklist(['micro', 'ti', 's', 'b'])),
    patch: size(8192),
    /** Tokens of a window in each direction. */
    window: size(256),
    width: v.optional(size(16384)),
    /** How many blocks each stage has. */
    blocks: v.optional(v.pipe(v.array(size(MOST_LAYERS)), v.minLength(1), v.maxLength(MOST_STAGES))),
    /** The heads of each stage. */
    heads: v.optional(v.pipe(v.array(size(1024)), v.minLength(1), v.maxLength(MOST_STAGES))),
    ...BLOCK_ENTRIES,
  }),
  v.check(
    ({ variant, width, blocks, heads }) => variant !== undefined || (width && blocks && heads) !== undefined,
    'expected a variant, or width, blocks and heads',
  ),
);

/** A variant, or width, blocks and heads; what else is left out has its default. */
export type SwinConfig = v.InferInput<typeof swinSchema>;
type CheckedConfig = v.InferOutput<typeof swinSchema>;

/** A stage's sizes and windows. */
interface Stage extends StageWindows {
  readonly width: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly blocks: number;
}

function stagesOf(config: CheckedConfig, grid: Pair): Stage[] {
  const row = config.variant ? SWIN_VARIANTS[config.variant] : undefined;
  const first = config.width ?? row?.width ?? 0;
  const blocks: readonly number[] = config.blocks ?? row?.blocks ?? [];
  const heads: readonly number[] = config.heads ?? row?.heads ?? [];
  if (blocks.length !== heads.length) {
    throw new UserError(
      `swin: expected heads for each of ${blocks.length} stages of blocks, got ${heads.length}`,
    );
  }
  return stageWindows('swin', grid, config.window, blocks.length).map((windows, i) => {
    const sizes = { width: first * 2 ** i, heads: expectAt(heads, i) };
    const mlpWidth = mlpWidthOf(`swin: stage ${i}`, { ...sizes, mlpRatio: config.mlpRatio });
    return { ...windows, ...sizes, mlpWidth, blocks: expectAt(blocks, i) };
  });
}

/** Tokens [batch, tokens, width], and the place of each in the grid. */
interface Tokens {
  readonly y: Value;
  readonly order: readonly number[];
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for
 * a config that is none, where heads do not divide a stage's width or a patch the image, and with the stage and its grid
 * where that cannot be halved or the window does not divide it.
 */
export function swin(scope: Scope, images: Value, classes: number, given: SwinConfig): Value {
  const config = checked('swin', swinSchema, given);
  const stages = stagesOf(config, patchGrid('swin', images, config.patch));
  const blocks = stages.reduce((sum, stage) => sum + stage.blocks, 0);
  let tokens = embedded(scope, images, config, stages[0]);
  let done = 0;
  stages.forEach((stage, i) => {
    const part = scope.sub(`stage${i}`);
    const before = stages[i - 1];
    if (before) tokens = merged(part.sub('merge'), tokens, before, stage);
    const depths = Array.from({ length: stage.blocks }, () =>
      depthRate(config.stochasticDepth ?? 0, done++, blocks),
    );
    tokens = attended(part, tokens, stage, config, depths);
  });
  const pooled = reduceMean(layerNorm(scope.sub('norm'), tokens.y, NORM), { axes: [1] });
  return dense(scope.sub('head'), pooled, classes, { init: { kind: 'zeros' } });
}

/** The patches are put in order before they are embedded, where no derivative is needed. */
function embedded(
  scope: Scope,
  images: Value,
  { patch, dropout: rate = 0 }: CheckedConfig,
  stage?: Stage,
): Tokens {
  const order = stage?.orders[0] ?? [];
  const patches = permuteRows(imagePatches('swin', images, patch), reorder([...order.keys()], order));
  const embed = scope.sub('embed');
  const y = layerNorm(embed.sub('norm'), dense(embed, patches, stage?.width ?? 1), NORM);
  return { y: dropout(scope.sub('drop'), y, rate), order };
}

/** Four tokens become one, of half of their numbers. */
function merged(scope: Scope, { y, order }: Tokens, before: Stage, { orders: [next], width }: Stage): Tokens {
  const [batch = 0] = y.shape;
  const four = permuteRows(y, reorder(order, mergeOrder(before.windows[0].grid, next)));
  const normed = layerNorm(scope.sub('norm'), reshape(four, [batch, next.length, 2 * width]), NORM);
  return { y: dense(scope, normed, width, { bias: false }), order: next };
}

/** The blocks of a stage. */
function attended(
  scope: Scope,
  tokens: Tokens,
  { windows, orders, heads, mlpWidth }: Stage,
  { dropout: rate, attentionDropout }: CheckedConfig,
  depths: readonly number[],
): Tokens {
  const there = reorder(...orders);
  let y = tokens.y;
  const attend = windows.map((each) => windowAttention(each, heads, attentionDropout ?? 0));
  depths.forEach((depth, i) => {
    const isMoved = i % 2 === 1;
    if (i > 0) y = permuteRows(y, isMoved ? there : there.inverse);
    y = preNormBlock(scope.sub(`block${i}`), y, {
      attend: expectAt(attend, isMoved ? 1 : 0),
      ...{ mlpWidth, activation: gelu, dropout: rate, depth, epsilon: NORM.epsilon },
    });
  });
  return { y, order: orders[depths.length % 2 === 0 ? 1 : 0] };
}

/** Attention of the tokens in each window, with a bias for relative positions: [batch, tokens, width], and so is the result. */
function windowAttention(windows: GridWindows, heads: number, rate: number) {
  const [count, area] = windowCounts(windows);
  const mask = shiftMask(windows);
  return (scope: Scope, x: Value): Value => {
    const [batch = 0, , width = 0] = x.shape;
    const relative = relativePositions(scope, windows.window, heads);
    const options = { heads, bias: mask ? add(relative, mask) : relative, dropout: rate };
    return reshape(attention(scope, reshape(x, [batch, count, area, width]), options), x.shape);
  };
}
