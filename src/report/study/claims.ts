/**
 * The claims of Zhao, Zhang & Hu, *When Will Gradient Regularization Be Harmful?* (ICML 2024, arXiv 2406.09723),
 * each judged by this study's numbers alone.
 */
import type { TrainConfig } from '../../train/config.ts';
import {
  armOf,
  type Facets,
  isAdaptive,
  type Setting,
  sameBut,
  settingName,
  variantsOf,
  WARMUP_NAMES,
} from './facets.ts';
import { type BySeed, bySeed, finalError, minus, rateVariance, restlessness } from './measures.ts';
import { families, modelSize } from './scale.ts';
import { type Interval, pairedInterval } from './statistics.ts';

export type Verdict = 'agrees' | 'disagrees' | 'cannot tell';

/** One place of the study where the claim can be looked at. */
export interface Evidence {
  readonly where: string;
  /** Null without a pair. */
  readonly interval: Interval | null;
  readonly verdict: Verdict;
}

export interface JudgedClaim {
  readonly claim: string;
  /** The difference that was judged, and on which side of 0 the claim has it. */
  readonly difference: string;
  readonly authors: string;
  /** None where the study has no runs that could tell. */
  readonly evidence: readonly Evidence[];
  readonly verdict: Verdict;
}

interface Claim {
  readonly claim: string;
  readonly difference: string;
  readonly side: 'above 0' | 'below 0';
  readonly authors: string;
  readonly differences: (facets: Facets) => readonly Differences[];
}

interface Differences {
  readonly where: string;
  readonly bySeed: BySeed;
}

export const RULE =
  'Differences are paired: each seed gives one, of two runs that share everything but what is compared. A claim agrees in a setting where the 95 % t-interval of the mean difference lies wholly on its side of 0, disagrees where it lies wholly on the other side; else, or with fewer than two pairs, the numbers cannot tell. Over several settings it agrees where it agrees in at least one and disagrees in none, disagrees where it is the other way round, and else cannot tell. Errors are those of the last evaluation, in percentage points; runs that diverged, failed or are not finished have none and make no pair.';

type OwnWarmup = Exclude<TrainConfig['grWarmup'], 'none'>;

const OWN: Readonly<Record<OwnWarmup, string>> = {
  zero: 'CIFAR-10, test error of GR → with it: ViT-Ti 13.92 → 13.61, ViT-S 12.40 → 10.68, ViT-B 12.36 → 9.42',
  r: 'abstract: each of the three warmups repairs it; no figures here',
  lambda: 'abstract: each of the three warmups repairs it; no figures here',
};

const CLAIMS: readonly Claim[] = [
  {
    claim: 'Under AdamW with learning-rate warmup, GR without a warmup of its own raises the test error',
    difference: 'GR − no GR',
    side: 'above 0',
    authors:
      'CIFAR-10, test error without → with GR: ViT-Ti 14.82 → 13.92 (it helps), ViT-S 12.07 → 12.40, ViT-B 10.83 → 12.36',
    differences: (facets) => inWarmup(facets, harm),
  },
  ...(['zero', 'r', 'lambda'] as const).map(
    (own): Claim => ({
      claim: `${WARMUP_NAMES[own]} lowers the test error against GR alone`,
      difference: `GR with ${WARMUP_NAMES[own]} − GR`,
      side: 'below 0',
      authors: OWN[own],
      differences: (facets) =>
        inWarmup(facets, (setting, variant) => compared(setting, [variant, own], [variant, 'none'])),
    }),
  ),
  {
    claim: 'GR with zero-warmup lowers the test error against no GR',
    difference: 'GR with zero-warmup − no GR',
    side: 'below 0',
    authors:
      'CIFAR-10, test error without GR → with it: ViT-Ti 14.82 → 13.61, ViT-S 12.07 → 10.68, ViT-B 10.83 → 9.42',
    differences: (facets) =>
      inWarmup(facets, (setting, variant) => compared(setting, [variant, 'zero'], ['', 'none'])),
  },
  {
    claim: 'Without learning-rate warmup, GR does not do the harm that it does with it',
    difference: '(GR − no GR with LR warmup) − (GR − no GR without)',
    side: 'above 0',
    authors: 'abstract: performance degenerates “particularly with learning rate warmup”; no figures here',
    differences: (facets) =>
      acrossSettings(facets, 'hasWarmup', (other) => isAdaptive(other) && !other.hasWarmup),
  },
  instability(
    "the norm of the optimizer's gradient more restless",
    'standard deviation of log ‖g‖ about its running median over 11 steps, in the LR warmup',
    restlessness,
  ),
  instability(
    'the adaptive learning rate ψ = 1/(√v̂ + ε) vary more',
    'variance of log ψ over all parameters, mean over the LR warmup',
    rateVariance,
  ),
  {
    claim: 'The harm is one of adaptive optimizers: under SGD the same difference does not show',
    difference: '(GR − no GR with AdamW) − (GR − no GR with SGD)',
    side: 'above 0',
    authors: 'abstract: degeneration “in adaptive optimization scenarios”; no figures here',
    differences: (facets) => acrossSettings(facets, 'optimizer', (other) => !isAdaptive(other)),
  },
  {
    claim: 'What zero-warmup gains over GR grows with the size of the model',
    difference: '(GR − GR with zero-warmup, largest model) − (same, smallest)',
    side: 'above 0',
    authors: 'CIFAR-10, gain in points: ViT-Ti 0.31, ViT-S 1.72, ViT-B 2.94',
    differences: (facets) => growth(facets, 'model'),
  },
  {
    claim: 'What zero-warmup gains over GR grows with the number of training images',
    difference: '(GR − GR with zero-warmup, most images) − (same, fewest)',
    side: 'above 0',
    authors: 'no figures here',
    differences: (facets) => growth(facets, 'fraction'),
  },
];

