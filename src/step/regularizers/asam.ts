/**
 * Adaptive SAM (Kwon et al., *ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural
 * Networks*, ICML 2021): the perturbation is as large as the parameters are, so that rescaling layers against each other
 * changes nothing.
 */
import { abs, add, mul, norm, over, type Regularizer } from '../program.ts';

/** Keeps parameters near 0 perturbed; the paper's and its authors' code's. */
const ETA = 0.01;

/**
 * ∇L(θ + r·T²g/‖Tg‖), equation 8, with T = |θ| + η of each element, η = 0.01. Every parameter has this T; the authors' code
 * takes T = 1 for biases.
 */
export const asam: Regularizer<'r'> = {
  name: 'asam',
  scalars: ['r'],
  gradient(d, { r }) {
    const t = add(abs(d.theta), ETA);
    const tg = mul(t, d.gradient());
    return d.gradient(add(d.theta, mul(over(r, norm(tg)), mul(t, tg))));
  },
};
