/** Which parameters weight decay applies to, by path. */
import { UserError } from '../errors.ts';

/** The first pattern that a path matches decides. */
export type DecayRules = readonly (readonly [pattern: RegExp, decays: boolean])[];

/** Kernels decay; biases, the scales of norms, tokens and positions do not, as in the papers' code. */
export const DECAY_RULES: DecayRules = [
  [/(^|\/)kernel$/, true],
  [/(^|\/)(bias|scale)$/, false],
  [/^(cls|positions)$/, false],
];

/** One flag per path. Throws UserError where no rule covers a path: a parameter must not be left out by accident. */
export function decayMask(paths: readonly string[], rules: DecayRules = DECAY_RULES): boolean[] {
  return paths.map((path) => {
    const rule = rules.find(([pattern]) => pattern.test(path));
    if (!rule) {
      throw new UserError(
        `weight decay: no rule covers parameter ${path}; name it after what it is (kernel, bias, scale), or add a rule in src/optim/weight-decay.ts`,
      );
    }
    return rule[1];
  });
}
