/**
 * Adam (Kingma & Ba, ICLR 2015) and AdamW (Loshchilov & Hutter, ICLR 2019), bias-corrected, ε outside the root, as in
 * torch and optax.
 */
import {
  add,
  div,
  mul,
  type Rates,
  type Scalars,
  single,
  sqrt,
  sub,
  type UpdateRule,
  type Vec,
} from '../program.ts';

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

type Debias = 'debias1' | 'rootDebias2';

/** The decay is apart from the gradient: θ ← θ − lr·(wd·θ + m̂/(√v̂ + ε)). */
export function adamw(options: AdamOptions = {}): UpdateRule<'mu' | 'nu', Debias> {
  return adamRule('adamw', options, {
    gradient: ({ g }) => g,
    decay: (theta, { learningRate, weightDecay }) => mul(mul(learningRate, weightDecay), theta),
  });
}

/** The decay is part of the gradient, and so of the moments. */
export function adam(options: AdamOptions = {}): UpdateRule<'mu' | 'nu', Debias> {
  return adamRule('adam', options, {
    gradient: ({ theta, g }, { weightDecay }) => add(g, mul(weightDecay, theta)),
    decay: undefined,
  });
}

interface Decay {
  gradient(at: Readonly<Record<'theta' | 'g', Vec>>, rates: Rates): Vec;
  /** What the parameter loses apart from the update. */
  readonly decay: ((theta: Vec, rates: Rates) => Vec) | undefined;
}

function adamRule(
  name: string,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions,
  { gradient, decay }: Decay,
): UpdateRule<'mu' | 'nu', Debias> {
  return {
    name,
    slots: ['mu', 'nu'],
    scalars: (count) => ({ debias1: 1 - beta1 ** count, rootDebias2: 1 / Math.sqrt(1 - beta2 ** count) }),
    next(at, rates, { debias1, rootDebias2 }: Scalars<Debias>) {
      const g = gradient(at, rates);
      const mu = add(mul(beta1, at.mu), mul(1 - beta1, g));
      const nu = add(mul(beta2, at.nu), mul(mul(1 - beta2, g), g));
      // Root and quotient in float32 are three times as fast, and err by 1e-7 of the update.
      const theta = single(at.theta);
      const root = add(mul(sqrt(single(nu)), rootDebias2), epsilon);
      const update = div(mul(div(rates.learningRate, debias1), single(mu)), root);
      return { theta: sub(theta, decay ? add(decay(theta, rates), update) : update), mu, nu };
    },
  };
}
