/**
 * An exponential moving average of the parameters beside an update rule (Polyak & Juditsky 1992 average them all; with
 * a constant share as in Tarvainen & Valpola, *Mean teachers*, NeurIPS 2017): one more slot, `ema`.
 */
import { UserError } from '../../errors.ts';
import { add, mul, sub, type UpdateRule, type Vec } from '../program.ts';

/**
 * The rule, and after its update ema ← keep·ema + (1 − keep)·θ. The slot starts as a copy of the parameters before the
 * first step. `keep`: at least 0 and below 1; 0.9999 averages over some 10,000 steps. Throws UserError otherwise.
 */
export function ema<Slots extends string, Names extends string>(
  rule: UpdateRule<Slots, Names>,
  keep: number,
): UpdateRule<Slots | 'ema', Names> {
  if (!(keep >= 0 && keep < 1)) {
    throw new UserError(`ema: expected to keep a share of at least 0 and below 1, got ${keep}`);
  }
  if (rule.slots.some((slot) => slot === 'ema')) {
    throw new UserError(`ema: expected a rule without a slot ema, got ${rule.name}, which has one`);
  }
  return {
    name: rule.name,
    slots: [...rule.slots, 'ema'],
    copies: [...(rule.copies ?? []), 'ema'],
    scalars: (count) => rule.scalars(count),
    next(at, rates, scalars) {
      const next = rule.next(at, rates, scalars);
      const average: Vec = at.ema;
      // In float32 the two shares do not add up to 1, and the average would drift away from what it is of.
      return { ...next, ema: add(average, mul(1 - keep, sub(next.theta, average))) };
    },
  };
}
