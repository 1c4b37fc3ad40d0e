/**
 * The papers' practical form of gradient regularization: the gradient a distance r along itself (Zhao, Zhang & Hu 2022,
 * equation 9), and SAM (Foret et al., *Sharpness-Aware Minimization*, ICLR 2021), which takes that gradient alone.
 */
import {
  add,
  type Derivatives,
  mul,
  type Num,
  norm,
  over,
  type Regularizer,
  sub,
  type Vec,
} from '../program.ts';

/** ∇L(θ + r·g/‖g‖). */
export function perturbedGradient(d: Derivatives, r: Num): Vec {
  const g = d.gradient();
  return d.gradient(add(d.theta, mul(over(r, norm(g)), g)));
}

/** α·∇L(θ + r·g/‖g‖) + (1 − α)·g, with λ = α·r. */
export const finiteDifference: Regularizer<'r' | 'alpha'> = {
  name: 'fd',
  scalars: ['r', 'alpha'],
  gradient: (d, { r, alpha }) => add(mul(alpha, perturbedGradient(d, r)), mul(sub(1, alpha), d.gradient())),
};

/**
 * α·∇L(θ + r·g/‖g‖) + (1 − α)·g/‖g‖: the second gradient is mixed with the direction of the first, as the authors' code
 * does unless it is told otherwise (`norm_perturbations` in github.com/zhaoyang-0204/gnp, training_core.py). With α = 1 it
 * is `finiteDifference`; otherwise it is no gradient of L + λ‖∇L‖, and stays of length 1 − α where g vanishes. Where g
 * is 0 so is g/‖g‖.
 */
export const normalizedDifference: Regularizer<'r' | 'alpha'> = {
  name: 'fd-normalized',
  scalars: ['r', 'alpha'],
  gradient(d, { r, alpha }) {
    const g = d.gradient();
    return add(mul(alpha, perturbedGradient(d, r)), mul(over(sub(1, alpha), norm(g)), g));
  },
};

/** What the second gradient is mixed with: the first, or its direction. */
export const MIXES = ['plain', 'normalized'] as const;
export type Mix = (typeof MIXES)[number];

/** ∇L(θ + r·g/‖g‖). */
export const sam: Regularizer<'r'> = {
  name: 'sam',
  scalars: ['r'],
  gradient: (d, { r }) => perturbedGradient(d, r),
};
