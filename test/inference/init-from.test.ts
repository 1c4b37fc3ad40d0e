/** Weights of other libraries: the same logits from the same tensors, and what a file that does not fit is told. */
import test from 'ava';
import { type InitFromOptions, initFrom } from '../../src/inference/init-from.ts';
import { resamplePositions } from '../../src/inference/resample-positions.ts';
import { Scope } from '../../src/layers/scope.ts';
import { type ResnetConfig, resnet } from '../../src/models/resnet.ts';
import { vgg } from '../../src/models/vgg.ts';
import { type VitConfig, vit } from '../../src/models/vit.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { NamedTensor } from '../../src/storage/safetensors.ts';
import { run } from '../_run.ts';

const CONFIG = { kind: 'vit', patch: 4, width: 4, layers: 2, heads: 2 } as const;

function model(config: VitConfig = CONFIG, side = 8, classes = 3) {
  const scope = new Scope({ training: false });
  const logits = vit(scope, input('images', [2, 1, side, side]), classes, config);
  return { logits, wanted: scope.parameters };
}

const wave = (k: number, shape: readonly number[], scale = 1) =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin(1.3 * i + k));

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A file's tensors, each a wave, by their order by name. */
const file = (shapes: Shapes): NamedTensor[] =>
  Object.keys(shapes)
    .sort()
    .map((name, k) => ({ name, shape: shapes[name] ?? [], data: wave(k, shapes[name] ?? [], 0.8) }));

/** The weight and the bias of each layer. */
const layers = (prefix: string, outs: Shapes): Shapes =>
  Object.fromEntries(
    Object.entries(outs).flatMap(([name, shape]) => [
      [`${prefix}${name}.weight`, shape],
      [`${prefix}${name}.bias`, shape.slice(0, 1)],
    ]),
  );

const timmBlock = {
  ...{ norm1: [4], 'attn.qkv': [12, 4], 'attn.proj': [4, 4], norm2: [4] },
  ...{ 'mlp.fc1': [16, 4], 'mlp.fc2': [4, 16] },
};
const TIMM: Shapes = {
  ...{ cls_token: [1, 1, 4], pos_embed: [1, 5, 4] },
  ...layers('', { 'patch_embed.proj': [4, 1, 4, 4], norm: [4], head: [3, 4] }),
  ...layers('blocks.0.', timmBlock),
  ...layers('blocks.1.', timmBlock),
};

const hfBlock = {
  ...{ 'attention.attention.query': [4, 4], 'attention.attention.key': [4, 4] },
  ...{ 'attention.attention.value': [4, 4], 'attention.output.dense': [4, 4] },
  ...{ 'intermediate.dense': [16, 4], 'output.dense': [4, 16], layernorm_before: [4], layernorm_after: [4] },
};
const HUGGING_FACE: Shapes = {
  ...{ 'vit.embeddings.cls_token': [1, 1, 4], 'vit.embeddings.position_embeddings': [1, 5, 4] },
  ...layers('vit.', { 'embeddings.patch_embeddings.projection': [4, 1, 4, 4], layernorm: [4] }),
  ...layers('vit.encoder.layer.0.', hfBlock),
  ...layers('vit.encoder.layer.1.', hfBlock),
  ...layers('', { classifier: [3, 4] }),
};

const from = (tensors: readonly NamedTensor[], to = model(), options: Partial<InitFromOptions> = {}) =>
  initFrom(tensors, to.wanted, { origin: 'w.safetensors', ...options });

/** The logits from a file's weights, for images that are a wave. */
async function logitsOf(tensors: readonly NamedTensor[]): Promise<readonly number[]> {
  const { logits } = model();
  const out = await run(
    { logits },
    { ...Object.fromEntries(from(tensors).values), images: wave(9, [2, 1, 8, 8]) },
  );
  return [...(out.logits ?? [])];
}

/**
 * By timm 1.0.31, transformers 5.24 and PyTorch 2.14 in float64:
 *
 *     wave = lambda k, shape: torch.sin(1.3 * torch.arange(shape.numel(), dtype=torch.float64) + k).reshape(shape)
 *     def logits(model, state):
 *         model.load_state_dict({name: 0.8 * wave(k, state[name].shape) for k, name in enumerate(sorted(state))})
 *         print(model.double().eval()(wave(9, torch.Size((2, 1, 8, 8)))))
 *     m = VisionTransformer(img_size=8, patch_size=4, in_chans=1, num_classes=3, embed_dim=4, depth=2, num_heads=2)
 *     logits(m, m.state_dict())
 *
 * and for Hugging Face, whose modules have other names than its files, with the same waves in the file that it reads:
 *
 *     m = ViTForImageClassification(ViTConfig(hidden_size=4, num_hidden_layers=2, num_attention_heads=2,
 *         intermediate_size=16, image_size=8, patch_size=4, num_channels=1, num_labels=3, layer_norm_eps=1e-6))
 */
