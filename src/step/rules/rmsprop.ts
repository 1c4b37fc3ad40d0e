/** RMSProp (Hinton, lecture 6e, 2012) with momentum, ε outside the root, as torch computes it. */
import { add, div, mul, sqrt, sub, type UpdateRule } from '../program.ts';

export interface RmspropOptions {
  /** Of the mean of squared gradients. */
  readonly decay?: number;
  readonly epsilon?: number;
  readonly momentum?: number;
}

/** g ← g + wd·θ; v ← ρ·v + (1 − ρ)·g²; b ← μ·b + g/(√v + ε); θ ← θ − lr·b. */
export function rmsprop({
  decay = 0.99,
  epsilon = 1e-8,
  momentum = 0.9,
}: RmspropOptions = {}): UpdateRule<'nu' | 'momentum', never> {
  return {
    name: 'rmsprop',
    slots: ['nu', 'momentum'],
    scalars: () => ({}),
    next(at, { learningRate, weightDecay }) {
      const g = add(at.g, mul(weightDecay, at.theta));
      const nu = add(mul(decay, at.nu), mul(mul(1 - decay, g), g));
      const velocity = add(mul(momentum, at.momentum), div(g, add(sqrt(nu), epsilon)));
      return { theta: sub(at.theta, mul(learningRate, velocity)), nu, momentum: velocity };
    },
  };
}
