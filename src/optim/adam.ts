/**
 * Adam (Kingma & Ba, ICLR 2015) and AdamW (Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019),
 * bias-corrected, with ε outside the root, as torch and optax compute them.
 */
import { kernelsOf, vectorized } from './kernels/memory.ts';
import type { OptimizerConfig, Update, UpdateRule } from './optimizer.ts';

type AdamConfig = Pick<OptimizerConfig, 'beta1' | 'beta2' | 'epsilon'>;

/** θ ← θ − lr·wd·θ − lr·m̂/(√v̂ + ε): the decay stays out of the moments. */
export function adamw(config: AdamConfig): UpdateRule {
  return adamOf(config, ({ learningRate, weightDecay }) => ({
    shrink: 1 - learningRate * weightDecay,
    l2: 0,
  }));
}

/** The decay is part of the gradient, and so of the moments. */
export function adam(config: AdamConfig): UpdateRule {
  return adamOf(config, ({ weightDecay }) => ({ shrink: 1, l2: weightDecay }));
}

function adamOf(
  { beta1, beta2, epsilon }: AdamConfig,
  decay: (update: Required<Update>) => { readonly shrink: number; readonly l2: number },
): UpdateRule {
  return {
    slots: ['mu', 'nu'],
    update(update) {
      const { param, grad, learningRate, count, gradScale } = update;
      const [mu, nu] = update.slots;
      if (!mu || !nu) throw new Error('internal: Adam without its moments');
      const { shrink, l2 } = decay(update);
      const stepSize = learningRate / (1 - beta1 ** count);
      const correction = 1 / Math.sqrt(1 - beta2 ** count);
      const [gain1, gain2] = [1 - beta1, 1 - beta2];
      const kernels = kernelsOf(param, mu, nu);
      // The loop below, four elements at a time; it takes the few that are left, or all.
      kernels?.adam(
        { param, grad, mu, nu },
        { gradScale, beta1, gain1, beta2, gain2, l2, decay: 1 - shrink, stepSize, correction, epsilon },
      );
      for (let i = kernels ? vectorized(param.length) : 0; i < param.length; i++) {
        const p = param[i] ?? 0;
        const g = (grad[i] ?? 0) * gradScale + l2 * p;
        const m = beta1 * (mu[i] ?? 0) + gain1 * g;
        const v = beta2 * (nu[i] ?? 0) + gain2 * g * g;
        mu[i] = m;
        nu[i] = v;
        param[i] = p * shrink - (stepSize * m) / (Math.sqrt(v) * correction + epsilon);
      }
    },
  };
}
