/**
 * PyramidNet (Han et al., *Deep Pyramidal Residual Networks*, CVPR 2017) for images of CIFAR's size: residual blocks whose
 * channels grow from each to the next, 16 + α·k/N in the k-th of N, without a relu before the first convolution and with
 * batch normalization behind the last (figure 6d). What is added to a block is its input, pooled and with channels of
 * zeros. Channels are rounded to the next integer, as in the code of the authors and of Zhao et al. 2022; the paper's
 * numbers of parameters (26.0 million for 272-200, here 26.2) are those of channels rounded down. With ShakeDrop (Yamada et
 * al., arXiv 1802.02375), block l of L is kept with chance p_l = 1 − l/L·rate, where rate is 1 − p_L.
 */
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { batchNorm } from '../layers/batch-norm.ts';
import { dense } from '../layers/dense.ts';
import { averagePool, globalAveragePool } from '../layers/pool.ts';
import type { Scope } from '../layers/scope.ts';
import { shakeDrop } from '../layers/shake-drop.ts';
import { add, pad, relu } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { channelsLast, sameConv } from './convolutions.ts';
import { checked, rate, size } from './schema.ts';

/** The kind of block, layers, and α: how many channels the network gains. */
export const PYRAMIDNET_VARIANTS = {
  micro: { block: 'bottleneck', depth: 11, alpha: 12 },
  '110-84': { block: 'basic', depth: 110, alpha: 84 },
  '164-48': { block: 'bottleneck', depth: 164, alpha: 48 },
  '272-200': { block: 'bottleneck', depth: 272, alpha: 200 },
} as const;

const STEM = 16;
const STAGES = 3;
/** Layers of a block. */
const LAYERS = { basic: 2, bottleneck: 3 } as const;

export const pyramidnetSchema = v.pipe(
  v.strictObject({
    kind: v.literal('pyramidnet'),
    /** A row of the table, whose fields those below replace where given. */
    variant: v.optional(v.picklist(['micro', '110-84', '164-48', '272-200'])),
    /** `basic`: two 3×3 convolutions. `bottleneck`: 1×1, 3×3, and 1×1 to four times the channels. */
    block: v.optional(v.picklist(['basic', 'bottleneck'])),
    /** How many layers: 2 more than a multiple of 6 with basic blocks, of 9 with bottlenecks. */
    depth: v.optional(size(512)),
    /** By how much the last block's channels are more than the stem's 16. */
    alpha: v.optional(size(8192)),
    /** ShakeDrop: the chance that the last block is dropped; 0 by default. The paper's is 0.5. */
    shakeDrop: rate(),
  }),
  v.check(
    ({ variant, block, depth, alpha }) => variant !== undefined || (block && depth && alpha) !== undefined,
    'expected a variant, or block, depth and alpha',
  ),
  v.check((config) => {
    const { block, depth } = sizesOf(config);
    return depth > 2 && (depth - 2) % (STAGES * LAYERS[block]) === 0;
  }, 'expected a depth of 2 + 6n with basic blocks, 2 + 9n with bottlenecks'),
);

/** A variant, or block, depth and alpha; and ShakeDrop. */
export type PyramidnetConfig = v.InferInput<typeof pyramidnetSchema>;

interface Sizes {
  readonly block: keyof typeof LAYERS;
  readonly depth: number;
  readonly alpha: number;
}

function sizesOf({ variant, block, depth, alpha }: Omit<PyramidnetConfig, 'kind' | 'shakeDrop'>): Sizes {
  const row: Sizes = PYRAMIDNET_VARIANTS[variant ?? 'micro'];
  return { block: block ?? row.block, depth: depth ?? row.depth, alpha: alpha ?? row.alpha };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for a
 * config that is none, and where 4 does not divide rows and columns.
 */
export function pyramidnet(scope: Scope, images: Value, classes: number, given: PyramidnetConfig): Value {
  const config = checked('pyramidnet', pyramidnetSchema, given);
  const { block, depth, alpha } = sizesOf(config);
  const sides = images.shape.slice(2).map(Number);
  if (sides.some((side) => side % 2 ** (STAGES - 1) !== 0)) {
    throw new UserError(
      `pyramidnet: expected images whose rows and columns ${2 ** (STAGES - 1)} divides, got ${sides.join(' × ')}`,
    );
  }
  const perStage = (depth - 2) / (STAGES * LAYERS[block]);
  const count = STAGES * perStage;
  const stem = scope.sub('stem');
  let y = batchNorm(stem.sub('norm'), sameConv(stem.sub('conv'), channelsLast(images), STEM, 3));
  for (let k = 1; k <= count; k++) {
    const [stage, i] = [Math.floor((k - 1) / perStage), (k - 1) % perStage];
    const own = scope.sub(`stage${stage}`).sub(`block${i}`);
    const stride = stage > 0 && i === 0 ? 2 : 1;
    const branch = BRANCHES[block](own, y, Math.round(STEM + (alpha * k) / count), stride);
    const shaken = shakeDrop(own.sub('shake'), branch, 1 - (k / count) * (config.shakeDrop ?? 0));
    y = add(shaken, shortcut(y, Number(branch.shape[3]), stride));
  }
  return dense(scope.sub('head'), globalAveragePool(relu(batchNorm(scope.sub('norm'), y))), classes);
}

/** What a block adds to its input: [batch, height, width, channels], `stride` times smaller each way. */
type Branch = (scope: Scope, x: Value, channels: number, stride: number) => Value;

const BRANCHES: Readonly<Record<Sizes['block'], Branch>> = {
  basic: (scope, x, channels, stride) => {
    const y = sameConv(scope.sub('conv1'), batchNorm(scope.sub('norm1'), x), channels, 3, stride);
    const z = sameConv(scope.sub('conv2'), relu(batchNorm(scope.sub('norm2'), y)), channels, 3);
    return batchNorm(scope.sub('norm3'), z);
  },
  bottleneck: (scope, x, channels, stride) => {
    const narrow = sameConv(scope.sub('conv1'), batchNorm(scope.sub('norm1'), x), channels, 1);
    const y = sameConv(scope.sub('conv2'), relu(batchNorm(scope.sub('norm2'), narrow)), channels, 3, stride);
    const z = sameConv(scope.sub('conv3'), relu(batchNorm(scope.sub('norm3'), y)), 4 * channels, 1);
    return batchNorm(scope.sub('norm4'), z);
  },
};

/** The input without parameters of its own: the mean of each square of `stride` pixels, and channels of zeros behind. */
function shortcut(x: Value, channels: number, stride: number): Value {
  const pooled = stride === 1 ? x : averagePool(x, stride);
  const more = channels - Number(x.shape[3]);
  return more === 0 ? pooled : pad(pooled, 3, 0, more);
}
