/**
 * The claims of Zhao, Zhang & Hu, *When Will Gradient Regularization Be Harmful?* (ICML 2024, arXiv 2406.09723),
 * each judged by this study's numbers alone.
 */
import type { TrainConfig } from '../../config/config.ts';
import { capitalized } from '../../counted.ts';
import { grouped } from './cells.ts';
import { WARMUP_NAMES } from './conditions.ts';
import { armOf, type Facets, sameBut, variantsOf } from './facets.ts';
import type { Judged } from './judged.ts';
import {
  type BySeed,
  bySeed,
  finalShortfall,
  type Measure,
  minus,
  rateVariance,
  restlessness,
} from './measures.ts';
import { families, modelSize } from './scale.ts';
import { isAdaptive, type Setting, settingName } from './settings.ts';
import { FEWEST_PAIRS, type Interval, type Spread, spread, type Tested, testTogether } from './statistics.ts';

export type Verdict = 'agrees' | 'disagrees' | 'cannot tell';
export type Side = 'above 0' | 'below 0';

/** The difference that a claim is about, in one setting of the study. */
export interface Difference {
  readonly where: string;
  /** The difference over the pairs of runs; null where there is no pair. */
  readonly spread: Spread | null;
}

export interface Evidence extends Tested {
  readonly where: string;
  readonly verdict: Verdict;
}

export interface JudgedClaim {
  readonly claim: string;
  /** The claim in a few words, for a list of claims. */
  readonly short: string;
  /** The difference that was judged, and the side of 0 that the claim expects. */
  readonly difference: string;
  readonly authors: string;
  /** One for each setting. Empty where the design does not compare what the claim compares. */
  readonly evidence: readonly Evidence[];
  readonly verdict: Verdict;
}

interface Claim {
  readonly claim: string;
  readonly short: string;
  readonly difference: string;
  readonly side: Side;
  readonly authors: string;
  readonly differences: (facets: Facets) => readonly DifferenceBySeed[];
}

interface DifferenceBySeed {
  readonly where: string;
  readonly bySeed: BySeed;
}

/** How claims are judged, as text for a page. */
export function ruleText(judged: Judged): string {
  const name = shortfallName(judged);
  const unit = judged.isPercent ? ', in percentage points' : judged.inUnit && `,${judged.inUnit}`;
  return `Each seed gives one difference, between two runs that differ only in what is compared. A setting with ${FEWEST_PAIRS} such seeds or more is tested by the t-test that the mean difference is 0. The tests of a claim's settings are corrected by Holm's procedure, so that with a chance of 95 % or more no setting gets a verdict by chance alone. The interval in brackets is the t-interval at the level of the corrected test. In one setting, the claim agrees where this interval lies wholly on the claim's side of 0. It disagrees where the interval lies wholly on the other side. Otherwise the numbers cannot tell. Over all settings, the claim agrees where it agrees in at least one and disagrees in none. It disagrees where it disagrees in at least one and agrees in none. Otherwise the numbers cannot tell. ${capitalized(name)}s are those of the last evaluation${unit}. A run that diverged, failed or is not finished has no ${name} and is in no pair.`;
}

/** What claims call the judged number, of which less must be better. */
function shortfallName({ label, better }: Judged): string {
  return better === 'lower' ? label : `−${label}`;
}

type OwnWarmup = Exclude<TrainConfig['grWarmup'], 'none'>;

const OWN: Readonly<Record<OwnWarmup, string>> = {
  zero: 'CIFAR-10, test error of GR → with it: ViT-Ti 13.92 → 13.61, ViT-S 12.40 → 10.68, ViT-B 12.36 → 9.42',
  r: 'abstract: each of the three warmups repairs it; no figures here',
  lambda: 'abstract: each of the three warmups repairs it; no figures here',
};

