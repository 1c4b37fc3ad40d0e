/** A Vision Transformer's names in timm and in Hugging Face's transformers. */
import { type Naming, partsOf, timmBlockSource, timmSource } from './naming.ts';

export const timmVit: Naming = {
  name: "timm's ViT",
  matches: (names) => names.has('patch_embed.proj.weight'),
  source: (path) => {
    const [, block, inBlock] = /^block(\d+)\/(.+)$/.exec(path) ?? [];
    return inBlock === undefined ? timmSource(path) : timmBlockSource(`blocks.${block}.`, inBlock);
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

export const huggingFaceVit: Naming = {
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
