/**
 * GSAM (Zhuang et al., *Surrogate Gap Minimization Improves Sharpness-Aware Training*, ICLR 2022): SAM's gradient less a
 * share of what of the clean gradient is orthogonal to it, which raises L to lower the gap between L and its maximum
 * nearby without changing that maximum to first order.
 */
import { dot, mul, over, type Regularizer, sub } from '../program.ts';
import { perturbedGradient } from './finite-difference.ts';

/** p − α·(g − p·⟨g, p⟩/‖p‖²) with p = ∇L(θ + r·g/‖g‖), algorithm 1. The paper lets r follow the learning rate; here it stays. */
export const gsam: Regularizer<'r' | 'alpha'> = {
  name: 'gsam',
  scalars: ['r', 'alpha'],
  gradient(d, { r, alpha }) {
    const [g, p] = [d.gradient(), perturbedGradient(d, r)];
    const orthogonal = sub(g, mul(over(dot(g, p), dot(p, p)), p));
    return sub(p, mul(alpha, orthogonal));
  },
};
