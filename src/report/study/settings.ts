/** Settings: all that a design varies besides the conditions and the seed. */

import type { TrainConfig } from '../../config/config.ts';
import { counted } from '../../counted.ts';
import { entryOf } from '../../data/names.ts';
import { OPTIMIZER_TITLES } from '../../step/optimizer.ts';
import type { Axis } from '../../study/design.ts';
import type { CellResult } from '../../study/results.node.ts';
import {
  distinct,
  FACET_OPTIONS,
  FACETS,
  type Facet,
  grouped,
  hasEffect,
  known,
  optionText,
  shared,
} from './cells.ts';
import type { Condition } from './conditions.ts';

/** Between the parts of a setting's name. */
export const SEPARATOR = ' · ';

/** The runs of one condition in one setting: they differ in their seed. */
export interface Arm {
  readonly condition: Condition;
  readonly cells: readonly CellResult[];
  /** Steps of learning-rate warmup; null until a run is over. */
  readonly warmupSteps: number | null;
}

/** What the runs of a setting share. A facet is null where they differ in it. */
export interface Setting {
  /** The parts of its name, which together tell it from the study's other settings. */
  readonly parts: readonly Part[];
  readonly model: string | null;
  readonly dataset: string | null;
  readonly fraction: number | null;
  /** The number of training examples; null until a run is over. */
  readonly examples: number | null;
  readonly optimizer: TrainConfig['optimizer'] | null;
  readonly hasWarmup: boolean | null;
  /** The options that the study varies, by key, without those of the conditions and those that have no effect. */
  readonly options: ReadonlyMap<string, string>;
  readonly arms: readonly Arm[];
}

interface Part {
  /** The facets that the text tells. */
  readonly facets: readonly Facet[];
  readonly text: string;
}

/** What all the cells learn from, in the singular. */
export function nounOf(cells: readonly CellResult[]): string {
  return shared(cells, ({ dataset }) => entryOf(dataset)?.noun) ?? 'example';
}

/** The setting's name, without the parts that tell a facet of `without`. */
export function settingName({ parts }: Setting, without: readonly Facet[] = []): string {
  const told = parts.filter(({ facets }) => !facets.some((facet) => without.includes(facet)));
  return told.length === 0 ? 'all runs' : told.map(({ text }) => text).join(SEPARATOR);
}

/** Whether the optimizer adapts the learning rate of each parameter. SGD, the control, does not. */
export function isAdaptive({ optimizer }: Setting): boolean {
  return optimizer !== null && optimizer !== 'sgd';
}

export function setting(
  members: readonly CellResult[],
  parts: readonly Part[],
  keys: readonly string[],
  conditions: readonly Condition[],
  conditionOf: (cell: CellResult) => Condition,
): Setting {
  const arms = grouped(members, (cell) => conditionOf(cell).name);
  const fraction = shared(members, ({ config }) => config.trainFraction);
  return {
    parts,
    model: shared(members, ({ model }) => model),
    dataset: shared(members, ({ dataset }) => dataset),
    fraction,
    examples: fraction === null ? null : known(members.map(({ trainExamples }) => trainExamples)),
    optimizer: shared(members, ({ config }) => config.optimizer),
    hasWarmup: shared(members, ({ config }) => config.warmupEpochs > 0),
    options: new Map(
      keys.flatMap((key) => {
        const value = shared(members, (cell) => (hasEffect(cell, key) ? optionText(cell, key) : null));
        return value === null ? [] : [[key, value]];
      }),
    ),
    arms: conditions.flatMap((condition) => {
      const cells = arms.get(condition.name);
      return cells ? [{ condition, cells, warmupSteps: known(cells.map((cell) => cell.warmupSteps)) }] : [];
    }),
  };
}

/** A possible part of a setting's name. Its text is undefined for a cell that it does not apply to. */
interface Candidate {
  readonly facets: readonly Facet[];
  readonly text: (cell: CellResult) => string | undefined;
}

/**
 * Names the settings. A name has the facets, then the values on axes that the facets do not tell. Where two settings
 * still have the same name, it also has options.
 */
