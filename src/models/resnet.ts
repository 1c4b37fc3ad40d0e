/**
 * Residual networks (He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016): convolutions with batch
 * normalization, in blocks whose input is added to what they give. As in torchvision, the stride of a bottleneck is in its
 * 3×3 convolution, and kernels start as He et al. 2015 say, by their fan out.
 */
import * as v from 'valibot';
import { batchNorm } from '../layers/batch-norm.ts';
import { dense } from '../layers/dense.ts';
import { globalAveragePool, maxPool } from '../layers/pool.ts';
import type { Scope } from '../layers/scope.ts';
import { add, relu } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { channelsLast, sameConv } from './convolutions.ts';
import { checked, MOST_LAYERS, size } from './schema.ts';

/** The kind of block, how many each stage has, and the channels of the first stage; each next has twice as many. */
export const RESNET_VARIANTS = {
  micro: { block: 'basic', blocks: [1, 1, 1], width: 16 },
  18: { block: 'basic', blocks: [2, 2, 2, 2], width: 64 },
  34: { block: 'basic', blocks: [3, 4, 6, 3], width: 64 },
  50: { block: 'bottleneck', blocks: [3, 4, 6, 3], width: 64 },
  101: { block: 'bottleneck', blocks: [3, 4, 23, 3], width: 64 },
} as const;

export const resnetSchema = v.pipe(
  v.strictObject({
    kind: v.literal('resnet'),
    /** A row of the table, whose fields those below replace where given. */
    variant: v.optional(v.picklist(['micro', '18', '34', '50', '101'])),
    /** `cifar`: a 3×3 convolution. `imagenet`: a 7×7 one of stride 2 and a max pool, which leave a sixteenth of the pixels. */
    stem: v.picklist(['cifar', 'imagenet']),
    /** `basic`: two 3×3 convolutions. `bottleneck`: 1×1, 3×3, and 1×1 to four times the width. */
    block: v.optional(v.picklist(['basic', 'bottleneck'])),
    /** How many blocks each stage has; each stage but the first halves rows and columns. */
    blocks: v.optional(v.pipe(v.array(size(MOST_LAYERS)), v.minLength(1), v.maxLength(8))),
    /** The channels of the first stage's 3×3 convolutions. */
    width: v.optional(size(8192)),
  }),
  v.check(
    ({ variant, block, blocks, width }) => variant !== undefined || (block && blocks && width) !== undefined,
    'expected a variant, or block, blocks and width',
  ),
);

/** A variant, or block, blocks and width; and which stem. */
export type ResnetConfig = v.InferInput<typeof resnetSchema>;
type CheckedConfig = v.InferOutput<typeof resnetSchema>;

interface Sizes {
  readonly block: 'basic' | 'bottleneck';
  readonly blocks: readonly number[];
  readonly width: number;
}

function sizesOf({ variant, block, blocks, width }: CheckedConfig): Sizes {
  const row: Sizes = RESNET_VARIANTS[variant ?? 'micro'];
  return { block: block ?? row.block, blocks: blocks ?? row.blocks, width: width ?? row.width };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for a
 * config that is none, and where the images are too small for the stem.
 */
export function resnet(scope: Scope, images: Value, classes: number, given: ResnetConfig): Value {
  const config = checked('resnet', resnetSchema, given);
  const { block, blocks, width } = sizesOf(config);
  const stem = scope.sub('stem');
  const pixels = channelsLast(images);
  let y =
    config.stem === 'cifar'
      ? relu(normed(stem, '', pixels, width, 3))
      : maxPool(relu(normed(stem, '', pixels, width, 7, 2)), 3, { stride: 2, padding: 1 });
  blocks.forEach((count, stage) => {
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      y = BLOCKS[block](scope.sub(`stage${stage}`).sub(`block${i}`), y, width * 2 ** stage, stride);
    }
  });
  return dense(scope.sub('head'), globalAveragePool(y), classes);
}

/** Adds a block's input to what it computes of it: [batch, height, width, channels], `stride` times smaller each way. */
type Block = (scope: Scope, x: Value, width: number, stride: number) => Value;

const BLOCKS: Readonly<Record<Sizes['block'], Block>> = {
  basic: (scope, x, width, stride) => {
    const y = relu(normed(scope, '1', x, width, 3, stride));
    return residual(scope, x, normed(scope, '2', y, width, 3), stride);
  },
  bottleneck: (scope, x, width, stride) => {
    const narrow = relu(normed(scope, '1', x, width, 1));
    const y = relu(normed(scope, '2', narrow, width, 3, stride));
    return residual(scope, x, normed(scope, '3', y, 4 * width, 1), stride);
  },
};

/** relu(x + y); where their shapes differ, x goes through a 1×1 convolution of that stride. */
function residual(scope: Scope, x: Value, y: Value, stride: number): Value {
  const isSame = sameShape(x.shape, y.shape);
  const channels = Number(y.shape.at(-1));
  return relu(add(y, isSame ? x : normed(scope.sub('shortcut'), '', x, channels, 1, stride)));
}

/** `conv<name>` and `norm<name>`: a convolution that keeps the size but for its stride, and batch normalization. */
function normed(scope: Scope, name: string, x: Value, channels: number, kernel: number, stride = 1): Value {
  const y = sameConv(scope.sub(`conv${name}`), x, channels, kernel, stride);
  return batchNorm(scope.sub(`norm${name}`), y);
}
