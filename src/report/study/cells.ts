/** The options of a study's cells, and groups of cells by their options. */

import type { TrainConfig } from '../../config/config.ts';
import { isInEffect, OPTIONS } from '../../config/config.ts';
import type { OptionTable } from '../../config/options.ts';
import type { CellResult } from '../../study/results.node.ts';

/** Keys of the options in which the cells differ. */
export function varyingOptions(cells: readonly CellResult[]): readonly string[] {
  const keys = distinct(cells.flatMap(({ config }) => Object.keys(config)));
  return keys.filter((key) => distinct(cells.map((cell) => optionText(cell, key))).length > 1);
}

/** The value of an option as text. Empty where the option is not set and the program chooses. */
export function optionText({ config }: CellResult, key: string): string {
  const value = new Map<string, unknown>(Object.entries(config)).get(key);
  if (value === undefined) return '';
  const options: OptionTable = OPTIONS;
  return options[key]?.info.text?.(value) ?? String(value);
}

/** The values of several options as one text. Options that have no effect in the cell do not change it. */
export function optionTexts(cell: CellResult, keys: readonly string[]): string {
  return JSON.stringify(keys.map((key) => (hasEffect(cell, key) ? optionText(cell, key) : null)));
}

/** Whether the cell's other options let this one have an effect. */
export function hasEffect({ config }: CellResult, key: string): boolean {
  const option = new Map(Object.entries<OptionTable[string]>(OPTIONS)).get(key);
  return option === undefined || isInEffect(option.info, config);
}

/** The value that all cells share; null where they differ. */
export function shared<T>(cells: readonly CellResult[], read: (cell: CellResult) => T): T | null {
  const [value = null, ...others] = distinct(cells.map(read));
  return others.length === 0 ? value : null;
}

export function known(values: readonly (number | null)[]): number | null {
  return values.find((value) => value !== null) ?? null;
}

export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

export function grouped<T>(
  values: readonly T[],
  key: (value: T) => string,
): ReadonlyMap<string, readonly T[]> {
  return new Map(
    distinct(values.map(key)).map((name) => [name, values.filter((value) => key(value) === name)]),
  );
}

/** The option that moves each facet of a setting. */
export const FACET_OPTIONS = {
  model: 'graph',
  dataset: 'graph',
  fraction: 'trainFraction',
  optimizer: 'optimizer',
  hasWarmup: 'warmupEpochs',
} as const satisfies Record<string, keyof TrainConfig>;

/** The properties of a setting that claims and scales compare. */
export type Facet = keyof typeof FACET_OPTIONS;

export const FACETS = [
  'model',
  'dataset',
  'fraction',
  'optimizer',
  'hasWarmup',
] as const satisfies readonly Facet[];