export function nameSettings(
  groups: readonly (readonly CellResult[])[],
  cells: readonly CellResult[],
  axes: readonly Axis[],
  keys: readonly string[],
): (members: readonly CellResult[]) => readonly Part[] {
  const textOf = ([first]: readonly CellResult[], { text }: Candidate) => (first ? text(first) : undefined);
  const kinds = (all: readonly Candidate[]) =>
    distinct(groups.map((group) => JSON.stringify(all.map((each) => textOf(group, each) ?? null)))).length;
  const tell = (all: readonly Candidate[], what: Candidate) => kinds(all) === kinds([...all, what]);
  const isUsable = (candidate: Candidate) =>
    kinds([candidate]) > 1 && groups.every((group) => distinct(group.map(candidate.text)).length === 1);
  const facetText = facetTexts(cells);
  const moved = (options: readonly string[]) =>
    FACETS.filter((facet) => options.includes(FACET_OPTIONS[facet]));

  const ofFacets = FACETS.map((facet): Candidate => ({ facets: [facet], text: facetText[facet] })).filter(
    isUsable,
  );
  const ofAxes = axes
    .filter(({ options }) => options.some((key) => keys.includes(key)))
    .map(
      ({ name, options }): Candidate => ({
        facets: moved(options),
        text: ({ values }) => (values[name] === undefined ? undefined : `${name} = ${values[name]}`),
      }),
    )
    .filter(isUsable)
    .filter((axis) => {
      const own = ofFacets.filter(({ facets: [facet] }) => facet && axis.facets.includes(facet));
      return own.length === 0 || !tell(own, axis);
    });
  const isUntold = (candidate: Candidate) =>
    !ofAxes.some(
      (axis) => candidate.facets.some((facet) => axis.facets.includes(facet)) && tell([axis], candidate),
    );
  const chosen = [...ofFacets.filter(isUntold), ...ofAxes];
  for (const key of keys) {
    const option: Candidate = {
      facets: moved([key]),
      text: (cell) => (hasEffect(cell, key) ? `${key} = ${optionText(cell, key) || 'none'}` : undefined),
    };
    if (!tell(chosen, option)) chosen.push(option);
  }
  return (members) =>
    chosen.flatMap((candidate) => {
      const text = textOf(members, candidate);
      return text === undefined ? [] : [{ facets: candidate.facets, text }];
    });
}

/** The text for each facet of a cell. */
export function facetTexts(
  cells: readonly CellResult[],
): Readonly<Record<Facet, (cell: CellResult) => string>> {
  const noun = nounOf(cells);
  // A run that is not over does not have its number of examples. Another run of the same fraction may have it.
  const sizes = new Map(
    cells.flatMap((cell) => (cell.trainExamples === null ? [] : [[sizeKey(cell), cell.trainExamples]])),
  );
  return {
    model: ({ model }) => model,
    dataset: ({ dataset }) => entryOf(dataset)?.title ?? dataset,
    fraction: (cell) => {
      const count = sizes.get(sizeKey(cell));
      return count === undefined
        ? `${Number((100 * cell.config.trainFraction).toPrecision(3))}\u202f% of the ${noun}s`
        : counted(count, noun);
    },
    optimizer: ({ config }) => OPTIMIZER_TITLES[config.optimizer],
    hasWarmup: ({ config }) => (config.warmupEpochs > 0 ? 'LR warmup' : 'no LR warmup'),
  };
}

function sizeKey({ dataset, config }: CellResult): string {
  return `${dataset} ${config.trainFraction}`;
}

/**
 * The order of settings: by dataset, model, examples (most first), optimizer, warmup first. Within these, the study's.
 */
export function settingOrder(cells: readonly CellResult[]): (a: Setting, b: Setting) => number {
  const datasets = distinct(cells.map(({ dataset }) => dataset));
  const models = distinct(cells.map(({ model }) => model));
  const optimizers = distinct(cells.map(({ config }) => config.optimizer));
  const rank = <T>(all: readonly T[], value: T | null) => (value === null ? 0 : all.indexOf(value));
  const keys = (setting: Setting) => [
    rank(datasets, setting.dataset),
    rank(models, setting.model),
    -(setting.fraction ?? 0),
    rank(optimizers, setting.optimizer),
    setting.hasWarmup === false ? 1 : 0,
  ];
  return (a, b) => {
    const [left, right] = [keys(a), keys(b)];
    const at = left.findIndex((key, i) => key !== right[i]);
    return (left[at] ?? 0) - (right[at] ?? 0);
  };
}
