/**
 * A study's cells by what sets them apart. A *setting* is model, data, optimizer and learning-rate warmup; a
 * *condition* is the regularization in it; what is left is the seed.
 */
import type { DatasetName } from '../../datasets/dataset.ts';
import type { CellResult, StudyResults } from '../../study/results.ts';
import type { TrainConfig } from '../../train/config.ts';

export interface Condition {
  /** Short: `none`, `GR`, `GR + zero-warmup`; with kind or strengths only where the study has several. */
  readonly name: string;
  /** Kind and strengths: conditions of one variant differ in their warmup only. Empty for no regularization. */
  readonly variant: string;
  readonly warmup: TrainConfig['grWarmup'];
  readonly isRegularized: boolean;
  /** Of the variant among the study's. */
  readonly variantIndex: number;
}

/** The runs of one condition in one setting: they differ in their seed. */
export interface Arm {
  readonly condition: Condition;
  readonly cells: readonly CellResult[];
}

/** What makes a setting. */
export type Facet = 'model' | 'dataset' | 'fraction' | 'optimizer' | 'hasWarmup';

export interface Setting {
  /** What sets it apart from the study's other settings, facet by facet. */
  readonly parts: readonly Part[];
  readonly model: string;
  readonly dataset: DatasetName;
  readonly fraction: number;
  /** Images trained on; null until a run has begun. */
  readonly images: number | null;
  readonly optimizer: TrainConfig['optimizer'];
  readonly hasWarmup: boolean;
  readonly warmupSteps: number | null;
  readonly arms: readonly Arm[];
}

interface Part {
  readonly facet: Facet;
  readonly text: string;
}

export interface Facets {
  readonly settings: readonly Setting[];
  /** All that occur, in the order of tables and legends. */
  readonly conditions: readonly Condition[];
  /** What all settings share, for a sentence. */
  readonly common: string;
  /** What each variant is: `GR: finite differences with r = 0.1, α = 1`. */
  readonly variants: readonly string[];
}

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

const KIND_NAMES: Readonly<Record<TrainConfig['gr'], string>> = {
  none: 'none',
  fd: 'GR',
  exact: 'exact GR',
  sam: 'SAM',
};

const KIND_MEANINGS: Readonly<Record<TrainConfig['gr'], string>> = {
  none: 'none',
  fd: 'regularization by finite differences',
  exact: 'exact regularization by double backward',
  sam: 'SAM',
};

const FACETS: readonly Facet[] = ['model', 'dataset', 'fraction', 'optimizer', 'hasWarmup'];

export const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const satisfies readonly TrainConfig['grWarmup'][];
export const WARMUP_NAMES: Readonly<Record<TrainConfig['grWarmup'], string>> = {
  none: '',
  lambda: 'λ-warmup',
  r: 'r-warmup',
  zero: 'zero-warmup',
};

export function facetsOf({ cells }: StudyResults): Facets {
  const regularized = cells.map(({ config }) => config).filter(({ gr }) => gr !== 'none');
  const variantName = nameVariants(regularized);
  const variants = grouped(regularized, variantName);
  const conditionOf = ({ config }: CellResult): Condition => {
    const variant = variantName(config);
    const warmup = config.gr === 'none' ? 'none' : config.grWarmup;
    return {
      name: [variant || 'none', WARMUP_NAMES[warmup]].filter((part) => part !== '').join(' + '),
      variant,
      warmup,
      isRegularized: variant !== '',
      variantIndex: Math.max(0, [...variants.keys()].indexOf(variant)),
    };
  };
  const conditions = [...grouped(cells, (cell) => conditionOf(cell).name).values()]
    .flatMap(([first]) => (first ? [conditionOf(first)] : []))
    .sort((a, b) => conditionRank(a) - conditionRank(b));
  const { varying, common } = settingParts(cells);
  const settings = [...grouped(cells, (cell) => JSON.stringify(varying(cell))).values()].flatMap(
    (members): Setting[] => {
      const [first] = members;
      if (!first) return [];
      const arms = grouped(members, (cell) => conditionOf(cell).name);
      return [
        {
          parts: varying(first),
          model: first.model,
          dataset: first.dataset,
          fraction: first.config.trainFraction,
          images: known(members.map(({ trainImages }) => trainImages)),
          optimizer: first.config.optimizer,
          hasWarmup: first.config.warmupEpochs > 0,
          warmupSteps: known(members.map(({ warmupSteps }) => warmupSteps)),
          arms: conditions.flatMap((condition) => {
            const own = arms.get(condition.name);
            return own ? [{ condition, cells: own }] : [];
          }),
        },
      ];
    },
  );
  return {
    settings: settings.toSorted(settingOrder(cells)),
    conditions,
    common: common.map(({ text }) => text).join(' · '),
    variants: [...variants].flatMap(([name, [config]]) => (config ? [`${name}: ${meaning(config)}`] : [])),
  };
}

/** Its name among the study's settings, or among those of them that differ in no facet of `without`. */
export function settingName({ parts }: Setting, without: readonly Facet[] = []): string {
  const told = parts.filter(({ facet }) => !without.includes(facet));
  return told.length === 0 ? 'all runs' : told.map(({ text }) => text).join(' · ');
}

/** The arm of this variant with this warmup of its own; undefined where the setting has none. */
export function armOf(
  { arms }: Setting,
  variant: string,
  warmup: TrainConfig['grWarmup'] = 'none',
): Arm | undefined {
  return arms.find(({ condition }) => condition.variant === variant && condition.warmup === warmup);
}

