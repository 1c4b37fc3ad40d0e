/** The tables and forest plots of a study's comparisons, and the sentences about their power. */
import { counted } from '../../counted.ts';
import type { Forest, ForestRow } from '../forest.node.ts';
import { grouped } from './cells.ts';
import { type Compared, type ComparisonFamily, pairsToShow, powerOf } from './comparisons.ts';
import type { Judged } from './judged.ts';
import { MOST_PAIRS } from './power.ts';
import { FEWEST_PAIRS } from './statistics.ts';
import type { Column, Table } from './table.ts';

/** All comparisons, or those of some kinds. */
export function comparisonsTable(
  families: readonly ComparisonFamily[],
  judged: Judged,
  digits: number,
): Table {
  return {
    name: 'comparisons',
    isGrouped: true,
    title: `Differences of the final test ${judged.label}${inPoints(judged)}, paired by seed, with their 95 % interval and that at the level of the test, corrected within each family; ${judged.better} is better`,
    columns: [
      { name: 'family', kind: 'text' },
      { name: 'comparison', kind: 'text' },
      { name: 'setting', kind: 'prose' },
      { name: 'difference (95 %)', kind: 'interval', digits },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'corrected', kind: 'interval', digits },
      { name: 'corrected level (%)', kind: 'number' },
      { name: 'shown', kind: 'text' },
    ],
    rows: families.flatMap(({ title, comparisons }) =>
      comparisons.map((each) => [
        `${title} (${counted(testsOf(comparisons), 'test')})`,
        each.name,
        each.where,
        each.interval,
        each.interval?.n ?? 0,
        each.corrected,
        each.corrected && 100 * each.corrected.level,
        shown(each),
      ]),
    ),
  };
}

function testsOf(comparisons: readonly Compared[]): number {
  return comparisons.filter(({ corrected }) => corrected !== null).length;
}

/** What the corrected interval shows. */
export function shown({ corrected }: Compared): 'below 0' | 'above 0' | 'cannot tell' {
  const { low, high } = corrected ?? { low: null, high: null };
  if (high !== null && high < 0) return 'below 0';
  return low !== null && low > 0 ? 'above 0' : 'cannot tell';
}

/** ` in percentage points`, the unit of a difference, for a title. */
function inPoints({ isPercent, inUnit }: Judged): string {
  return isPercent ? ' in percentage points' : inUnit;
}

/** The families of which the report tells the power: those that were named, else the first. */
export function familiesWithPower(families: readonly ComparisonFamily[]): readonly ComparisonFamily[] {
  const named = families.filter(({ kind }) => kind !== 'exploratory');
  return named.length > 0 ? named : families.slice(0, 1);
}

/** What the numbers of pairs could have shown. `difference`: that of which the seeds are told too, if any. */
export function powerTable(
  families: readonly ComparisonFamily[],
  judged: Judged,
  digits: number,
  difference: number | null,
): Table {
  const wanted: readonly Column[] =
    difference === null ? [] : [{ name: `seeds for ${differenceText(difference, judged)}`, kind: 'text' }];
  return {
    name: 'power',
    isGrouped: true,
    title: `What the runs could have shown: sd of the paired differences, the smallest difference of the test ${judged.label}${inPoints(judged)} that a test at the corrected level finds with a chance of 80 %, the measured difference, and the seeds that it takes`,
    columns: [
      { name: 'family', kind: 'text' },
      { name: 'comparison', kind: 'text' },
      { name: 'setting', kind: 'prose' },
      { name: 'pairs', kind: 'number', digits: 0 },
      { name: 'sd', kind: 'number', digits },
      { name: 'level (%)', kind: 'number' },
      { name: 'could show', kind: 'number', digits },
      { name: 'measured', kind: 'number', digits },
      { name: 'seeds for it', kind: 'text' },
      ...wanted,
    ],
    rows: familiesWithPower(families).flatMap(({ title, comparisons }) =>
      comparisons.flatMap((each) => {
        const { name, where, differences } = each;
        if (differences === null) return [];
        const power = powerOf(each);
        const row = [
          title,
          name,
          where,
          differences.n,
          power?.sd ?? null,
          power && 100 * (1 - power.level),
          power?.detectable ?? null,
          differences.mean,
          power && pairsText(power.forMeasured),
        ];
        return [difference === null ? row : [...row, power && pairsText(pairsToShow(difference, power))]];
      }),
    ),
  };
}

