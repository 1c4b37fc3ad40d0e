/** Swin: published parameter counts, its windows, its masks, and what a config that does not fit is told. */
import test from 'ava';
import { Scope } from '../../src/layers/scope.ts';
import { SWIN_VARIANTS, type SwinConfig, swin } from '../../src/models/swin.ts';
import { type GridWindows, mergeOrder, shiftMask, stageWindows } from '../../src/models/swin-windows.ts';
import { inlineCalls, topologicalOrder } from '../../src/onnx/graph.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { operands } from '../../src/onnx/value.ts';
import { prepare } from '../../src/passes/finish.ts';
import { Random } from '../../src/random.ts';
import { classification } from '../../src/tasks/classification.ts';
import { run } from '../_run.ts';
import { expectSlicesToAgree } from './_sliced.ts';

type Config = Omit<SwinConfig, 'kind'>;

function built(config: Config, side: number | readonly [number, number], classes: number, training = true) {
  const scope = new Scope({ training });
  const [height, width] = typeof side === 'number' ? [side, side] : side;
  swin(scope, input('images', [2, 3, height, width]), classes, { kind: 'swin', ...config });
  return scope;
}

const count = (config: Config, side: number, classes: number): number =>
  built(config, side, classes).parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * By timm 1.0.31, of swin_*_patch4_window7_224; and of the same at 32×32:
 *
 *     timm.create_model('swin_tiny_patch4_window7_224', img_size=32, patch_size=2, window_size=4, num_classes=10)
 *
 * micro: with embed_dim=32, depths=(2, 4), num_heads=(2, 4).
 */
const PUBLISHED: Readonly<Record<keyof typeof SWIN_VARIANTS, readonly [imagenet: number, cifar: number]>> = {
  micro: [303_932, 236_030],
  ti: [28_288_354, 27_505_108],
  s: [49_606_258, 48_805_732],
  b: [87_768_224, 86_701_186],
};

for (const variant of ['micro', 'ti', 's', 'b'] as const) {
  test(`Swin-${variant} has as many parameters as published`, (t) => {
    const [imagenet, cifar] = PUBLISHED[variant];
    t.is(count({ variant, patch: 4, window: 7 }, 224, 1000), imagenet);
    t.is(count({ variant, patch: 2, window: 4 }, 32, 10), cifar);
  });
}

test('every variant has a published count', (t) => {
  t.deepEqual(Object.keys(SWIN_VARIANTS).sort(), Object.keys(PUBLISHED).sort());
});

/**
 * For a grid of 4 × 4 and a window of 2 timm's rolled and partitioned tokens are, window by window:
 *
 *     window_partition(torch.arange(16).reshape(1, 4, 4, 1).roll((-1, -1), (1, 2)), (2, 2)).flatten().tolist()
 */
