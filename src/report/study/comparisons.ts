/**
 * The comparisons of a study's final numbers: those that its design plans, those that were asked for, and all others of a
 * condition with a baseline, or along an axis. Each family is corrected by itself.
 */
import { type Comparison, comparisonName } from '../../study/compare.ts';
import type { CellResult, StudyResults } from '../../study/results.node.ts';
import type { Facets } from './facets.ts';
import { type BySeed, finalError, minus, ofCells } from './measures.ts';
import { detectable, pairsFor } from './power.ts';
import { SEPARATOR } from './settings.ts';
import { FEWEST_PAIRS, type Spread, spread, type Tested, testTogether } from './statistics.ts';
import { axisVariable, conditionVariable, otherVariables, placesOf, type Variable } from './variables.ts';

/** A difference of two values of an axis, in one setting or pooled over several. */
export interface Compared extends Tested {
  /** Such as `GR + zero-warmup − GR`. */
  readonly name: string;
  readonly axis: string;
  readonly where: string;
  readonly differences: Spread | null;
  /** The number of tests in its family. */
  readonly tests: number;
}

export interface Power {
  readonly sd: number;
  /** The level of the strictest test of the family: 0.05 divided by the number of its tests. */
  readonly level: number;
  /** The smallest difference that the pairs show with a power of 80 %. */
  readonly detectable: number | null;
  /** The pairs that show the measured difference with that power; null where 10,000 are not enough. */
  readonly forMeasured: number | null;
}

/** Comparisons that are corrected among themselves. */
export interface ComparisonFamily {
  readonly title: string;
  readonly kind: 'planned' | 'asked' | 'exploratory';
  /** Whether they are the single settings of comparisons that another family has pooled. */
  readonly isBySetting: boolean;
  readonly comparisons: readonly Compared[];
}

/** All comparisons of a study. `asked` are those of the command line. */
export function compareAll(
  { compare }: Pick<StudyResults, 'compare'>,
  facets: Facets,
  asked: readonly Comparison[] = [],
): readonly ComparisonFamily[] {
  const named = [...compare, ...asked];
  const families = [
    ...namedFamilies(facets, compare, 'planned', 'Planned'),
    ...namedFamilies(facets, asked, 'asked', 'Asked for afterwards'),
    ...exploratory(facets, named),
  ];
  return families.filter(({ comparisons }) => comparisons.length > 0);
}

/** The differences before they are tested. */
interface Raw {
  readonly name: string;
  readonly axis: string;
  readonly where: string;
  readonly bySeed: BySeed;
}

/** One in a single setting. */
interface InSetting extends Raw {
  /** Of the setting's name. */
  readonly parts: readonly string[];
}

/**
 * Two families: one test for each comparison, pooled over its settings; and the single settings of all comparisons that
 * have several. A comparison with one setting is in the first only.
 */
function namedFamilies(
  facets: Facets,
  comparisons: readonly Comparison[],
  kind: ComparisonFamily['kind'],
  title: string,
): readonly ComparisonFamily[] {
  const each = comparisons.map((comparison) => {
    const variable = axisVariable(facets, comparison.axis);
    return { comparison, settings: inSettings(facets, variable, comparison, matcher(comparison)) };
  });
  const pooled = each.map(({ comparison, settings }): Raw => {
    const [only] = settings;
    if (only && settings.length === 1) return only;
    const where = settings.length === 0 ? 'in no setting are there runs of both' : pooledName(settings);
    const name = nameOf(facets, comparison.axis, comparison);
    return { name, axis: comparison.axis, where, bySeed: pool(settings) };
  });
  const single = each.flatMap(({ settings }) => (settings.length > 1 ? settings : []));
  return [
    { title: `${title} comparisons`, kind, isBySetting: false, comparisons: tested(pooled) },
    { title: `${title} comparisons, by setting`, kind, isBySetting: true, comparisons: tested(single) },
  ];
}

/** Such as `GR − none` of conditions that the design names, and `learningRate: 0.003 − 0.001` of all else. */
function nameOf(
  { axes, conditionAxes }: Facets,
  axis: string,
  pair: Pick<Comparison, 'of' | 'against'>,
): string {
  const isNamed = conditionAxes.some(({ name, hasNames }) => name === axis && hasNames);
  const isAxis = axes.some(({ name }) => name === axis);
  return isNamed || !isAxis ? comparisonName(pair) : `${axis}: ${comparisonName(pair)}`;
}

