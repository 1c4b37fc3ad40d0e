/** Settings: all that a design varies besides the conditions and the seed. */
import { counted } from '../../counted.ts';
import type { DatasetName } from '../../datasets/dataset.ts';
import type { Axis } from '../../study/design.ts';
import type { CellResult } from '../../study/results.ts';
import type { TrainConfig } from '../../train/config.ts';
import { distinct, grouped, hasEffect, known, optionText, shared } from './cells.ts';
import type { Condition } from './conditions.ts';

/** The runs of one condition in one setting: they differ in their seed. */
export interface Arm {
  readonly condition: Condition;
  readonly cells: readonly CellResult[];
  /** Null until a run has begun. */
  readonly warmupSteps: number | null;
}

/** The option that moves each facet of a setting. */
export const FACET_OPTIONS = {
  model: 'graph',
  dataset: 'graph',
  fraction: 'trainFraction',
  optimizer: 'optimizer',
  hasWarmup: 'warmupEpochs',
} as const satisfies Record<string, keyof TrainConfig>;

/** What claims and scales look at in a setting. */
export type Facet = keyof typeof FACET_OPTIONS;

/** What its runs share; a facet is null where they differ in it. */
export interface Setting {
  /** What sets it apart from the study's other settings. */
  readonly parts: readonly Part[];
  readonly model: string | null;
  readonly dataset: DatasetName | null;
  readonly fraction: number | null;
  /** Images trained on; null until a run has begun. */
  readonly images: number | null;
  readonly optimizer: TrainConfig['optimizer'] | null;
  readonly hasWarmup: boolean | null;
  /** By key: the options that the study varies, without those of the conditions and those without an effect. */
  readonly options: ReadonlyMap<string, string>;
  readonly arms: readonly Arm[];
}

interface Part {
  /** Those that it tells. */
  readonly facets: readonly Facet[];
  readonly text: string;
}

export const FACETS = [
  'model',
  'dataset',
  'fraction',
  'optimizer',
  'hasWarmup',
] as const satisfies readonly Facet[];

const DATASET_NAMES: Readonly<Record<DatasetName, string>> = {
  mnist: 'MNIST',
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  'image-folder': 'image folder',
};

const OPTIMIZER_NAMES: Readonly<Record<TrainConfig['optimizer'], string>> = {
  adamw: 'AdamW',
  adam: 'Adam',
  rmsprop: 'RMSProp',
  sgd: 'SGD',
};

/** Its name among the study's settings, or among those of them that differ in no facet of `without`. */
export function settingName({ parts }: Setting, without: readonly Facet[] = []): string {
  const told = parts.filter(({ facets }) => !facets.some((facet) => without.includes(facet)));
  return told.length === 0 ? 'all runs' : told.map(({ text }) => text).join(' · ');
}

/** Steps by adaptive learning rates, as opposed to the control. */
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
    images: fraction === null ? null : known(members.map(({ trainImages }) => trainImages)),
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

/** Something that a setting's name may say: nothing of a cell to which it does not apply. */
interface Candidate {
  readonly facets: readonly Facet[];
  readonly text: (cell: CellResult) => string | undefined;
}

/**
 * A setting's name: its facets, its values on the axes that the facets do not tell, and options where even these leave
 * two settings alike.
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

/** What each facet of a cell is called. */
export function facetTexts(
  cells: readonly CellResult[],
): Readonly<Record<Facet, (cell: CellResult) => string>> {
  // A run that has not begun does not know its images, but shares its fraction with one that may.
  const images = new Map(
    cells.flatMap((cell) => (cell.trainImages === null ? [] : [[imagesKey(cell), cell.trainImages]])),
  );
  return {
    model: ({ model }) => model,
    dataset: ({ dataset }) => DATASET_NAMES[dataset],
    fraction: (cell) => {
      const count = images.get(imagesKey(cell));
      return count === undefined
        ? `${Number((100 * cell.config.trainFraction).toPrecision(3))}\u202f% of the images`
        : counted(count, 'image');
    },
    optimizer: ({ config }) => OPTIMIZER_NAMES[config.optimizer],
    hasWarmup: ({ config }) => (config.warmupEpochs > 0 ? 'LR warmup' : 'no LR warmup'),
  };
}

function imagesKey({ dataset, config }: CellResult): string {
  return `${dataset} ${config.trainFraction}`;
}

/** By data, model, optimizer as the study names them, all images first, warmup first; else in the study's order. */
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
