/**
 * Exact gradient regularization: the gradient of L + λ‖∇L‖ (Zhao, Zhang & Hu, *Penalizing Gradient Norm for Efficiently
 * Improving Generalization in Deep Learning*, ICML 2022, equation 4). Where ∇L is 0 it is ∇L.
 */
import { add, mul, norm, over, type Regularizer } from '../program.ts';

/** g + λ·H·g/‖g‖. */
export const exact: Regularizer<'lambda'> = {
  name: 'exact',
  scalars: ['lambda'],
  gradient(d, { lambda }) {
    const g = d.gradient();
    return add(g, mul(over(lambda, norm(g)), d.hessianTimes(g)));
  },
};