test('the order of tokens is that of rolled and partitioned ones', (t) => {
  const [stage, last] = stageWindows('swin', [4, 4], 2, 2);
  t.deepEqual(stage?.orders[0], [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  t.deepEqual(stage?.orders[1], [5, 6, 9, 10, 7, 4, 11, 8, 13, 14, 1, 2, 15, 12, 3, 0]);
  // A window as large as the grid is not moved.
  t.deepEqual(last?.orders[1], [0, 1, 2, 3]);
  t.deepEqual(mergeOrder([4, 4], [3, 0]), [10, 14, 11, 15, 0, 4, 1, 5]);
});

/** By timm: SwinTransformerBlock(4, (2, 4), 1, window_size=2, shift_size=1).attn_mask, whose windows are 2 × 2. */
test('the mask of moved windows is of those at the seam', async (t) => {
  const windows: GridWindows = { grid: [2, 4], window: [2, 2], shift: [0, 1] };
  const mask = shiftMask(windows);
  const { y } = await run(mask ? { y: mask } : {}, {});
  const seam = [0, -100, 0, -100, -100, 0, -100, 0];
  t.deepEqual([...(y ?? [])], [...Array(16).fill(0), ...seam, ...seam]);
  t.is(shiftMask({ ...windows, shift: [0, 0] }), undefined);
});

const RANDOM = {
  ...{ patch: 2, window: 2, width: 4, blocks: [2, 1], heads: [1, 2], mlpRatio: 2 },
  ...{ dropout: 0.1, attentionDropout: 0.2, stochasticDepth: 0.4 },
} as const;

/** As timm's SwinTransformer(proj_drop_rate, attn_drop_rate, drop_path_rate), and pos_drop of the authors' code. */
test('a Swin with dropout and stochastic depth has the masks that timm has', (t) => {
  const block = (path: string, windows: number, width: number, heads: number, depth: number) => [
    [`random/${path}/attn/drop/keep`, [2, windows, heads, 4, 4], 0.8],
    [`random/${path}/attn/out/drop/keep`, [2, 4 * windows, width], 0.9],
    ...(depth > 0 ? [[`random/${path}/attn/out/depth/keep`, [2, 1, 1], 1 - depth]] : []),
    [`random/${path}/mlp/fc1/drop/keep`, [2, 4 * windows, 2 * width], 0.9],
    [`random/${path}/mlp/fc2/drop/keep`, [2, 4 * windows, width], 0.9],
    ...(depth > 0 ? [[`random/${path}/mlp/fc2/depth/keep`, [2, 1, 1], 1 - depth]] : []),
  ];
  const { masks, parameters } = built(RANDOM, 8, 3);
  t.deepEqual(
    masks.map(({ name, keep, value }) => [name, value.shape, keep]),
    [
      ['random/drop/keep', [2, 16, 4], 0.9],
      ...block('stage0/block0', 4, 4, 1, 0),
      ...block('stage0/block1', 4, 4, 1, 0.2),
      ...block('stage1/block0', 1, 8, 2, 0.4),
    ],
  );
  const still = built(RANDOM, 8, 3, false);
  t.deepEqual(still.masks, []);
  t.deepEqual(
    still.parameters.map(({ path }) => path),
    parameters.map(({ path }) => path),
  );
});

test('the graphs of a Swin with dropout run with its masks, cut into slices or not', async (t) => {
  const batch = 256;
  const task = classification({
    fields: { images: { dtype: 'float32', shape: [1, 16, 16] } },
    classes: 3,
    model: (scope, { images }) =>
      swin(scope, images ?? input('images', []), 3, { kind: 'swin', ...RANDOM, window: 4 }),
  });
  const random = new Random(1, 'sample');
  await expectSlicesToAgree(t, task, batch, {
    images: Float32Array.from({ length: batch * 256 }, () => random.uniform()),
    labels: Int32Array.from({ length: batch }, (_, i) => i % 3),
  });
});

test('the passes do their work: one product for q, k and v, scales of norms in weights, one Gather a block', (t) => {
  const scope = new Scope();
  const images = input('images', [32, 3, 16, 16]);
  const config: SwinConfig = { kind: 'swin', patch: 2, window: 4, width: 8, blocks: [3], heads: [2] };
  const nodes = topologicalOrder(prepare(inlineCalls([swin(scope, images, 10, config)])));
  const large = (op: string) =>
    nodes.filter((node) => node.op === op && Number(node.outputs[0]?.shape.at(-2)) >= 64).length;
  // The embedding, and q, k, v together, out, fc1 and fc2 of each block.
  t.is(large('Gemm'), 1 + 4 * 3);
  // Of patches, and between the three blocks.
  const gathers = nodes.filter((node) => node.op === 'Gather' && node.outputs[0]?.shape.length === 3);
  t.is(gathers.length, 3);
  // The norms that no linear layer follows: that of the embedding, which the residual takes, and the last.
  const scaled = nodes.filter(
    (node) => node.op === 'Mul' && operands(node).some(({ node: from }) => from.op === 'LayerNormalization'),
  );
  t.is(scaled.length, 2);
});

test('what does not fit is told with its stage and its grid', (t) => {
  const told = (config: Partial<Config>, side: number | readonly [number, number] = 32) =>
    t.throws(() => built({ variant: 'ti', patch: 2, window: 4, ...config }, side, 10))?.message;
  t.is(
    told({ window: 3 }),
    'swin: stage 0: expected a window that divides its grid of 16 × 16 tokens, got 3; take another window, patch or image size',
  );
  t.is(
    told({ window: 8 }, [96, 96]),
    'swin: stage 2: expected a window that divides its grid of 12 × 12 tokens, got 8; take another window, patch or image size',
  );
  t.is(
    told({ patch: 4, window: 1 }, [32, 24]),
    'swin: stage 2: expected an even grid of tokens to merge four to one, got 4 × 3; take fewer stages (blocks and heads), a smaller patch or another image size',
  );
  t.is(told({ patch: 3 }), 'swin: expected an image size that patch 3 divides, got [32, 32]');
  t.is(told({ heads: [3, 6, 12, 25] }), 'swin: stage 3: expected a width that 25 heads divide, got 768');
  t.is(told({ heads: [3, 6] }), 'swin: expected heads for each of 4 stages of blocks, got 2');
  t.is(told({ variant: undefined }), 'swin: expected a variant, or width, blocks and heads');
  t.is(told({ stochasticDepth: 1 }), 'swin: stochasticDepth: expected <1, got 1');
});
