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

/**
 * What is done about moments that start at 0. `corrected`: both are divided by what they lack, as in the paper.
 * `uncorrected`: nothing, so that first steps are (1 − β1ᵗ)/√(1 − β2ᵗ) of what is meant, up to seven times as large.
 * `second-corrected`: the second alone is divided, and first steps are 1 − β1ᵗ of what is meant: a ramp of some
 * 1/(1 − β1) steps. `first-gradient`: the second moment starts as the square of the first gradient, and is an average
 * from then on; the first is corrected.
 */
export const MOMENT_STARTS = ['corrected', 'uncorrected', 'second-corrected', 'first-gradient'] as const;
export type MomentStart = (typeof MOMENT_STARTS)[number];

export interface AdamStartOptions extends AdamOptions {
  /** `corrected` where it is left out. */
  readonly momentStart?: MomentStart;
}

export type Debias = 'debias1' | 'rootDebias2';
type AdamScalar = Debias | 'keep2' | 'take2';

/** 1 − β1ᵗ and 1/√(1 − β2ᵗ), by the count t of steps. */
export function debiased({ beta1, beta2 }: Readonly<Record<'beta1' | 'beta2', number>>) {
  return (count: number): Record<Debias, number> => ({
    debias1: 1 - beta1 ** count,
    rootDebias2: 1 / Math.sqrt(1 - beta2 ** count),
  });
}

/** lr·wd·θ: what a parameter loses apart from the gradient's update. */
export function decoupledDecay(theta: Vec, { learningRate, weightDecay }: Rates): Vec {
  return mul(mul(learningRate, weightDecay), theta);
}

/** The decay is apart from the gradient: θ ← θ − lr·(wd·θ + m̂/(√v̂ + ε)). */
export function adamw(options: AdamStartOptions = {}): UpdateRule<'mu' | 'nu', AdamScalar> {
  return adamRule('adamw', options, { gradient: ({ g }) => g, decay: decoupledDecay });
}

/** The decay is part of the gradient, and so of the moments. */
export function adam(options: AdamStartOptions = {}): UpdateRule<'mu' | 'nu', AdamScalar> {
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
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, momentStart = 'corrected' }: AdamStartOptions,
  { gradient, decay }: Decay,
): UpdateRule<'mu' | 'nu', AdamScalar> {
  const correction = debiased({ beta1, beta2 });
  const fromFirst = momentStart === 'first-gradient';
  const correctsFirst = momentStart === 'corrected' || fromFirst;
  const correctsSecond = momentStart === 'corrected' || momentStart === 'second-corrected';
  return {
    name,
    slots: ['mu', 'nu'],
    scalars(count) {
      const isFirst = fromFirst && count === 1;
      const { debias1, rootDebias2 } = correction(count);
      return {
        debias1: correctsFirst ? debias1 : 1,
        rootDebias2: correctsSecond ? rootDebias2 : 1,
        keep2: isFirst ? 0 : beta2,
        take2: isFirst ? 1 : 1 - beta2,
      };
    },
    next(at, rates, { debias1, rootDebias2, keep2, take2 }: Scalars<AdamScalar>) {
      const g = gradient(at, rates);
      const mu = add(mul(beta1, at.mu), mul(1 - beta1, g));
      const nu = add(mul(keep2, at.nu), mul(mul(take2, g), g));
      // Root and quotient in float32 are three times as fast, and err by 1e-7 of the update.
      const theta = single(at.theta);
      const root = add(mul(sqrt(single(nu)), rootDebias2), epsilon);
      const update = div(mul(div(rates.learningRate, debias1), single(mu)), root);
      return { theta: sub(theta, decay ? add(decay(theta, rates), update) : update), mu, nu };
    },
  };
}