/** Those of the setting, without no regularization. */
export function variantsOf({ arms }: Setting): readonly string[] {
  return distinct(arms.map(({ condition }) => condition.variant)).filter((variant) => variant !== '');
}

/** Whether two settings differ in nothing but in what `besides` names. */
export function sameBut(besides: readonly Facet[], a: Setting, b: Setting): boolean {
  return FACETS.every((facet) => besides.includes(facet) || a[facet] === b[facet]);
}

/** Steps by adaptive learning rates, as opposed to the control. */
export function isAdaptive({ optimizer }: Setting): boolean {
  return optimizer !== 'sgd';
}

/** Each with a kind or a strength only where the study has several of it. */
function nameVariants(regularized: readonly TrainConfig[]): (config: TrainConfig) => string {
  const hasKinds = distinct(regularized.map(({ gr }) => gr)).length > 1;
  return (config) => {
    if (config.gr === 'none') return '';
    const peers = regularized.filter(({ gr }) => gr === config.gr).map(strengths);
    const varying = strengths(config).filter(({ name, value }) =>
      peers.some((peer) => peer.some((other) => other.name === name && other.value !== value)),
    );
    const kind = hasKinds ? KIND_NAMES[config.gr] : 'GR';
    const texts = varying.map(({ name, value }) => `${name} = ${value}`);
    return texts.length === 0 ? kind : `${kind} (${texts.join(', ')})`;
  };
}

function meaning(config: TrainConfig): string {
  const values = strengths(config).map(({ name, value }) => `${name} = ${value}`);
  return `${KIND_MEANINGS[config.gr]} with ${values.join(', ')}`;
}

/** As they are after warmup, whichever of λ = α·r were given. */
function strengths({ gr, lambda, r, alpha }: TrainConfig): { name: string; value: number }[] {
  const rounded = (value: number) => Number(value.toPrecision(4));
  if (gr === 'none') return [];
  if (gr === 'exact') return [{ name: 'λ', value: rounded(lambda ?? Number.NaN) }];
  const share = gr === 'sam' ? 1 : (alpha ?? (lambda ?? Number.NaN) / (r ?? Number.NaN));
  const radius = r ?? (lambda ?? Number.NaN) / share;
  return [
    { name: 'r', value: rounded(radius) },
    { name: 'α', value: rounded(share) },
  ];
}

function conditionRank({ isRegularized, variantIndex, warmup }: Condition): number {
  return isRegularized ? 1 + variantIndex * WARMUPS.length + WARMUPS.indexOf(warmup) : 0;
}

/** A setting's facets that vary over the study, and those that do not. */
function settingParts(cells: readonly CellResult[]): {
  readonly varying: (cell: CellResult) => readonly Part[];
  readonly common: readonly Part[];
} {
  // A run that has not begun does not know its images, but shares its fraction with one that may.
  const images = new Map(
    cells.flatMap((cell) => (cell.trainImages === null ? [] : [[imagesKey(cell), cell.trainImages]])),
  );
  const texts: Readonly<Record<Facet, (cell: CellResult) => string>> = {
    model: ({ model }) => model,
    dataset: ({ dataset }) => DATASET_NAMES[dataset],
    fraction: (cell) => {
      const count = images.get(imagesKey(cell));
      return count === undefined
        ? `${Number((100 * cell.config.trainFraction).toPrecision(3))}\u202f% of the images`
        : `${count.toLocaleString('en')} images`;
    },
    optimizer: ({ config }) => OPTIMIZER_NAMES[config.optimizer],
    hasWarmup: ({ config }) => (config.warmupEpochs > 0 ? 'LR warmup' : 'no LR warmup'),
  };
  const part = (cell: CellResult) => (facet: Facet) => ({ facet, text: texts[facet](cell) });
  const varies = (facet: Facet) => distinct(cells.map(texts[facet])).length > 1;
  const [first] = cells;
  return {
    varying: (cell) => FACETS.filter(varies).map(part(cell)),
    common: first ? FACETS.filter((facet) => !varies(facet)).map(part(first)) : [],
  };
}

function imagesKey({ dataset, config }: CellResult): string {
  return `${dataset} ${config.trainFraction}`;
}

/** By data, model, optimizer as the study names them, all images first, warmup first. */
function settingOrder(cells: readonly CellResult[]): (a: Setting, b: Setting) => number {
  const datasets = distinct(cells.map(({ dataset }) => dataset));
  const models = distinct(cells.map(({ model }) => model));
  const optimizers = distinct(cells.map(({ config }) => config.optimizer));
  const keys = (setting: Setting) => [
    datasets.indexOf(setting.dataset),
    models.indexOf(setting.model),
    -setting.fraction,
    optimizers.indexOf(setting.optimizer),
    setting.hasWarmup ? 0 : 1,
  ];
  return (a, b) => {
    const [left, right] = [keys(a), keys(b)];
    const at = left.findIndex((key, i) => key !== right[i]);
    return (left[at] ?? 0) - (right[at] ?? 0);
  };
}

function known(values: readonly (number | null)[]): number | null {
  return values.find((value) => value !== null) ?? null;
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

function grouped<T>(values: readonly T[], key: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  return new Map(
    distinct(values.map(key)).map((name) => [name, values.filter((value) => key(value) === name)]),
  );
}
