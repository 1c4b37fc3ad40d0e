/**
 * RAdam (Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020, algorithm 2): Adam whose step
 * is multiplied by what the variance of 1/√v̂ has come down to, and which is momentum alone while that variance is none.
 * Numbers are torch's with `decoupled_weight_decay`, as the authors' own code has it.
 */
import { add, div, mul, type Scalars, single, sqrt, sub, type UpdateRule } from '../program.ts';
import { type AdamOptions, decoupledDecay } from './adam.ts';

type Rectified = 'debias1' | 'momentum' | 'adaptive';

/** θ ← θ − lr·(wd·θ + m̂) while ρ ≤ 5, later θ − lr·(wd·θ + m̂·rect·√(1 − β2ᵗ)/(√v + ε)). */
export function radam({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
}: AdamOptions = {}): UpdateRule<'mu' | 'nu', Rectified> {
  return {
    name: 'radam',
    slots: ['mu', 'nu'],
    scalars(count) {
      const { rho, rectification: share } = rectification(beta2, count);
      const isRectified = rho > 5 && share !== null;
      return {
        debias1: 1 - beta1 ** count,
        momentum: isRectified ? 0 : 1,
        adaptive: isRectified ? share * Math.sqrt(1 - beta2 ** count) : 0,
      };
    },
    next({ theta, g, mu, nu }, rates, { debias1, momentum, adaptive }: Scalars<Rectified>) {
      const [m, v] = [add(mul(beta1, mu), mul(1 - beta1, g)), add(mul(beta2, nu), mul(mul(1 - beta2, g), g))];
      const factor = add(div(adaptive, add(sqrt(single(v)), epsilon)), momentum);
      const update = mul(mul(div(rates.learningRate, debias1), single(m)), factor);
      return { theta: sub(single(theta), add(decoupledDecay(single(theta), rates), update)), mu: m, nu: v };
    },
  };
}

/**
 * What theory says about the variance of 1/√v̂ at a step, if gradients are independent and normal. v̂ is then as good as an
 * average over ρ squares (section 4.1). If ρ > 4, the variance is 1/r² times its limit after many steps, with the
 * rectification r (section 4.2). If ρ ≤ 4, the variance is infinite, and r is null.
 */
export function rectification(
  beta2: number,
  count: number,
): { readonly rho: number; readonly rectification: number | null } {
  const limit = 2 / (1 - beta2) - 1;
  const decay = beta2 ** count;
  const rho = limit - (2 * count * decay) / (1 - decay);
  if (rho <= 4 || limit <= 4) return { rho, rectification: null };
  const ratio = ((rho - 4) * (rho - 2) * limit) / ((limit - 4) * (limit - 2) * rho);
  return { rho, rectification: Math.sqrt(ratio) };
}
