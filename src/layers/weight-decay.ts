/** Which parameters weight decay applies to, by path. */

import { UserError } from '../errors.ts';
import type { Variable } from './scope.ts';

/** Whether the parameters whose paths match a pattern decay; the first pattern that matches decides. */
export type DecayRules = readonly (readonly [pattern: RegExp, decays: boolean])[];

/**
 * Kernels and embeddings decay; biases, the scales of norms, tokens and positions do not, as is usual for transformers. The code of
 * the papers on gradient regularization lets every parameter decay, as `--decay-all` does.
 */
export const DECAY_RULES: DecayRules = [
  [/(^|\/)(kernel|embedding)$/, true],
  [/(^|\/)(bias|scale)$/, false],
  [/(^|\/)(cls|positions)$/, false],
];

/**
 * One flag per path, by `rules`. To decide for parameters of other names, or otherwise, put rules in front:
 * `decayMask(paths, [[/(^|\/)gain$/, false], ...DECAY_RULES])`. Throws UserError where no rule covers a path: a
 * parameter must not be left out by accident.
 */
export function decayMask(paths: readonly string[], rules: DecayRules = DECAY_RULES): boolean[] {
  return paths.map((path) => {
    const rule = rules.find(([pattern]) => pattern.test(path));
    if (rule) return rule[1];
    const name = path.slice(path.lastIndexOf('/') + 1);
    throw new UserError(
      `decayMask: no rule covers parameter ${path}; name it kernel, bias or scale, or pass a rule: decayMask(paths, [[/(^|\\/)${name}$/, false], ...DECAY_RULES])`,
    );
  });
}

/** Whether weight decay applies: as DECAY_RULES say or, for another name, to matrices and above. */
export function decays({ path, shape }: Pick<Variable, 'path' | 'shape'>): boolean {
  return DECAY_RULES.find(([pattern]) => pattern.test(path))?.[1] ?? shape.length > 1;
}