export function judgeClaims(facets: Facets): readonly JudgedClaim[] {
  return CLAIMS.map(({ claim, difference, side, authors, differences }) => {
    const evidence = differences(facets).map(({ where, bySeed }): Evidence => {
      const interval = pairedInterval([...bySeed.values()]);
      return { where, interval, verdict: judge(interval, side) };
    });
    const verdict = summarize(evidence.map((each) => each.verdict));
    return { claim, difference: `${difference}, claimed ${side}`, authors, evidence, verdict };
  });
}

/** By the first half of the rule. */
export function judge(interval: Interval | null, side: 'above 0' | 'below 0'): Verdict {
  const { low, high } = interval ?? { low: null, high: null };
  if (low === null || high === null) return 'cannot tell';
  if (low > 0) return side === 'above 0' ? 'agrees' : 'disagrees';
  if (high < 0) return side === 'below 0' ? 'agrees' : 'disagrees';
  return 'cannot tell';
}

/** By its second half. */
export function summarize(verdicts: readonly Verdict[]): Verdict {
  const [agrees, disagrees] = [verdicts.includes('agrees'), verdicts.includes('disagrees')];
  if (agrees === disagrees) return 'cannot tell';
  return agrees ? 'agrees' : 'disagrees';
}

/** The claim on unstable statistics, by one of them: GR against each of the warmups that it may have. */
function instability(what: string, statistic: string, measure: typeof restlessness): Claim {
  return {
    claim: `In the learning-rate warmup, GR without a warmup of its own makes ${what} than with one`,
    difference: `GR − GR with a warmup of its own; ${statistic}`,
    side: 'above 0',
    authors:
      'abstract: “instability and divergence in gradient statistics” at the initial stage; no figures here',
    differences: (facets) =>
      (['zero', 'r', 'lambda'] as const).flatMap((own) =>
        inWarmup(facets, (setting, variant) =>
          compared(setting, [variant, 'none'], [variant, own], measure),
        ).map(({ where, bySeed }) => ({ where: `against ${WARMUP_NAMES[own]}, ${where}`, bySeed })),
      ),
  };
}

type Compare = (setting: Setting, variant: string) => BySeed | null;

const harm: Compare = (setting, variant) => compared(setting, [variant, 'none'], ['', 'none']);
const gain: Compare = (setting, variant) => compared(setting, [variant, 'none'], [variant, 'zero']);

/** Null where the setting lacks one of the two conditions. */
function compared(
  setting: Setting,
  a: readonly [variant: string, warmup: TrainConfig['grWarmup']],
  b: readonly [variant: string, warmup: TrainConfig['grWarmup']],
  measure = finalError,
): BySeed | null {
  const [left, right] = [armOf(setting, ...a), armOf(setting, ...b)];
  return left && right ? minus(bySeed(left, measure), bySeed(right, measure)) : null;
}

/** In each setting of an adaptive optimizer with warmup, for each variant. */
function inWarmup({ settings }: Facets, compare: Compare): Differences[] {
  return settings
    .filter((setting) => isAdaptive(setting) && setting.hasWarmup)
    .flatMap((setting) =>
      variantsOf(setting).flatMap((variant) => {
        const bySeed = compare(setting, variant);
        return bySeed === null ? [] : [{ where: place(setting, variant), bySeed }];
      }),
    );
}

/** The harm in each such setting less that in its counterpart, which differs from it in one facet. */
function acrossSettings(
  facets: Facets,
  facet: 'hasWarmup' | 'optimizer',
  isCounterpart: (setting: Setting) => boolean,
): Differences[] {
  return facets.settings.filter(isCounterpart).flatMap((counterpart) =>
    inWarmup(
      { ...facets, settings: facets.settings.filter((setting) => sameBut([facet], setting, counterpart)) },
      (setting, variant) => {
        const [here, there] = [harm(setting, variant), harm(counterpart, variant)];
        return here && there && minus(here, there);
      },
    ),
  );
}

/** The gain in the largest of settings that differ in one facet, less that in the smallest. */
function growth(facets: Facets, facet: 'model' | 'fraction'): Differences[] {
  return families(facets, facet).flatMap(({ members }) => {
    const [smallest, largest] = [members[0], members.at(-1)];
    const isOrdered = facet === 'fraction' || members.every((setting) => modelSize(setting) !== null);
    if (!smallest || !largest || !isOrdered) return [];
    return inWarmup({ ...facets, settings: [largest] }, (setting, variant) => {
      const [here, there] = [gain(setting, variant), gain(smallest, variant)];
      return here && there && minus(here, there);
    }).map(({ where, bySeed }) => ({ where: `${where}, against ${settingName(smallest)}`, bySeed }));
  });
}

function place(setting: Setting, variant: string): string {
  return variant === 'GR' ? settingName(setting) : `${settingName(setting)}, ${variant}`;
}