const LOGITS = {
  timm: [TIMM, [1.0213436, -0.1427043, -1.4508569, 1.0212317, -0.1390111, -1.4472843]],
  'Hugging Face': [HUGGING_FACE, [1.5398584, 1.8949182, -0.0741647, 1.5859538, 1.906066, -0.1098142]],
} as const;

for (const [name, [shapes, expected]] of Object.entries(LOGITS)) {
  test(`the logits of ${name}'s ViT from its file`, async (t) => {
    const got = await logitsOf(file(shapes));
    for (const [i, value] of expected.entries()) {
      t.true(Math.abs((got[i] ?? Number.NaN) - value) < 5e-6, `${got} instead of ${expected}`);
    }
  });
}

test('own weights are taken as they are', (t) => {
  const own = file(Object.fromEntries(model().wanted.map(({ path, shape }) => [path, shape])));
  const { naming, values, notes } = from(own);
  t.is(naming, 'ortgrad');
  t.deepEqual(notes, []);
  t.is(values.size, own.length);
  for (const { name, data } of own) t.deepEqual(values.get(name), Float32Array.from(data, Number));
});

test('names, parts and layouts of timm', (t) => {
  const { naming, values, notes } = from(file(TIMM));
  const tensor = (name: string) =>
    Float32Array.from(file(TIMM).find((each) => each.name === name)?.data ?? [], Number);
  t.is(naming, "timm's ViT");
  t.deepEqual(notes, []);
  t.deepEqual(
    [...values.keys()].sort(),
    model()
      .wanted.map(({ path }) => path)
      .sort(),
  );
  t.deepEqual(values.get('block1/attn/key/bias'), tensor('blocks.1.attn.qkv.bias').subarray(4, 8));
  const qkv = tensor('blocks.0.attn.qkv.weight');
  // Row 2 of the values' weight is column 2 of the kernel.
  t.deepEqual(
    [0, 1, 2, 3].map((row) => values.get('block0/attn/value/kernel')?.[row * 4 + 2]),
    [...qkv.subarray(40, 44)],
  );
  t.is(values.get('embed/kernel')?.[5 * 4 + 3], tensor('patch_embed.proj.weight')[3 * 16 + 5]);
});

test("Hugging Face's names without vit., its pooler, no head; its epsilon is said", (t) => {
  const bare = Object.fromEntries(
    Object.entries(HUGGING_FACE)
      .filter(([name]) => !name.startsWith('classifier'))
      .map(([name, shape]) => [name.replace(/^vit\./, ''), shape]),
  );
  const { naming, values, notes } = from(file({ ...bare, ...layers('', { 'pooler.dense': [4, 4] }) }));
  t.is(naming, "Hugging Face's ViT");
  t.false(values.has('head/kernel') || values.has('head/bias'));
  t.is(values.size, model().wanted.length - 2);
  t.deepEqual(notes, [
    'not used: pooler.dense.bias, pooler.dense.weight',
    'head/kernel, head/bias: the file has none for 3 classes; left at the start',
    'its norms add 1e-12 to the variance (layer_norm_eps), the ones here 1e-6',
  ]);
});

test('a head of another number of classes is left at its start, for each naming', (t) => {
  const own = Object.fromEntries(model().wanted.map(({ path, shape }) => [path, shape]));
  for (const shapes of [own, TIMM, HUGGING_FACE]) {
    const { values, notes } = from(file(shapes), model(CONFIG, 8, 7));
    t.is(values.size, model().wanted.length - 2);
    t.is(notes[0], 'head/kernel, head/bias: the file has none for 7 classes; left at the start');
  }
});

/**
 * timm 1.0.31, in float32:
 *
 *     p = torch.sin(1.3 * torch.arange((1 + src * src) * 2, dtype=torch.float64)).float().reshape(1, -1, 2)
 *     timm.layers.resample_abs_pos_embed(p, new_size=[dst, dst], num_prefix_tokens=1)
 */
const RESAMPLED = [
  [
    ...[3, 5],
    [
      0.0, 0.9635582, 0.737543, -0.7454891, -0.0355468, -0.3993538, -0.9818411, 0.1568821, 0.2759953,
      0.3609341, 1.2203094, 0.4326563, 0.0708277, -0.8738868, -0.1881993, -0.2853195, -0.4489886, 0.5348222,
      0.2981547, 0.1543439, 0.8244836, -0.1925821, -0.9220145, -0.8939651, -0.3761087, -0.0628277, 0.420167,
      0.9867719, 0.2732117, -0.1788285, 0.0841753, -1.0737199, -0.8603251, 0.1084075, -0.1338529, 0.2315218,
      0.8087669, 0.3101253, -0.0642106, -0.3074702, -0.7524065, -0.7268167, -0.7053756, 0.776678, 0.0486685,
      0.4015458, 0.9671822, -0.1913089, -0.2855273, -0.3546951, -1.2232462, -0.3951961,
    ],
  ],
  [
    ...[4, 3],
    [
      0.0, 0.9635582, 0.1917187, -0.2243939, -0.0567408, 0.1977348, -0.0301534, -0.3386419, -0.0664179,
      0.2553518, -0.0209499, -0.1903208, 0.1260715, 0.2865731, -0.0446588, -0.3409945, 0.1031272, 0.2236651,
      -0.2489884, -0.2958756,
    ],
  ],
] as const;

