/**
 * AdaBelief (Zhuang et al., *Adapting Stepsizes by the Belief in Observed Gradients*, NeurIPS 2020, algorithm 2): Adam
 * that divides by the deviation of gradients from their mean. Numbers are optax's, with both of its ε the same, and
 * decoupled decay.
 */
import { add, div, mul, type Scalars, single, sqrt, sub, type UpdateRule } from '../program.ts';
import { type AdamOptions, type Debias, debiased, decoupledDecay } from './adam.ts';

/** s ← β2·s + (1 − β2)·(g − m)² + ε; θ ← θ − lr·(wd·θ + m̂/(√ŝ + ε)). */
export function adabelief({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
}: AdamOptions = {}): UpdateRule<'mu' | 'nu', Debias> {
  return {
    name: 'adabelief',
    slots: ['mu', 'nu'],
    scalars: debiased({ beta1, beta2 }),
    next({ theta, g, mu, nu }, rates, { debias1, rootDebias2 }: Scalars<Debias>) {
      const m = add(mul(beta1, mu), mul(1 - beta1, g));
      const surprise = sub(g, m);
      const s = add(add(mul(beta2, nu), mul(mul(1 - beta2, surprise), surprise)), epsilon);
      const root = add(mul(sqrt(single(s)), rootDebias2), epsilon);
      const update = div(mul(div(rates.learningRate, debias1), single(m)), root);
      return { theta: sub(single(theta), add(decoupledDecay(single(theta), rates), update)), mu: m, nu: s };
    },
  };
}
