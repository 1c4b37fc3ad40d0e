/** A Swin Transformer's names in timm, and in the authors' own files. */
import { type Naming, timmBlockSource, timmSource } from './naming.ts';

/** The authors' files, and timm's older ones, have what merges tokens at the end of the stage before. */
const isOlder = (names: ReadonlySet<string>): boolean => names.has('layers.0.downsample.reduction.weight');

/** `stage1/block0/attn/out/kernel` is `layers.1.blocks.0.attn.proj.weight`. */
export const timmSwin: Naming = {
  name: "timm's Swin",
  matches: (names) => names.has('layers.0.blocks.0.attn.relative_position_bias_table'),
  source: (path, names) => {
    const [, stage, inStage] = /^stage(\d+)\/(.+)$/.exec(path) ?? [];
    if (inStage === undefined) {
      if (path.startsWith('embed/norm/')) {
        return { name: `patch_embed.norm.${path.endsWith('bias') ? 'bias' : 'weight'}` };
      }
      const source = timmSource(path);
      if (!source || !path.startsWith('head/') || !names.has('head.fc.weight')) return source;
      return { ...source, name: source.name.replace('head.', 'head.fc.') };
    }
    const [, block, inBlock] = /^block(\d+)\/(.+)$/.exec(inStage) ?? [];
    if (inBlock !== undefined) {
      const prefix = `layers.${stage}.blocks.${block}.`;
      if (inBlock === 'attn/positions') return { name: `${prefix}attn.relative_position_bias_table` };
      return timmBlockSource(prefix, inBlock);
    }
    const merge = `layers.${Number(stage) - (isOlder(names) ? 1 : 0)}.downsample`;
    if (inStage === 'merge/kernel') return { name: `${merge}.reduction.weight`, isWeight: true };
    if (!inStage.startsWith('merge/norm/')) return undefined;
    return { name: `${merge}.norm.${inStage.endsWith('bias') ? 'bias' : 'weight'}` };
  },
  unused: /\.(relative_position_index|attn_mask)$/,
};
