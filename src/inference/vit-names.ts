/** How the variables of a model are named in files: here, a ViT's by timm and Hugging Face, a ResNet's and a VGG's by torchvision. */

/** Where a variable's numbers are in a file. */
export interface Source {
  readonly name: string;
  /** Whether it is the weight of a PyTorch layer, [out, in…], which here is a kernel [in, out]. */
  readonly isWeight?: boolean;
  /** Whether it is the weight of a PyTorch convolution, [out, in, rows, columns], here a kernel [rows, columns, in, out]. */
  readonly isConvolution?: boolean;
  /** Which of equal parts of the rows it is, where the file stacks several. */
  readonly part?: readonly [index: number, of: number];
}

export interface Naming {
  readonly name: string;
  /** Whether a file of these tensors has such names. */
  matches(names: ReadonlySet<string>, paths: readonly string[]): boolean;
  /** Undefined where these names have no place for a variable of this path. */
  source(path: string, names: ReadonlySet<string>): Source | undefined;
  /** Tensors that no model here has a place for, and that its logits do not depend on. */
  readonly unused?: RegExp;
  /** How its numbers mean something else than here. */
  readonly differs?: string;
}

const ortgrad: Naming = {
  name: 'ortgrad',
  matches: (names, paths) => paths.some((path) => names.has(path)),
  source: (name) => ({ name }),
};

const PATH = /^(?:block(\d+)\/)?(.+?)(?:\/(kernel|bias|scale))?$/;
const QKV = ['query', 'key', 'value'];

/** A path here taken apart: `block3/attn/out/kernel` → 3, `attn/out`, `kernel`. */
function partsOf(path: string) {
  const [, block, layer = '', parameter = ''] = PATH.exec(path) ?? [];
  const isWeight = parameter === 'kernel';
  return { block, layer, isWeight, ending: parameter === 'bias' ? 'bias' : 'weight', parameter };
}

const TIMM_LAYERS: Readonly<Record<string, string>> = {
  embed: 'patch_embed.proj',
  norm: 'norm',
  head: 'head',
};
const TIMM_BLOCK: Readonly<Record<string, string>> = {
  norm1: 'norm1',
  norm2: 'norm2',
  'attn/out': 'attn.proj',
  'mlp/fc1': 'mlp.fc1',
  'mlp/fc2': 'mlp.fc2',
};

