/**
 * The datasets that come with this package: their names stand here once. To add one, add a line; its file exports `open`.
 * Pure: also for browsers.
 */
import {
  type Augmentation,
  type AugmentationStep,
  parseAugmentation,
  stepsOf,
} from '../tasks/augmentation.ts';

interface Entry {
  /** Its name for people. */
  readonly title: string;
  /** What one of its examples is called. */
  readonly noun: string;
  /** The module `./<file>.node.ts`, which exports `open`. */
  readonly file: string;
  /** What training images usually go through, as `parseAugmentation` reads it; left out where nothing is drawn. */
  readonly augmentation?: string;
  /** Bytes that it holds in memory at its usual size; left out where files are read when needed, or are few. */
  readonly bytes?: number;
  /** Training examples of the whole dataset, where that is known without it. */
  readonly trainSize?: number;
  /** Whether a package brings its data, so that it needs no folder. */
  readonly isBundled?: boolean;
  /** Whether its data may be one file, instead of a folder. */
  readonly takesFile?: boolean;
}

/** Digits lose their meaning when mirrored, and MNIST's are centred: no augmentation by default. */
export const DATASETS = {
  mnist: {
    title: 'MNIST',
    noun: 'image',
    bytes: 55e6,
    trainSize: 60_000,
    isBundled: true,
    file: 'mnist',
    augmentation: 'none',
  },
  cifar10: {
    title: 'CIFAR-10',
    noun: 'image',
    bytes: 155e6,
    trainSize: 50_000,
    file: 'cifar',
    augmentation: 'crop-flip',
  },
  cifar100: {
    title: 'CIFAR-100',
    noun: 'image',
    bytes: 155e6,
    trainSize: 50_000,
    file: 'cifar',
    augmentation: 'crop-flip',
  },
  'image-folder': { title: 'image folder', noun: 'image', file: 'image-folder', augmentation: 'crop-flip' },
  'tiny-imagenet': {
    title: 'TinyImageNet',
    noun: 'image',
    trainSize: 100_000,
    file: 'tiny-imagenet',
    augmentation: 'crop-flip',
  },
  imagenet: {
    title: 'ImageNet',
    noun: 'image',
    trainSize: 1_281_167,
    file: 'imagenet',
    augmentation: 'random-resized-crop,flip',
  },
  table: { title: 'table', noun: 'row', file: 'table', takesFile: true },
  diamonds: { title: 'Diamonds', noun: 'row', isBundled: true, file: 'diamonds' },
  text: { title: 'texts', noun: 'text', file: 'text', takesFile: true },
  languages: { title: 'Languages', noun: 'text', isBundled: true, file: 'languages' },
} as const satisfies Readonly<Record<string, Entry>>;

export type DatasetName = keyof typeof DATASETS;

export function isDatasetName(name: string): name is DatasetName {
  return Object.hasOwn(DATASETS, name);
}

export const DATASET_NAMES: readonly DatasetName[] = Object.keys(DATASETS).filter(isDatasetName);

/** The table's entry of a name; none for a dataset of the user's own. */
export function entryOf(name: string): Entry | undefined {
  return isDatasetName(name) ? DATASETS[name] : undefined;
}

/** What training images of a dataset go through: `auto` is what suits it. */
export function stepsFor(augmentation: Augmentation, dataset: string): readonly AugmentationStep[] {
  if (augmentation !== 'auto') return stepsOf(augmentation);
  const usual = parseAugmentation(entryOf(dataset)?.augmentation ?? 'none', dataset);
  return usual === 'auto' ? [] : stepsOf(usual);
}

/** Bytes that a dataset usually holds in memory, before it is open. */
export function usualBytes(name: string): number {
  return entryOf(name)?.bytes ?? 0;
}
