/** Stochastic gradient descent with momentum, plain or Nesterov's (Sutskever et al., ICML 2013), as torch computes it. */
import { add, mul, sub, type UpdateRule } from '../program.ts';

export interface SgdOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

/** g ← g + wd·θ; b ← μ·b + g; θ ← θ − lr·b, or with Nesterov θ − lr·(g + μ·b). */
export function sgd({ momentum = 0.9, nesterov = false }: SgdOptions = {}): UpdateRule<'momentum', never> {
  return {
    name: 'sgd',
    slots: ['momentum'],
    scalars: () => ({}),
    next(at, { learningRate, weightDecay }) {
      const g = add(at.g, mul(weightDecay, at.theta));
      const velocity = add(mul(momentum, at.momentum), g);
      const step = nesterov ? add(g, mul(momentum, velocity)) : velocity;
      return { theta: sub(at.theta, mul(learningRate, step)), momentum: velocity };
    },
  };
}
