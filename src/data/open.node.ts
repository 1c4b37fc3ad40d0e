import { statSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { checkFit } from './check-fit.ts';
import type { Dataset, DatasetSource } from './dataset.ts';
import { entryOf } from './names.ts';
import { expectDatasetName, openByName } from './registry.node.ts';
import { datasetInUse, expectShare } from './subset.ts';

/** Throws a UserError if the path that was given for a dataset does not exist. It is cheap, so it is checked first. */
export function expectDataFolder({ dataset, dir }: Pick<DatasetSource, 'dataset' | 'dir'>): void {
  if (dir === undefined) return;
  const found = statSync(dir, { throwIfNoEntry: false });
  const takesFile = entryOf(dataset)?.takesFile ?? !entryOf(dataset);
  if (found?.isDirectory() || (found && takesFile)) return;
  throw new UserError(
    `--data ${dir}: ${found ? 'it is a file' : `no such ${takesFile ? 'file or folder' : 'folder'}`}; expected the ${takesFile ? 'file or folder' : 'folder with the files'} of ${dataset}`,
  );
}

/**
 * Opens a dataset. Throws UserError if a field of `source` is missing or not valid, if the files are not those of the
 * dataset or do not fit what the task reads, and if there are too few examples for what `source` asks for.
 */
export async function openDataset(source: DatasetSource): Promise<Dataset> {
  const { dataset: name, classes, trainFraction = 1 } = source;
  expectDatasetName(name);
  if (classes !== undefined) {
    expectNumber(`dataset ${name}: classes`, classes, { min: 1, isInteger: true });
  }
  expectShare('trainFraction', trainFraction);
  expectDataFolder(source);
  const dataset = await openByName(source);
  checkFit(dataset, source);
  return datasetInUse(dataset, source);
}
