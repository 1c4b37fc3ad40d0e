/**
 * LookSAM (Liu et al., *Towards Efficient and Scalable Sharpness-Aware Minimization*, CVPR 2022, algorithm 1): SAM's second
 * gradient at every k-th step alone. What of it is orthogonal to the first changes slowly, and the steps in between
 * use it again.
 */
import { add, dot, mul, norm, over, type Regularizer, type Reuse, sub } from '../program.ts';
import { perturbedGradient } from './finite-difference.ts';

/** v = p − g·⟨g, p⟩/‖g‖², and later g + α·v·‖g‖/‖v‖. Norms are of all parameters together, as in the paper. */
const reuse: Reuse<'r' | 'alpha', 'orthogonal'> = {
  slots: ['orthogonal'],
  keep(p, d) {
    const g = d.gradient();
    return { orthogonal: sub(p, mul(over(dot(g, p), dot(g, g)), g)) };
  },
  gradient(d, { alpha }, { orthogonal }) {
    const g = d.gradient();
    return add(g, mul(mul(alpha, over(norm(g), norm(orthogonal))), orthogonal));
  },
};

/** p = ∇L(θ + r·g/‖g‖) where that is computed, else what `reuse` makes of the last one. */
export const looksam: Regularizer<'r' | 'alpha'> = {
  name: 'looksam',
  scalars: ['r', 'alpha'],
  gradient: (d, { r }) => perturbedGradient(d, r),
  reuse,
};
