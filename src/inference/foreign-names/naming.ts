/** What a table of foreign names is, and what those of transformers have in common. */

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

const PATH = /^(?:(block|class)(\d+)\/)?(.+?)(?:\/(kernel|bias|scale))?$/;

/** A path of a transformer taken apart: `block3/attn/out/kernel` → `block`, 3, `attn/out`, `kernel`. */
export function partsOf(path: string) {
  const [, kind, block, layer = '', parameter = ''] = PATH.exec(path) ?? [];
  const isWeight = parameter === 'kernel';
  return { kind, block, layer, isWeight, ending: parameter === 'bias' ? 'bias' : 'weight', parameter };
}

/** timm's names of the layers of a pre-norm block. */
const TIMM_BLOCK: Readonly<Record<string, string>> = {
  norm1: 'norm1',
  norm2: 'norm2',
  'attn/out': 'attn.proj',
  'mlp/fc1': 'mlp.fc1',
  'mlp/fc2': 'mlp.fc2',
};
const QKV = ['query', 'key', 'value'];

/** Where timm has a parameter of a block, whose names there begin with `prefix`: `attn/out/kernel`, `attn.proj.weight`. */
export function timmBlockSource(prefix: string, inBlock: string): Source | undefined {
  const { layer, isWeight, ending } = partsOf(inBlock);
  const part = QKV.indexOf(layer.replace(/^attn\//, ''));
  if (part >= 0) return { name: `${prefix}attn.qkv.${ending}`, isWeight, part: [part, QKV.length] };
  const named = TIMM_BLOCK[layer];
  return named === undefined ? undefined : { name: `${prefix}${named}.${ending}`, isWeight };
}

/** timm's names of what is around the blocks. */
const TIMM_LAYERS: Readonly<Record<string, string>> = {
  embed: 'patch_embed.proj',
  norm: 'norm',
  head: 'head',
};

/** Where timm has a parameter of a vision transformer that is in no block. */
export function timmSource(path: string): Source | undefined {
  if (path === 'cls') return { name: 'cls_token' };
  if (path === 'positions') return { name: 'pos_embed' };
  const { layer, isWeight, ending } = partsOf(path);
  const named = TIMM_LAYERS[layer];
  return named === undefined ? undefined : { name: `${named}.${ending}`, isWeight };
}
