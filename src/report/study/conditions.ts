/** Conditions: the variants of a run that a study compares, each a line in its figures. */

import type { TrainConfig } from '../../config/config.ts';
import type { Axis } from '../../study/design.ts';
import type { CellResult } from '../../study/results.node.ts';
import { distinct, FACET_OPTIONS, grouped, optionText, optionTexts, varyingOptions } from './cells.ts';

export interface Condition {
  /** A name from the design, or a derived one such as `GR + zero-warmup`. Each condition of a study has its own. */
  readonly name: string;
  /**
   * The kind and strengths of the regularization. Conditions of one variant differ only in warmup. Empty without any.
   */
  readonly variant: string;
  readonly warmup: TrainConfig['grWarmup'];
  readonly isRegularized: boolean;
  /** The place of the variant among those of the study. */
  readonly variantIndex: number;
}

export interface Meaning {
  readonly name: string;
  /** Such as `regularization by finite differences with r = 0.1, α = 1`. */
  readonly text: string;
}

const KIND_NAMES: Readonly<Record<TrainConfig['gr'], string>> = {
  none: 'none',
  fd: 'GR',
  exact: 'exact GR',
  sam: 'SAM',
  asam: 'ASAM',
  gsam: 'GSAM',
  looksam: 'LookSAM',
};

const KIND_MEANINGS: Readonly<Record<TrainConfig['gr'], string>> = {
  none: 'none',
  fd: 'regularization by finite differences',
  exact: 'exact regularization by double backward',
  sam: 'SAM',
  asam: 'ASAM',
  gsam: 'GSAM',
  looksam: 'LookSAM',
};

export const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const satisfies readonly TrainConfig['grWarmup'][];

export const WARMUP_NAMES: Readonly<Record<TrainConfig['grWarmup'], string>> = {
  none: '',
  lambda: 'λ-warmup',
  r: 'r-warmup',
  zero: 'zero-warmup',
};

export const REGULARIZATION: readonly string[] = ['gr', 'grWarmup', 'lambda', 'r', 'alpha', 'looksamEvery'];

/** The axes whose values are the conditions: those that vary the regularization; without any, the last axis. */
export function conditionAxes(axes: readonly Axis[], varying: readonly string[]): readonly Axis[] {
  const moves = (keys: readonly string[]) =>
    axes.filter(({ options }) => options.some((key) => keys.includes(key)));
  const regularization = varying.filter((key) => REGULARIZATION.includes(key));
  return regularization.length > 0 ? moves(regularization) : moves(varying).slice(-1);
}

/** The options that only these axes set. Where regularizations are compared, facets belong to the settings. */
export function conditionOptions(
  axes: readonly Axis[],
  chosen: readonly Axis[],
  varying: readonly string[],
): ReadonlySet<string> {
  const isRegularization = varying.some((key) => REGULARIZATION.includes(key));
  const elsewhere = [
    ...axes.filter((axis) => !chosen.includes(axis)).flatMap(({ options }) => options),
    ...(isRegularization ? Object.values(FACET_OPTIONS) : []),
  ];
  const own = chosen
    .flatMap(({ options }) => options)
    .filter((key) => key !== 'seed' && !elsewhere.includes(key));
  return new Set(isRegularization ? [...REGULARIZATION, ...own] : own);
}