function pairsText(pairs: number | null): string {
  return pairs === null ? `over ${MOST_PAIRS.toLocaleString('en')}` : pairs.toLocaleString('en');
}

function differenceText(difference: number, { isPercent, axis }: Judged): string {
  return isPercent ? counted(difference, 'point') : `${difference} of ${axis}`;
}

/**
 * For each comparison of these families, pooled over its settings, a sentence: what was measured, what
 * could have been shown, and how many seeds the measured difference and a wanted one take.
 */
export function powerLines(
  families: readonly ComparisonFamily[],
  judged: Judged,
  digits: number,
  difference: number | null,
): readonly string[] {
  const unit = judged.isPercent ? ' points' : judged.inUnit.replace(' in', '');
  const told = familiesWithPower(families).filter(({ isBySetting }) => !isBySetting);
  return told.flatMap(({ comparisons }) =>
    comparisons.map((each) => {
      const { name, where, differences } = each;
      const power = powerOf(each);
      const what = `${name}, ${where}`;
      if (differences === null) return `${what}: no pair of runs has this number`;
      const { mean, n } = differences;
      if (power === null) return `${what}: one pair; a deviation takes two`;
      const level = Number((100 * (1 - power.level)).toPrecision(4));
      const least =
        power.detectable === null ? '' : `; at least ${power.detectable.toFixed(digits)} could be shown`;
      const wanted =
        difference === null
          ? ''
          : `; to show a difference of ${differenceText(difference, judged)} takes ${pairsText(pairsToShow(difference, power))} seeds`;
      return `${what}: ${mean.toFixed(digits).replace('-', '−')}${unit} (n = ${n}, sd ${power.sd.toFixed(digits)})${least} with 80 % power at ${level} %; the measured one takes ${pairsText(power.forMeasured)} seeds${wanted}`;
    }),
  );
}

/** How comparisons are made and corrected, as text for a page. */
export const COMPARISON_RULE = `Each seed gives one difference, between two runs that differ only in the axis that is compared. From ${FEWEST_PAIRS} seeds on it is tested by the paired t-test, and Holm's procedure corrects the tests of a family. A comparison that the design names under “compare” is planned; of those, the mean over their settings is one family, and the single settings are another. All others are exploratory: they were not asked beforehand, so a difference that shows among them is a reason to test it with new seeds, not a result.`;

export const POWER_RULE =
  'The smallest difference is the one that the paired t-test at the corrected level (0.05 divided by the tests of the family) would find with a chance of 80 %, if the true deviation of the differences were the measured one, from the noncentral t-distribution. A deviation from few pairs is itself uncertain, and so are the seeds that follow from it.';

/** The most rows of one plot. A family with more has a plot for each comparison. */
const MOST_ROWS = 24;

/** One plot for each family, or for each of its comparisons. */
export function forests(families: readonly ComparisonFamily[], judged: Judged): readonly Forest[] {
  return families.flatMap(({ title, comparisons }): Forest[] => {
    const drawn = comparisons.filter(({ interval }) => interval !== null);
    const byName = [...grouped(drawn, ({ name }) => name)];
    const whole = byName.map(([heading, members]) => ({ heading, rows: members.flatMap(rowOf) }));
    const make = (name: string, groups: Forest['groups']): Forest => ({
      title: name,
      xLabel: `difference of final test ${judged.isPercent ? `${judged.label} (points)` : judged.axis}`,
      groups,
      legend: ['95 % interval', 'corrected for the family'],
    });
    if (drawn.length === 0) return [];
    if (drawn.length <= MOST_ROWS) return [make(title, whole)];
    return whole.map(({ heading, rows }) => make(`${title}: ${heading}`, [{ heading: '', rows }]));
  });
}

function rowOf({ where, interval, corrected }: Compared): ForestRow[] {
  if (interval === null) return [];
  const ends = ({ low, high }: { low: number | null; high: number | null }) =>
    low === null || high === null ? null : { low, high };
  return [
    {
      label: `${where}, n = ${interval.n}`,
      mean: interval.mean,
      inner: ends(interval),
      outer: corrected && ends(corrected),
    },
  ];
}
