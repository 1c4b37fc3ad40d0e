/** Layer-wise learning-rate decay (Clark et al., *ELECTRA*, ICLR 2020; Bao et al., *BEiT*, ICLR 2022), by path. */
import { UserError } from '../errors.ts';

/** A block of a model, or a stage that has none. `class` blocks attend from the class token alone, behind the others. */
const BLOCK = /(?:^|\/)(?:stage(\d+)(?:\/block(\d+))?|(?:block|layer)(\d+)|class(\d+))\//;

type Place =
  | { readonly kind: 'below' | 'norm' | 'above' }
  | { readonly kind: 'block'; readonly stage: number; readonly block: number }
  | { readonly kind: 'class'; readonly index: number };

/**
 * The factor of each path's learning rate: decay^(layers above it). What stands below the blocks is layer 0 (embedding,
 * tokens, positions, stem), each block is one more, or each stage without blocks, and the head is above them all. A norm
 * between blocks and head belongs to the last block, and class-attention blocks share the layers of the last blocks: all
 * as timm's `param_groups_layer_decay` has it. Throws UserError, which begins with `what`, where no path has a block.
 */
export function layerFactors(paths: readonly string[], decay: number, what = 'layerDecay'): number[] {
  const first = paths.find((path) => BLOCK.test(path));
  if (first === undefined) {
    const some = paths.slice(0, 4).join(', ');
    throw new UserError(
      `${what}: the model has no blocks or stages by which layers are counted; its variables are ${some}${paths.length > 4 ? ', …' : ''}; leave it out`,
    );
  }
  const end = first.search(BLOCK);
  const trunk = end === 0 ? '' : `${first.slice(0, end)}/`;
  const places = paths.map((path) => placeOf(path, trunk));
  const keyOf = ({ stage, block }: { readonly stage: number; readonly block: number }) =>
    65536 * stage + block;
  const blocks = [...new Set(places.flatMap((place) => (place.kind === 'block' ? [keyOf(place)] : [])))];
  blocks.sort((a, b) => a - b);
  const classes = Math.max(0, ...places.map((place) => (place.kind === 'class' ? place.index + 1 : 0)));
  const last = Math.max(blocks.length, classes);
  const layerOf = (place: Place): number => {
    switch (place.kind) {
      case 'below':
        return 0;
      case 'block':
        return last - blocks.length + blocks.indexOf(keyOf(place)) + 1;
      case 'class':
        return last - classes + place.index + 1;
      case 'norm':
        return last;
      case 'above':
        return last + 1;
    }
  };
  const layers = places.map(layerOf);
  const top = Math.max(...layers);
  return layers.map((layer) => decay ** (top - layer));
}

function placeOf(path: string, trunk: string): Place {
  const [, stage, block, only, classed] = BLOCK.exec(path) ?? [];
  if (classed !== undefined) return { kind: 'class', index: Number(classed) };
  if (only !== undefined) return { kind: 'block', stage: 0, block: Number(only) };
  if (stage !== undefined) return { kind: 'block', stage: Number(stage), block: Number(block ?? 0) };
  if (/(^|\/)head\//.test(path)) return { kind: 'above' };
  return { kind: path.startsWith(`${trunk}norm/`) ? 'norm' : 'below' };
}