/** Names the conditions by the names of their values in the design; without any, by their regularization. */
export function nameConditions(
  cells: readonly CellResult[],
  chosen: readonly Axis[],
  ofConditions: ReadonlySet<string>,
): (cell: CellResult) => Condition {
  const regularized = cells.map(({ config }) => config).filter(({ gr }) => gr !== 'none');
  const variantName = nameVariants(regularized);
  const variants = distinct(regularized.map(variantName));
  const isRegularization = ofConditions.has('gr');
  const usesAxes = !isRegularization || chosen.some(({ hasNames }) => hasNames);
  const keys = varyingOptions(cells).filter((key) => ofConditions.has(key));
  const groups = [...grouped(cells, (cell) => optionTexts(cell, keys)).values()];
  const shortName = ([first]: readonly CellResult[]): string => {
    if (!first) return '';
    const onAxes = usesAxes
      ? chosen.flatMap(({ name, hasNames }) => {
          const value = first.values[name];
          return value === undefined ? [] : [hasNames && isRegularization ? value : `${name} = ${value}`];
        })
      : [];
    return onAxes.length > 0 ? onAxes.join(' · ') : derivedName(first, variantName);
  };
  const names = new Map(
    groups.flatMap((group) => {
      const alike = groups.filter((other) => shortName(other) === shortName(group)).flat();
      const apart = varyingOptions(alike).filter((key) => keys.includes(key));
      const [first] = group;
      const more = first ? apart.map((key) => `${key} = ${optionText(first, key) || 'none'}`) : [];
      const name = [shortName(group), ...(more.length > 0 ? [`(${more.join(', ')})`] : [])].join(' ');
      return group.map(({ id }) => [id, name] as const);
    }),
  );
  return (cell) => {
    const variant = variantName(cell.config);
    return {
      name: names.get(cell.id) ?? '',
      variant,
      warmup: ownWarmup(cell),
      isRegularized: variant !== '',
      variantIndex: Math.max(0, variants.indexOf(variant)),
    };
  };
}

function ownWarmup({ config }: CellResult): TrainConfig['grWarmup'] {
  return config.gr === 'none' ? 'none' : config.grWarmup;
}

function derivedName(cell: CellResult, variantName: (config: TrainConfig) => string): string {
  const parts = [variantName(cell.config) || 'none', WARMUP_NAMES[ownWarmup(cell)]];
  return parts.filter((part) => part !== '').join(' + ');
}

/** What each variant means. Where the names of conditions do not show the variant, what each condition means. */
export function meanings(
  cells: readonly CellResult[],
  conditionOf: (cell: CellResult) => Condition,
): readonly Meaning[] {
  const regularized = cells.filter(({ config }) => config.gr !== 'none');
  const variantOf = (cell: CellResult) => conditionOf(cell).variant;
  const isDerived = regularized.every(
    (cell) => conditionOf(cell).name === derivedName(cell, () => variantOf(cell)),
  );
  const name = isDerived ? variantOf : (cell: CellResult) => conditionOf(cell).name;
  return [...grouped(regularized, name)].flatMap(([known, [cell]]) => {
    if (!cell) return [];
    const warmup = isDerived ? '' : WARMUP_NAMES[ownWarmup(cell)];
    return [{ name: known, text: `${meaning(cell.config)}${warmup === '' ? '' : `, ${warmup}`}` }];
  });
}

/** Names the variants. The name has the kind, or a strength, only where the study has several of it. */
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

/** The strengths after warmup. One of λ = α·r that is not given is computed from the other two. */
function strengths({ gr, lambda, r, alpha, looksamEvery }: TrainConfig): { name: string; value: number }[] {
  const rounded = (value: number) => Number(value.toPrecision(4));
  if (gr === 'none') return [];
  if (gr === 'exact') return [{ name: 'λ', value: rounded(lambda ?? Number.NaN) }];
  if (gr === 'asam') return [{ name: 'r', value: rounded(r ?? Number.NaN) }];
  const share = gr === 'sam' ? 1 : (alpha ?? (lambda ?? Number.NaN) / (r ?? Number.NaN));
  const radius = r ?? (lambda ?? Number.NaN) / share;
  return [
    { name: 'r', value: rounded(radius) },
    { name: 'α', value: rounded(share) },
    ...(gr === 'looksam' ? [{ name: 'k', value: looksamEvery ?? Number.NaN }] : []),
  ];
}

export function conditionRank({ isRegularized, variantIndex, warmup }: Condition): number {
  return isRegularized ? 1 + variantIndex * WARMUPS.length + WARMUPS.indexOf(warmup) : 0;
}