for (const [src, dst, expected] of RESAMPLED) {
  test(`positions of a grid of ${src} × ${src} at ${dst} × ${dst} are timm's`, (t) => {
    const table = wave(0, [1 + src * src, 2]);
    const got = resamplePositions(table, { prefix: 1, width: 2, from: [src, src], to: [dst, dst] });
    t.is(got.length, expected.length);
    for (const [i, value] of expected.entries()) t.true(Math.abs((got[i] ?? 0) - value) < 5e-7, `${i}`);
    t.deepEqual(resamplePositions(table, { prefix: 1, width: 2, from: [src, src], to: [src, src] }), table);
  });
}

test('positions of another grid are interpolated, with or without a class token, also to one that is not square', (t) => {
  const larger = from(file(TIMM), model(CONFIG, 16));
  t.is(larger.values.get('positions')?.length, 17 * 4);
  const before = file(TIMM)
    .find(({ name }) => name === 'pos_embed')
    ?.data.slice(0, 4);
  t.deepEqual(larger.values.get('positions')?.slice(0, 4), before);
  t.deepEqual(larger.notes, ['positions: interpolated from a grid of 2 × 2 to 4 × 4']);

  const mean = { ...CONFIG, pool: 'mean' } as const;
  const { cls_token: _, ...bare } = TIMM;
  const without = from(file({ ...bare, pos_embed: [1, 4, 4] }), model(mean, 16));
  t.is(without.values.get('positions')?.length, 16 * 4);

  const scope = new Scope({ training: false });
  vit(scope, input('images', [2, 1, 8, 12]), 3, CONFIG);
  const wide = { logits: input('x', []), wanted: scope.parameters };
  t.is(from(file(TIMM), wide, { grid: [2, 3] }).values.get('positions')?.length, 7 * 4);
  t.throws(() => from(file(TIMM), wide), {
    message:
      "w.safetensors: the file (names of timm's ViT) does not fit the model: pos_embed cannot be interpolated to 6 positions without the rows and columns of their grid; give the model the file's sizes",
  });
});

test('what does not fit is listed in one line', (t) => {
  const told = (tensors: readonly NamedTensor[], to = model()) => t.throws(() => from(tensors, to))?.message;
  const fit = "w.safetensors: the file (names of timm's ViT) does not fit the model:";
  const end = "give the model the file's sizes";
  t.is(
    told(file(TIMM), model({ ...CONFIG, patch: 2 }, 4)),
    `${fit} its patches have 16 numbers (1 × 4 × 4), the model's 4: patches of another size cannot be converted, so set the model's patch to the file's; ${end}`,
  );
  const { 'norm.bias': _, ...less } = TIMM;
  t.is(
    told(file({ ...less, 'norm.extra': [4] })),
    `${fit} missing norm/bias (norm.bias); left over norm.extra; ${end}`,
  );
  t.is(
    told(file(TIMM), model({ ...CONFIG, layers: 1 })),
    `${fit} left over ${Object.keys(layers('blocks.1.', timmBlock)).sort().join(', ')}; ${end}`,
  );
  t.is(
    told(file({ ...TIMM, 'blocks.0.attn.proj.weight': [4, 5] })),
    `${fit} blocks.0.attn.proj.weight is [4, 5], block0/attn/out/kernel [4, 4]; ${end}`,
  );
  t.is(
    told([...file(less), { name: 'norm.bias', shape: [4], data: new Int32Array(4) }]),
    `${fit} norm.bias is not float32; ${end}`,
  );
  t.is(
    told(file({ 'a.weight': [1], 'b.weight': [1], c: [1], d: [1] })),
    'w.safetensors: expected the names of ortgrad, timm\'s Swin, timm\'s CaiT, timm\'s ViT, Hugging Face\'s ViT, torchvision\'s ResNet, torchvision\'s VGG, got "a.weight", "b.weight", "c" and 1 more',
  );
  const mean = told(file(TIMM), model({ ...CONFIG, pool: 'mean' }));
  t.is(mean, `${fit} pos_embed has 5 positions, which are no square grid; left over cls_token; ${end}`);
});

