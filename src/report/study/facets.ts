/**
 * A study's cells, sorted by what the design varies. A *condition* is what the lines of a figure compare: the
 * regularization, or in a design with one regularization the last axis. A *setting* is all else that the design varies,
 * except the seed.
 */

import type { TrainConfig } from '../../config/config.ts';
import type { Axis } from '../../study/design.ts';
import type { CellResult, StudyResults } from '../../study/results.node.ts';
import {
  distinct,
  FACET_OPTIONS,
  FACETS,
  type Facet,
  grouped,
  optionTexts,
  varyingOptions,
} from './cells.ts';
import {
  type Condition,
  conditionAxes,
  conditionOptions,
  conditionRank,
  type Meaning,
  meanings,
  nameConditions,
  REGULARIZATION,
} from './conditions.ts';
import { type Judged, judgedBy } from './judged.ts';
import {
  type Arm,
  facetTexts,
  nameSettings,
  nounOf,
  type Setting,
  setting,
  settingOrder,
} from './settings.ts';

export interface Facets {
  readonly axes: readonly Axis[];
  readonly cells: readonly CellResult[];
  /** The axes whose values are the conditions, and the options that make them. */
  readonly conditionAxes: readonly Axis[];
  readonly conditionOptions: ReadonlySet<string>;
  readonly conditionOf: (cell: CellResult) => Condition;
  /** The settings of tables and figures. */
  readonly settings: readonly Setting[];
  /** The settings of claims. The runs of one differ only in regularization and seed. */
  readonly comparable: readonly Setting[];
  /** All conditions of the study, in the order of tables and legends. */
  readonly conditions: readonly Condition[];
  /** The facets that all settings share, for a sentence. */
  readonly common: string;
  /** The number that judges the runs. */
  readonly judged: Judged;
  /** What the runs learn from: `image`, or `example` where they learn from different things. */
  readonly noun: string;
  /** The meaning of each variant's or condition's name. */
  readonly meanings: readonly Meaning[];
}

export function facetsOf({ cells, axes }: StudyResults): Facets {
  const varying = varyingOptions(cells).filter((key) => key !== 'seed');
  const chosen = conditionAxes(axes, varying);
  const ofConditions = conditionOptions(axes, chosen, varying);
  const conditionOf = nameConditions(cells, chosen, ofConditions);
  const conditions = [...grouped(cells, (cell) => conditionOf(cell).name).values()]
    .flatMap(([first]) => (first ? [conditionOf(first)] : []))
    .toSorted((a, b) => conditionRank(a) - conditionRank(b));
  const settingsBy = (keys: readonly string[]): readonly Setting[] => {
    const groups = [...grouped(cells, (cell) => optionTexts(cell, keys)).values()];
    const partsOf = nameSettings(groups, cells, axes, keys);
    return groups
      .map((members) => setting(members, partsOf(members), keys, conditions, conditionOf))
      .toSorted(settingOrder(cells));
  };
  const text = facetTexts(cells);
  const [first] = cells;
  const shared = FACETS.filter((facet) => distinct(cells.map(text[facet])).length === 1);
  return {
    axes,
    cells,
    conditionAxes: chosen,
    conditionOptions: ofConditions,
    conditionOf,
    settings: settingsBy(varying.filter((key) => !ofConditions.has(key))),
    comparable: settingsBy(varying.filter((key) => !REGULARIZATION.includes(key))),
    conditions,
    common: first ? shared.map((facet) => text[facet](first)).join(' · ') : '',
    judged: judgedBy(cells),
    noun: nounOf(cells),
    meanings: meanings(cells, conditionOf),
  };
}

/** The arm of this variant with this warmup of its own; undefined where the setting has none. */
export function armOf(
  { arms }: Setting,
  variant: string,
  warmup: TrainConfig['grWarmup'] = 'none',
): Arm | undefined {
  return arms.find(({ condition }) => condition.variant === variant && condition.warmup === warmup);
}

/** The variants of a setting that are regularized. */
export function variantsOf({ arms }: Setting): readonly string[] {
  return distinct(arms.map(({ condition }) => condition.variant)).filter((variant) => variant !== '');
}

/**
 * Whether two settings differ only in a facet. Options that no other axis sets may differ too, since they go with the
 * facet: an axis of optimizers may set their learning rates, and the default weight decay follows the optimizer. An
 * option that has no effect in one of the settings makes no difference.
 */
export function sameBut({ axes }: Facets, besides: Facet, a: Setting, b: Setting): boolean {
  const option: string = FACET_OPTIONS[besides];
  const others = axes.filter(({ options }) => !options.includes(option)).flatMap(({ options }) => options);
  const goesWithIt = (key: string) => key === option || !others.includes(key);
  return (
    FACETS.every((facet) => facet === besides || a[facet] === b[facet]) &&
    [...a.options].every(([key, value]) => goesWithIt(key) || (b.options.get(key) ?? value) === value)
  );
}
