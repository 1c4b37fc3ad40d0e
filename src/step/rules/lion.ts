/** Lion (Chen et al., *Symbolic Discovery of Optimization Algorithms*, NeurIPS 2023, algorithm 2), as optax computes it. */
import { add, mul, sign, sub, type UpdateRule } from '../program.ts';
import { decoupledDecay } from './adam.ts';

export interface LionOptions {
  /** Of the mean, in the direction; 0.9 where it is left out. */
  readonly beta1?: number;
  /** Of the mean that is kept; 0.99 where it is left out. */
  readonly beta2?: number;
}

/** θ ← θ − lr·(wd·θ + sign(β1·m + (1 − β1)·g)); m ← β2·m + (1 − β2)·g. */
export function lion({ beta1 = 0.9, beta2 = 0.99 }: LionOptions = {}): UpdateRule<'mu', never> {
  return {
    name: 'lion',
    slots: ['mu'],
    scalars: () => ({}),
    next({ theta, g, mu }, rates) {
      const direction = sign(add(mul(beta1, mu), mul(1 - beta1, g)));
      const update = mul(rates.learningRate, direction);
      return {
        theta: sub(theta, add(decoupledDecay(theta, rates), update)),
        mu: add(mul(beta2, mu), mul(1 - beta2, g)),
      };
    },
  };
}
