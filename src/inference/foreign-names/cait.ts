/** A CaiT's names in timm. */
import { type Naming, partsOf, type Source, timmBlockSource, timmSource } from './naming.ts';

const LAYERS: Readonly<Record<string, string>> = {
  'attn/scores': 'attn.proj_l',
  'attn/weights': 'attn.proj_w',
};
/** The class token's attention has no talking heads, and its three layers are apart. */
const CLASS_LAYERS: Readonly<Record<string, string>> = {
  'attn/query': 'attn.q',
  'attn/key': 'attn.k',
  'attn/value': 'attn.v',
};

/** `block0/scale1/scale` is `blocks.0.gamma_1`, `class0/attn/query/kernel` is `blocks_token_only.0.attn.q.weight`. */
export const timmCait: Naming = {
  name: "timm's CaiT",
  matches: (names) => names.has('blocks_token_only.0.gamma_1'),
  source: (path): Source | undefined => {
    const { kind, block, layer, isWeight, ending } = partsOf(path);
    if (kind === undefined) return timmSource(path);
    const prefix = `${kind === 'class' ? 'blocks_token_only' : 'blocks'}.${block}.`;
    const [, scale] = /^scale(\d)$/.exec(layer) ?? [];
    if (scale !== undefined) return { name: `${prefix}gamma_${scale}` };
    const named = (kind === 'class' ? CLASS_LAYERS : LAYERS)[layer];
    if (named !== undefined) return { name: `${prefix}${named}.${ending}`, isWeight };
    return timmBlockSource(prefix, path.slice(path.indexOf('/') + 1));
  },
};