/** The whole model's logits are compared by scripts/torchvision-logits.ts. */
test("torchvision's ResNet: its names, and kernels [out, in, rows, columns] as [rows, columns, in, out]", (t) => {
  const scope = new Scope({ training: false });
  const config: ResnetConfig = { kind: 'resnet', block: 'basic', blocks: [1, 1], width: 2, stem: 'cifar' };
  resnet(scope, input('images', [1, 3, 8, 8]), 3, config);
  const norm = (name: string, width: number): Shapes =>
    Object.fromEntries(
      ['weight', 'bias', 'running_mean', 'running_var'].map((each) => [`${name}.${each}`, [width]]),
    );
  const tensors = file({
    ...{ 'conv1.weight': [2, 3, 3, 3], 'fc.weight': [3, 4], 'fc.bias': [3], ...norm('bn1', 2) },
    ...{ 'layer1.0.conv1.weight': [2, 2, 3, 3], 'layer1.0.conv2.weight': [2, 2, 3, 3] },
    ...{ 'layer2.0.conv1.weight': [4, 2, 3, 3], 'layer2.0.conv2.weight': [4, 4, 3, 3] },
    ...{ 'layer2.0.downsample.0.weight': [4, 2, 1, 1], ...norm('layer2.0.downsample.1', 4) },
    ...{ ...norm('layer1.0.bn1', 2), ...norm('layer1.0.bn2', 2) },
    ...{ ...norm('layer2.0.bn1', 4), ...norm('layer2.0.bn2', 4) },
    'bn1.num_batches_tracked': [1],
  });
  const { naming, values, notes } = initFrom(tensors, scope.variables, { origin: 'w.safetensors' });
  t.is(naming, "torchvision's ResNet");
  t.deepEqual([...values.keys()].sort(), scope.variables.map(({ path }) => path).sort());
  t.deepEqual(notes, ['not used: bn1.num_batches_tracked']);
  const of = (name: string) => tensors.find((tensor) => tensor.name === name)?.data ?? [];
  const [kernel, weight] = [values.get('stem/conv/kernel') ?? [], of('conv1.weight')];
  for (let i = 0; i < 54; i++) {
    const [out, within, place] = [Math.floor(i / 27), Math.floor(i / 9) % 3, i % 9];
    t.is(kernel[(place * 3 + within) * 2 + out], Number(weight[i]));
  }
  t.deepEqual(values.get('stage1/block0/shortcut/norm/variance'), of('layer2.0.downsample.1.running_var'));
});

test("torchvision's VGG: stages by where max pools lie, hidden layers and the head by their places", (t) => {
  const scope = new Scope({ training: false });
  const sizes = { blocks: [1, 2], widths: [2, 4], hidden: [5, 6] };
  vgg(scope, input('images', [1, 3, 8, 8]), 3, { kind: 'vgg', ...sizes });
  const layer = (place: number, from: number, to: number): Shapes => ({
    [`features.${place}.weight`]: [to, from, 3, 3],
    ...Object.fromEntries(
      [
        `${place}.bias`,
        ...['weight', 'bias', 'running_mean', 'running_var'].map((each) => `${place + 1}.${each}`),
      ].map((name) => [`features.${name}`, [to]]),
    ),
  });
  const names = (classes: number): Shapes => ({
    ...{ ...layer(0, 3, 2), ...layer(4, 2, 4), ...layer(7, 4, 4), 'features.1.num_batches_tracked': [1] },
    ...{ 'classifier.0.weight': [5, 16], 'classifier.0.bias': [5], 'classifier.3.weight': [6, 5] },
    ...{ 'classifier.3.bias': [6], 'classifier.6.weight': [classes, 6], 'classifier.6.bias': [classes] },
  });
  const tensors = file(names(3));
  const { naming, values, notes } = initFrom(tensors, scope.variables, { origin: 'w.safetensors' });
  t.is(naming, "torchvision's VGG");
  t.deepEqual([...values.keys()].sort(), scope.variables.map(({ path }) => path).sort());
  t.deepEqual(notes, ['not used: features.1.num_batches_tracked']);
  const of = (name: string) => tensors.find((tensor) => tensor.name === name)?.data ?? [];
  t.deepEqual(values.get('stage1/conv1/bias'), of('features.7.bias'));
  t.deepEqual(values.get('stage1/norm0/variance'), of('features.5.running_var'));
  t.is(values.get('fc2/kernel')?.[1], Number(of('classifier.3.weight')[5]));
  t.is(values.get('stage0/conv0/kernel')?.[2], Number(of('features.0.weight')[9]));
  const other = initFrom(file(names(7)), scope.variables, { origin: 'w.safetensors' });
  t.deepEqual(
    scope.variables.map(({ path }) => path).filter((path) => !other.values.has(path)),
    ['head/kernel', 'head/bias'],
  );
});
