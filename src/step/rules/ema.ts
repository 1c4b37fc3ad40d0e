/**
 * The exponential moving average of the parameters (Polyak & Juditsky 1992), as a wrapper of any update rule: one more
 * slot, so that it is saved, resumed and lies on a device like the others.
 */
import { add, mul, sub, type UpdateRule } from '../program.ts';

/** ema ← keep·ema + (1 − keep)·θ, after every update. It starts as a copy of the parameters. `keep` in [0, 1). */
export function ema<Slots extends string, Names extends string>(
  rule: UpdateRule<Slots, Names>,
  keep: number,
): UpdateRule<Slots | 'ema', Names> {
  return {
    name: rule.name,
    slots: [...rule.slots, 'ema'],
    copies: [...(rule.copies ?? []), 'ema'],
    scalars: (count) => rule.scalars(count),
    next(at, rates, scalars) {
      const next = rule.next(at, rates, scalars);
      // As a difference: the small step is what float32 must not lose.
      return { ...next, ema: add(at.ema, mul(1 - keep, sub(next.theta, at.ema))) };
    },
  };
}