const timm: Naming = {
  name: "timm's ViT",
  matches: (names) => names.has('patch_embed.proj.weight'),
  source: (path) => {
    if (path === 'cls') return { name: 'cls_token' };
    if (path === 'positions') return { name: 'pos_embed' };
    const { block, layer, isWeight, ending } = partsOf(path);
    const part = QKV.indexOf(layer.replace(/^attn\//, ''));
    if (block !== undefined && part >= 0) {
      return { name: `blocks.${block}.attn.qkv.${ending}`, isWeight, part: [part, QKV.length] };
    }
    const named = block === undefined ? TIMM_LAYERS[layer] : TIMM_BLOCK[layer];
    const prefix = block === undefined ? '' : `blocks.${block}.`;
    return named === undefined ? undefined : { name: `${prefix}${named}.${ending}`, isWeight };
  },
};

const HUGGING_FACE_LAYERS: Readonly<Record<string, string>> = {
  embed: 'embeddings.patch_embeddings.projection',
  norm: 'layernorm',
};
const HUGGING_FACE_BLOCK: Readonly<Record<string, string>> = {
  norm1: 'layernorm_before',
  norm2: 'layernorm_after',
  'attn/query': 'attention.attention.query',
  'attn/key': 'attention.attention.key',
  'attn/value': 'attention.attention.value',
  'attn/out': 'attention.output.dense',
  'mlp/fc1': 'intermediate.dense',
  'mlp/fc2': 'output.dense',
};

const EMBEDDING = 'embeddings.patch_embeddings.projection.weight';

const huggingFace: Naming = {
  name: "Hugging Face's ViT",
  matches: (names) => names.has(EMBEDDING) || names.has(`vit.${EMBEDDING}`),
  source: (path, names) => {
    const prefix = names.has(`vit.${EMBEDDING}`) ? 'vit.' : '';
    if (path === 'cls') return { name: `${prefix}embeddings.cls_token` };
    if (path === 'positions') return { name: `${prefix}embeddings.position_embeddings` };
    const { block, layer, isWeight, ending } = partsOf(path);
    if (path.startsWith('head/')) return { name: `classifier.${ending}`, isWeight };
    const named = block === undefined ? HUGGING_FACE_LAYERS[layer] : HUGGING_FACE_BLOCK[layer];
    const place = block === undefined ? prefix : `${prefix}encoder.layer.${block}.`;
    return named === undefined ? undefined : { name: `${place}${named}.${ending}`, isWeight };
  },
  unused: /^(vit\.)?pooler\.dense\.(weight|bias)$/,
  differs: 'its norms add 1e-12 to the variance (layer_norm_eps), the ones here 1e-6',
};

const NORM_PARTS: Readonly<Record<string, string>> = {
  scale: 'weight',
  bias: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
};

/** How many batches a norm has seen, which its mean and variance do not depend on here. */
const BATCHES = /(^|\.)num_batches_tracked$/;

/** `stage0/block1/conv2/kernel` is `layer1.1.conv2.weight`, `stem/norm/mean` is `bn1.running_mean`. */
const torchvision: Naming = {
  name: "torchvision's ResNet",
  matches: (names) => names.has('layer1.0.conv1.weight'),
  source: (path) => {
    if (path === 'head/kernel') return { name: 'fc.weight', isWeight: true };
    if (path === 'head/bias') return { name: 'fc.bias' };
    const [, stage, block, shortcut, layer, index = '', part = ''] =
      /^(?:stem|stage(\d+)\/block(\d+))(\/shortcut)?\/(conv|norm)(\d?)\/(\w+)$/.exec(path) ?? [];
    if (layer === undefined) return undefined;
    const prefix = stage === undefined ? '' : `layer${Number(stage) + 1}.${block}.`;
    const isConvolution = layer === 'conv';
    const named = shortcut
      ? `downsample.${isConvolution ? 0 : 1}`
      : `${isConvolution ? 'conv' : 'bn'}${index || 1}`;
    return { name: `${prefix}${named}.${isConvolution ? 'weight' : NORM_PARTS[part]}`, isConvolution };
  },
  unused: BATCHES,
};

/**
 * `features` is one sequence of convolution, norm, relu, with a max pool behind each stage: so the norms of a stage lie
 * three apart, and those around its pool four.
 */
function vggNorms(names: ReadonlySet<string>): number[][] {
  const places = [...names].flatMap((name) => /^features\.(\d+)\.running_mean$/.exec(name)?.[1] ?? []);
  const stages: number[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const place of places.map(Number).sort((a, b) => a - b)) {
    if (place - last > 3) stages.push([]);
    stages.at(-1)?.push(place);
    last = place;
  }
  return stages;
}

/** `stage1/conv0/kernel` of VGG-16 is `features.7.weight`, `fc1/bias` is `classifier.0.bias`, `head` the last classifier. */
const torchvisionVgg: Naming = {
  name: "torchvision's VGG",
  matches: (names) => names.has('features.0.weight') && names.has('features.1.running_mean'),
  source: (path, names) => {
    const [, fc, kind] = /^(?:fc(\d+)|head)\/(kernel|bias)$/.exec(path) ?? [];
    if (kind !== undefined) {
      const classifiers = [...names].flatMap((name) => /^classifier\.(\d+)\.weight$/.exec(name)?.[1] ?? []);
      // A relu and dropout behind each.
      const place = fc === undefined ? Math.max(...classifiers.map(Number)) : 3 * (Number(fc) - 1);
      const isWeight = kind === 'kernel';
      return { name: `classifier.${place}.${isWeight ? 'weight' : 'bias'}`, isWeight };
    }
    const [, stage, layer, i, part = ''] = /^stage(\d+)\/(conv|norm)(\d+)\/(\w+)$/.exec(path) ?? [];
    const place = vggNorms(names)[Number(stage)]?.[Number(i)];
    if (place === undefined) return undefined;
    if (layer === 'norm') return { name: `features.${place}.${NORM_PARTS[part]}` };
    const isConvolution = part === 'kernel';
    return { name: `features.${place - 1}.${isConvolution ? 'weight' : 'bias'}`, isConvolution };
  },
  unused: BATCHES,
};

/** In the order in which they are tried. */
export const NAMINGS: readonly Naming[] = [ortgrad, timm, huggingFace, torchvision, torchvisionVgg];
