/** RMSProp (Hinton, lecture 6e, 2012) with optional momentum, ε outside the root, as torch computes it. */
import type { OptimizerConfig, UpdateRule } from './optimizer.ts';

/** g ← grad + wd·θ; v ← ρ·v + (1 − ρ)·g²; b ← μ·b + g/(√v + ε); θ ← θ − lr·b. */
export function rmsprop({
  decay,
  epsilon,
  momentum,
}: Pick<OptimizerConfig, 'decay' | 'epsilon' | 'momentum'>): UpdateRule {
  return {
    slots: ['nu', 'momentum'],
    update({ param, grad, slots: [nu, velocity], learningRate, weightDecay, gradScale }) {
      if (!nu || !velocity) throw new Error('internal: RMSProp without its state');
      for (let i = 0; i < param.length; i++) {
        const p = param[i] ?? 0;
        const g = (grad[i] ?? 0) * gradScale + weightDecay * p;
        const v = decay * (nu[i] ?? 0) + (1 - decay) * g * g;
        nu[i] = v;
        const b = momentum * (velocity[i] ?? 0) + g / (Math.sqrt(v) + epsilon);
        velocity[i] = b;
        param[i] = p - learningRate * b;
      }
    },
  };
}