function matcher({ where }: Comparison): (cell: CellResult) => boolean {
  return ({ values }) =>
    Object.entries(where).every(([axis, chosen]) => {
      const value = values[axis];
      return value === undefined || chosen.includes(value);
    });
}

/** `LR warmup, mean of 2 settings`: what the settings share tells the parts of a study apart that `where` chose. */
function pooledName(settings: readonly InSetting[]): string {
  const shared =
    settings[0]?.parts.filter((part) => settings.every(({ parts }) => parts.includes(part))) ?? [];
  const mean = `mean of ${settings.length} settings`;
  return shared.length === 0 ? mean : `${shared.join(SEPARATOR)}, ${mean}`;
}

/** For each seed that all settings have, the mean of the settings' differences. A setting without a pair is left out. */
function pool(settings: readonly Raw[]): BySeed {
  const [first, ...others] = settings.map(({ bySeed }) => bySeed).filter(({ size }) => size > 0);
  if (!first) return new Map();
  return new Map(
    [...first].flatMap(([seed, value]) => {
      const all = [value, ...others.flatMap((each) => each.get(seed) ?? [])];
      return all.length <= others.length
        ? []
        : [[seed, all.reduce((sum, difference) => sum + difference, 0) / all.length]];
    }),
  );
}

/** Each condition against the first and, where there are three, the second; along each other axis against its first. */
function exploratory(facets: Facets, named: readonly Comparison[]): readonly ComparisonFamily[] {
  const conditions = conditionVariable(facets);
  const baselines: (readonly [variable: Variable, at: number])[] = [
    ...(conditions ? [[conditions, 0] as const] : []),
    ...(conditions && conditions.values.length > 2 ? [[conditions, 1] as const] : []),
    ...otherVariables(facets).map((variable) => [variable, 0] as const),
  ];
  return baselines.map(([variable, at]) => {
    const against = variable.values[at] ?? '';
    const pairs = variable.values
      .slice(at + 1)
      .map((of) => ({ of, against }))
      .filter((pair) => !named.some((each) => isSame(each, variable, pair)));
    return {
      title: `Exploratory: ${variable.name}, against ${against}`,
      kind: 'exploratory' as const,
      isBySetting: false,
      comparisons: tested(
        pairs.flatMap((pair) => inSettings(facets, variable, pair)).filter(({ bySeed }) => bySeed.size > 0),
      ),
    };
  });
}

/** Whether a named comparison, in all settings, is this pair, either way round. */
function isSame(
  { axis, of, against, where }: Comparison,
  variable: Variable,
  pair: Pick<Comparison, 'of' | 'against'>,
): boolean {
  const own = [of, against].toSorted().join('\n');
  const other = [pair.of, pair.against].toSorted().join('\n');
  return axis === variable.name && own === other && Object.keys(where).length === 0;
}

function inSettings(
  facets: Facets,
  variable: Variable,
  pair: Pick<Comparison, 'of' | 'against'>,
  isMeant?: (cell: CellResult) => boolean,
): readonly InSetting[] {
  const measure = finalError(facets.judged);
  return placesOf(facets, variable, [pair.of, pair.against], isMeant).map(
    ({ parts, runs: [of = [], against = []] }) => ({
      name: nameOf(facets, variable.name, pair),
      axis: variable.name,
      where: parts.join(SEPARATOR),
      parts,
      bySeed: minus(ofCells(of, measure), ofCells(against, measure)),
    }),
  );
}

function tested(raw: readonly Raw[]): readonly Compared[] {
  const differences = raw.map(({ bySeed }) => spread([...bySeed.values()]));
  const tests = testTogether(differences);
  const count = tests.filter(({ corrected }) => corrected !== null).length;
  return raw.flatMap(({ name, axis, where }, i): Compared[] => {
    const [own = null, test] = [differences[i], tests[i]];
    return test ? [{ name, axis, where, differences: own, tests: count, ...test }] : [];
  });
}

/** What the pairs of a comparison can show; null where there are fewer than two. */
export function powerOf({ differences, tests }: Compared): Power | null {
  if (differences === null || differences.sd === null) return null;
  const { mean, sd, n } = differences;
  const test = { sd, level: 0.05 / Math.max(1, tests) };
  return { ...test, detectable: detectable(n, test), forMeasured: pairsToShow(mean, test) };
}

/** The pairs that show a difference of either sign, at least those that a test takes. */
export function pairsToShow(difference: number, test: Pick<Power, 'sd' | 'level'>): number | null {
  return difference === 0 ? null : pairsFor(Math.abs(difference), test, FEWEST_PAIRS);
}
