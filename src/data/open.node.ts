import { statSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { openCifar } from './cifar.node.ts';
import {
  DATASETS,
  type DatasetName,
  type DatasetSource,
  type HoldOut,
  type ImageDataset,
  type ImageShape,
} from './dataset.ts';
import { count } from './files.node.ts';
import { openImageFolder } from './image-folder.node.ts';
import { openMnist } from './mnist.node.ts';
import { holdOut, stratifiedSubset } from './subset.ts';

const OPEN: { readonly [Name in DatasetName]: (source: DatasetSource) => Promise<ImageDataset> } = {
  mnist: ({ dir }) => openMnist(dir),
  cifar10: ({ dir }) => openCifar('cifar10', dir),
  cifar100: ({ dir }) => openCifar('cifar100', dir),
  'image-folder': openImageFolder,
};

/** Throws a UserError if the path that was given for a dataset is not a folder. It is cheap, so it is checked first. */
export function expectDataFolder({ dataset, dir }: Pick<DatasetSource, 'dataset' | 'dir'>): void {
  if (dir === undefined) return;
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  throw new UserError(
    `--data ${dir}: ${found ? 'it is a file' : 'no such folder'}; expected the folder with the files of ${dataset}`,
  );
}

/**
 * Opens a dataset. Throws UserError if a field of `source` is missing or not valid, if the files are not those of the
 * dataset or do not fit the graph that `source` describes, and if there are too few images for what `source` asks for.
 */
export async function openDataset(source: DatasetSource): Promise<ImageDataset> {
  const { dataset: name, channels, height, width, classes, trainFraction = 1, holdOut: how } = source;
  expectOneOf('dataset', name, DATASETS);
  for (const [what, value] of Object.entries({ channels, height, width, classes })) {
    expectNumber(`dataset ${name}: ${what}`, value, { min: 1, isInteger: true });
  }
  if (!(trainFraction > 0 && trainFraction <= 1)) {
    throw new UserError(`trainFraction: expected a number above 0 and at most 1, got ${trainFraction}`);
  }
  expectDataFolder(source);
  const dataset = await OPEN[name](source);
  checkFit(dataset, source);
  const inUse = trainFraction === 1 ? dataset : withFraction(dataset, trainFraction);
  return how === undefined ? inUse : withHeldOut(inUse, how);
}

function withFraction(dataset: ImageDataset, fraction: number): ImageDataset {
  const train = stratifiedSubset(dataset.train, fraction);
  const found = `${dataset.found}; training on ${count(train.length)} of them (trainFraction ${fraction})`;
  return { ...dataset, train, found };
}

function withHeldOut(dataset: ImageDataset, how: HoldOut): ImageDataset {
  if (dataset.validation) {
    throw new UserError(
      `${dataset.name}: the dataset has ${count(dataset.validation.length)} validation images of its own: leave out --validation and --validation-images`,
    );
  }
  const [train, validation] = holdOut(dataset.train, how);
  const found = `${dataset.found}; ${count(validation.length)} training images held out for validation, ${count(train.length)} left`;
  return { ...dataset, train, validation, found };
}

function checkFit(dataset: ImageDataset, graph: DatasetSource): void {
  const [has, wants] = [size(dataset), size(graph)];
  if (has !== wants) {
    throw new UserError(
      `the graph takes images of ${wants} (channels×height×width), but ${dataset.name} has ${has}: choose a graph and a dataset that fit`,
    );
  }
  if (dataset.classes.length !== graph.classes) {
    throw new UserError(
      `the graph tells ${graph.classes} classes apart, but ${dataset.name}${graph.dir === undefined ? '' : ` in ${graph.dir}`} has ${dataset.classes.length}: choose a graph and a dataset that fit`,
    );
  }
}

function size({ channels, height, width }: ImageShape): string {
  return `${channels}×${height}×${width}`;
}