/** On what GR and its warmups do to the judged number. */
function warmupClaims({ judged }: Pick<Facets, 'judged'>): readonly Claim[] {
  const error = shortfallName(judged);
  return [
    {
      claim: `Under AdamW with learning-rate warmup, GR without a warmup of its own raises the test ${error}`,
      short: `GR raises the ${error}`,
      difference: 'GR − no GR',
      side: 'above 0',
      authors:
        'CIFAR-10, test error without → with GR: ViT-Ti 14.82 → 13.92 (it helps), ViT-S 12.07 → 12.40, ViT-B 10.83 → 12.36',
      differences: (facets) => inWarmup(facets, harm(facets)),
    },
    ...(['zero', 'r', 'lambda'] as const).map(
      (own): Claim => ({
        claim: `GR with ${WARMUP_NAMES[own]} has a lower test ${error} than GR alone`,
        short: `${WARMUP_NAMES[own]} lowers the ${error}`,
        difference: `GR with ${WARMUP_NAMES[own]} − GR`,
        side: 'below 0',
        authors: OWN[own],
        differences: (facets) =>
          inWarmup(facets, (setting, variant) =>
            compared(setting, [variant, own], [variant, 'none'], finalShortfall(judged)),
          ),
      }),
    ),
    {
      claim: `GR with zero-warmup has a lower test ${error} than no GR`,
      short: 'GR with zero-warmup is better than none',
      difference: 'GR with zero-warmup − no GR',
      side: 'below 0',
      authors:
        'CIFAR-10, test error without GR → with it: ViT-Ti 14.82 → 13.61, ViT-S 12.07 → 10.68, ViT-B 10.83 → 9.42',
      differences: (facets) =>
        inWarmup(facets, (setting, variant) =>
          compared(setting, [variant, 'zero'], ['', 'none'], finalShortfall(judged)),
        ),
    },
    {
      claim: `GR raises the test ${error} more with learning-rate warmup than without`,
      short: 'less harm without learning-rate warmup',
      difference: '(GR − no GR, with LR warmup) − (GR − no GR, without)',
      side: 'above 0',
      authors: 'abstract: performance degenerates “particularly with learning rate warmup”; no figures here',
      differences: (facets) =>
        acrossSettings(facets, 'hasWarmup', (other) => isAdaptive(other) && !other.hasWarmup),
    },
  ];
}

/** On the gradient's statistics. */
const INSTABILITIES: readonly Claim[] = [
  instability(
    "the norm of the optimizer's gradient is more restless",
    'GR makes the gradient restless',
    'standard deviation of log ‖g‖ about its running median over 11 steps, in the LR warmup',
    restlessness,
  ),
  instability(
    'the adaptive learning rate ψ = 1/(√v̂ + ε) varies more',
    'GR makes the adaptive learning rate vary',
    'variance of log ψ over all parameters, mean over the LR warmup',
    rateVariance,
  ),
];

/** On when the harm and the gain are larger. */
function scaleClaims({ judged, noun }: Pick<Facets, 'judged' | 'noun'>): readonly Claim[] {
  const error = shortfallName(judged);
  return [
    {
      claim: `GR raises the test ${error} more under AdamW than under SGD`,
      short: 'less harm under SGD',
      difference: '(GR − no GR, with AdamW) − (GR − no GR, with SGD)',
      side: 'above 0',
      authors: 'abstract: degeneration “in adaptive optimization scenarios”; no figures here',
      differences: (facets) => acrossSettings(facets, 'optimizer', (other) => !isAdaptive(other)),
    },
    {
      claim: 'The gain of zero-warmup over GR grows with the size of the model',
      short: 'the gain grows with the model',
      difference: '(GR − GR with zero-warmup, largest model) − (same, smallest)',
      side: 'above 0',
      authors: 'CIFAR-10, gain in points: ViT-Ti 0.31, ViT-S 1.72, ViT-B 2.94',
      differences: (facets) => growth(facets, 'model'),
    },
    {
      claim: `The gain of zero-warmup over GR grows with the number of training ${noun}s`,
      short: `the gain grows with the ${noun}s`,
      difference: `(GR − GR with zero-warmup, most ${noun}s) − (same, fewest)`,
      side: 'above 0',
      authors: 'no figures here',
      differences: (facets) => growth(facets, 'fraction'),
    },
  ];
}

export function judgeClaims(facets: Facets): readonly JudgedClaim[] {
  const claims = [...warmupClaims(facets), ...INSTABILITIES, ...scaleClaims(facets)];
  return claims.map(({ claim, short, difference, side, authors, differences }) => ({
    claim,
    short,
    difference: `${difference}, claimed ${side}`,
    authors,
    ...weigh(
      differences(facets).map(({ where, bySeed }) => ({ where, spread: spread([...bySeed.values()]) })),
      side,
    ),
  }));
}

/** A claim's verdict in each setting and over all of them, by the rule above. */
export function weigh(
  differences: readonly Difference[],
  side: Side,
): Pick<JudgedClaim, 'evidence' | 'verdict'> {
  const tests = testTogether(differences.map(({ spread }) => spread));
  const evidence = differences.flatMap(({ where }, i): Evidence[] => {
    const tested = tests[i];
    return tested ? [{ where, ...tested, verdict: judge(tested.corrected, side) }] : [];
  });
  return { evidence, verdict: summarize(evidence.map((each) => each.verdict)) };
}

