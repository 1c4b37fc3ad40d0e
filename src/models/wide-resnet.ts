/**
 * Wide residual networks (Zagoruyko & Komodakis, *Wide Residual Networks*, BMVC 2016, table 1) for images of CIFAR's size:
 * three stages of pre-activated blocks (He et al., *Identity Mappings in Deep Residual Networks*, 2016). WRN-d-k has d
 * layers and k times the channels of a ResNet. As in the authors' code, what changes its shape goes through a 1×1
 * convolution of the block's activated input. The code of Zhao et al. 2022 pools it and adds channels of zeros instead, as
 * `pyramidnet` does.
 */
import * as v from 'valibot';
import { batchNorm } from '../layers/batch-norm.ts';
import { dense } from '../layers/dense.ts';
import { dropout } from '../layers/dropout.ts';
import { globalAveragePool } from '../layers/pool.ts';
import type { Scope } from '../layers/scope.ts';
import { add, relu } from '../onnx/ops.ts';
import { sameShape } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { channelsLast, sameConv } from './convolutions.ts';
import { checked, rate, size } from './schema.ts';

/** Layers, and how many times as wide as a ResNet. */
export const WIDE_RESNET_VARIANTS = {
  micro: { depth: 10, widen: 1 },
  '16-4': { depth: 16, widen: 4 },
  '28-10': { depth: 28, widen: 10 },
  '40-10': { depth: 40, widen: 10 },
} as const;

/** The channels of the stem, and of the stages of a network that is not widened. */
const STEM = 16;
const STAGES = [16, 32, 64] as const;

export const wideResnetSchema = v.pipe(
  v.strictObject({
    kind: v.literal('wide-resnet'),
    /** A row of the table, whose fields those below replace where given. */
    variant: v.optional(v.picklist(['micro', '16-4', '28-10', '40-10'])),
    /** How many layers: 4 more than a multiple of 6. */
    depth: v.optional(
      v.pipe(
        size(512),
        v.check((depth) => depth >= 10 && depth % 6 === 4, 'expected 10, 16, 22, 28 or so on, by steps of 6'),
      ),
    ),
    /** By how much the channels of the stages, 16, 32 and 64, are multiplied. */
    widen: v.optional(size(128)),
    /** Between a block's convolutions; the paper's is 0.3 where it has one. */
    dropout: rate(),
  }),
  v.check(
    ({ variant, depth, widen }) => variant !== undefined || (depth && widen) !== undefined,
    'expected a variant, or depth and widen',
  ),
);

/** A variant, or depth and widen; and dropout. */
export type WideResnetConfig = v.InferInput<typeof wideResnetSchema>;

/**
 * Images float32 [batch, channels, height, width] → logits float32 [batch, classes], before softmax. Throws UserError for a
 * config that is none.
 */
export function wideResnet(scope: Scope, images: Value, classes: number, given: WideResnetConfig): Value {
  const config = checked('wideResnet', wideResnetSchema, given);
  const row = WIDE_RESNET_VARIANTS[config.variant ?? 'micro'];
  const { depth = row.depth, widen = row.widen, dropout: dropRate = 0 } = config;
  const blocks = (depth - 4) / 6;
  let y = sameConv(scope.sub('stem').sub('conv'), channelsLast(images), STEM, 3);
  STAGES.forEach((width, stage) => {
    for (let i = 0; i < blocks; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const own = scope.sub(`stage${stage}`).sub(`block${i}`);
      y = block(own, y, width * widen, stride, dropRate);
    }
  });
  return dense(scope.sub('head'), globalAveragePool(relu(batchNorm(scope.sub('norm'), y))), classes);
}

function block(scope: Scope, x: Value, channels: number, stride: number, dropRate: number): Value {
  const activated = relu(batchNorm(scope.sub('norm1'), x));
  const hidden = relu(
    batchNorm(scope.sub('norm2'), sameConv(scope.sub('conv1'), activated, channels, 3, stride)),
  );
  const y = sameConv(scope.sub('conv2'), dropout(scope.sub('drop'), hidden, dropRate), channels, 3);
  const isSame = sameShape(x.shape, y.shape);
  return add(y, isSame ? x : sameConv(scope.sub('shortcut'), activated, channels, 1, stride));
}
