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
function perturbedGradient(d: Derivatives, r: Num): Vec {
  const g = d.gradient();
  return d.gradient(add(d.theta, mul(over(r, norm(g)), g)));
}

/** α·∇L(θ + r·g/‖g‖) + (1 − α)·g, with λ = α·r. */
export const finiteDifference: Regularizer<'r' | 'alpha'> = {
  name: 'fd',
  scalars: ['r', 'alpha'],
  gradient: (d, { r, alpha }) => add(mul(alpha, perturbedGradient(d, r)), mul(sub(1, alpha), d.gradient())),
};

/** ∇L(θ + r·g/‖g‖). */
export const sam: Regularizer<'r'> = {
  name: 'sam',
  scalars: ['r'],
  gradient: (d, { r }) => perturbedGradient(d, r),
};