/** The verdict in one setting, from its corrected interval. */
export function judge(interval: Interval | null, side: Side): Verdict {
  const { low, high } = interval ?? { low: null, high: null };
  if (low === null || high === null) return 'cannot tell';
  if (low > 0) return side === 'above 0' ? 'agrees' : 'disagrees';
  if (high < 0) return side === 'below 0' ? 'agrees' : 'disagrees';
  return 'cannot tell';
}

/** The verdict on a claim, from its verdicts in several settings. */
export function summarize(verdicts: readonly Verdict[]): Verdict {
  const [agrees, disagrees] = [verdicts.includes('agrees'), verdicts.includes('disagrees')];
  if (agrees === disagrees) return 'cannot tell';
  return agrees ? 'agrees' : 'disagrees';
}

/** The claim that one statistic is unstable: compares GR with GR under each of its warmups. */
function instability(what: string, short: string, statistic: string, measure: Measure): Claim {
  return {
    short,
    claim: `In the learning-rate warmup, ${what} under GR without a warmup of its own than with one`,
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

function harm({ judged }: Pick<Facets, 'judged'>): Compare {
  const measure = finalShortfall(judged);
  return (setting, variant) => compared(setting, [variant, 'none'], ['', 'none'], measure);
}

function gain({ judged }: Pick<Facets, 'judged'>): Compare {
  const measure = finalShortfall(judged);
  return (setting, variant) => compared(setting, [variant, 'none'], [variant, 'zero'], measure);
}

/** a − b by seed, in one setting. Null where the setting lacks one of the two conditions. */
function compared(
  setting: Setting,
  a: readonly [variant: string, warmup: TrainConfig['grWarmup']],
  b: readonly [variant: string, warmup: TrainConfig['grWarmup']],
  measure: Measure,
): BySeed | null {
  const [left, right] = [armOf(setting, ...a), armOf(setting, ...b)];
  return left && right ? minus(bySeed(left, measure), bySeed(right, measure)) : null;
}

/** A difference in each setting of an adaptive optimizer with warmup, for each variant. */
function inWarmup({ comparable }: Pick<Facets, 'comparable'>, compare: Compare): readonly DifferenceBySeed[] {
  return comparable
    .filter((setting) => isAdaptive(setting) && setting.hasWarmup === true)
    .flatMap((setting) =>
      variantsOf(setting).flatMap((variant) => {
        const bySeed = compare(setting, variant);
        return bySeed === null ? [] : [{ where: place(setting, variant), bySeed }];
      }),
    );
}

/** The harm in each such setting minus that in its counterpart, which differs from it only in the facet. */
function acrossSettings(
  facets: Facets,
  facet: 'hasWarmup' | 'optimizer',
  isCounterpart: (setting: Setting) => boolean,
): readonly DifferenceBySeed[] {
  return facets.comparable.filter(isCounterpart).flatMap((counterpart) =>
    inWarmup(
      { comparable: facets.comparable.filter((setting) => sameBut(facets, facet, setting, counterpart)) },
      (setting, variant) => {
        const [here, there] = [harm(facets)(setting, variant), harm(facets)(counterpart, variant)];
        return here && there && minus(here, there);
      },
    ),
  );
}

/**
 * The gain in the largest minus that in the smallest of the settings that differ only in the facet. Models are sizes of
 * one architecture: a CNN and a Vision Transformer are not.
 */
function growth(facets: Facets, facet: 'model' | 'fraction'): readonly DifferenceBySeed[] {
  const scales = families(facets, facet, facets.comparable).flatMap(({ members }) => [
    ...grouped(members, ({ arms }) => arms[0]?.cells[0]?.architecture ?? '').values(),
  ]);
  return scales.flatMap((members) => {
    const [smallest, largest] = [members[0], members.at(-1)];
    const isOrdered = facet === 'fraction' || members.every((setting) => modelSize(setting) !== null);
    if (!smallest || !largest || smallest === largest || !isOrdered) return [];
    return inWarmup({ comparable: [largest] }, (setting, variant) => {
      const [here, there] = [gain(facets)(setting, variant), gain(facets)(smallest, variant)];
      return here && there && minus(here, there);
    }).map(({ where, bySeed }) => ({ where: `${where}, against ${settingName(smallest)}`, bySeed }));
  });
}

function place(setting: Setting, variant: string): string {
  const name = settingName(setting);
  if (variant === 'GR') return name;
  return setting.parts.length === 0 ? variant : `${name}, ${variant}`;
}
