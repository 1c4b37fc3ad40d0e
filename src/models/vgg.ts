/**
 * VGG with batch normalization (Simonyan & Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*,
 * ICLR 2015, table 1): stages of 3×3 convolutions, each stage behind a max pool. As in torchvision's vgg16_bn, every
 * convolution has a bias and then batch normalization.
 */
import * as v from 'valibot';
import { batchNorm } from '../layers/batch-norm.ts';
import { conv } from '../layers/conv.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import { maxPool } from '../layers/pool.ts';
import type { Scope } from '../layers/scope.ts';
import { relu, reshape, transpose } from '../onnx/ops.ts';
import { product } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { channelsLast } from './convolutions.ts';
import { checked, MOST_LAYERS, rate, size } from './schema.ts';

/** How many convolutions each stage has, and how many channels. 11, 13, 16 and 19 are the paper's A, B, D and E. */
export const VGG_VARIANTS = {
  micro: { blocks: [1, 1, 1], widths: [16, 32, 64] },
  11: { blocks: [1, 1, 2, 2, 2], widths: [64, 128, 256, 512, 512] },
  13: { blocks: [2, 2, 2, 2, 2], widths: [64, 128, 256, 512, 512] },
  16: { blocks: [2, 2, 3, 3, 3], widths: [64, 128, 256, 512, 512] },
  19: { blocks: [2, 2, 4, 4, 4], widths: [64, 128, 256, 512, 512] },
} as const;

const stages = <T extends v.GenericSchema>(each: T) =>
  v.optional(v.pipe(v.array(each), v.minLength(1), v.maxLength(8)));

export const vggSchema = v.pipe(
  v.strictObject({
    kind: v.literal('vgg'),
    /** A row of the table, whose fields those below replace where given. */
    variant: v.optional(v.picklist(['micro', '11', '13', '16', '19'])),
    /** How many convolutions each stage has. */
    blocks: stages(size(MOST_LAYERS)),
    /** The channels of each stage. */
    widths: stages(size(8192)),
    /** Widths of hidden layers before the logits, none by default. The paper's for ImageNet are [4096, 4096]. */
    hidden: v.optional(v.pipe(v.array(size(65536)), v.maxLength(8))),
    /** Of each hidden layer; the paper's is 0.5. */
    dropout: rate(),
  }),
  v.check(
    ({ variant, blocks, widths }) => variant !== undefined || (blocks && widths) !== undefined,
    'expected a variant, or blocks and widths',
  ),
  v.check((config) => {
    const { blocks, widths } = sizesOf(config);
    return blocks.length === widths.length;
  }, 'expected as many blocks as widths, one for each stage'),
);

/** A variant, or blocks and widths; and what is between the last stage and the logits. */
export type VggConfig = v.InferInput<typeof vggSchema>;

interface Sizes {
  readonly blocks: readonly number[];
  readonly widths: readonly number[];
}

function sizesOf({ variant, blocks, widths }: Omit<VggConfig, 'kind' | 'hidden' | 'dropout'>): Sizes {
  const row: Sizes = VGG_VARIANTS[variant ?? 'micro'];
  return { blocks: blocks ?? row.blocks, widths: widths ?? row.widths };
}

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. What the last stage
 * leaves is laid in a row, channel by channel as in torchvision: 7 × 7 pixels of an image of 224 × 224, one of 32 × 32.
 * Throws UserError for a config that is none, and where the images are too small for so many stages.
 */
export function vgg(scope: Scope, images: Value, classes: number, given: VggConfig): Value {
  const config = checked('vgg', vggSchema, given);
  const { blocks, widths } = sizesOf(config);
  let y = channelsLast(images);
  widths.forEach((width, stage) => {
    const own = scope.sub(`stage${stage}`);
    for (let i = 0; i < (blocks[stage] ?? 0); i++) {
      const x = conv(own.sub(`conv${i}`), y, width, { padding: 1, init: { kind: 'he-normal', fan: 'out' } });
      y = relu(batchNorm(own.sub(`norm${i}`), x));
    }
    y = maxPool(y, 2);
  });
  const [batch = 0, ...pixels] = y.shape;
  let features = reshape(transpose(y, [0, 3, 1, 2]), [batch, product(pixels)]);
  (config.hidden ?? []).forEach((width, i) => {
    const own = scope.sub(`fc${i + 1}`);
    features = dropout(own.sub('drop'), relu(dense(own, features, width)), config.dropout ?? 0);
  });
  return dense(scope.sub('head'), features, classes);
}
