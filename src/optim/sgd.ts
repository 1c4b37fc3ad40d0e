/** Stochastic gradient descent with momentum, plain or Nesterov's (Sutskever et al., ICML 2013), as torch computes it. */
import type { OptimizerConfig, UpdateRule } from './optimizer.ts';

/** g ← grad + wd·θ; b ← μ·b + g (b = g at first); θ ← θ − lr·b, or with Nesterov θ − lr·(g + μ·b). */
export function sgd({ momentum, nesterov }: Pick<OptimizerConfig, 'momentum' | 'nesterov'>): UpdateRule {
  return {
    slots: ['momentum'],
    update({ param, grad, slots: [velocity], learningRate, weightDecay, gradScale }) {
      if (!velocity) throw new Error('internal: SGD without its momentum');
      for (let i = 0; i < param.length; i++) {
        const p = param[i] ?? 0;
        const g = (grad[i] ?? 0) * gradScale + weightDecay * p;
        const b = momentum * (velocity[i] ?? 0) + g;
        velocity[i] = b;
        param[i] = p - learningRate * (nesterov ? g + momentum * b : b);
      }
    },
  };
}
