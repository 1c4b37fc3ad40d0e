import { statSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import type { Field } from '../tasks/task.ts';
import type { Dataset, DatasetInfo, DatasetSource, HoldOut } from './dataset.ts';
import { count } from './files.node.ts';
import { entryOf } from './names.ts';
import { expectDatasetName, openByName } from './registry.node.ts';
import { holdOut, stratifiedSubset } from './subset.ts';

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
  const { dataset: name, classes, trainFraction = 1, holdOut: how } = source;
  expectDatasetName(name);
  if (classes !== undefined) {
    expectNumber(`dataset ${name}: classes`, classes, { min: 1, isInteger: true });
  }
  if (!(trainFraction > 0 && trainFraction <= 1)) {
    throw new UserError(`trainFraction: expected a number above 0 and at most 1, got ${trainFraction}`);
  }
  expectDataFolder(source);
  const dataset = await openByName(source);
  checkFit(dataset, source);
  const inUse = trainFraction === 1 ? dataset : withFraction(dataset, trainFraction);
  return how === undefined ? inUse : withHeldOut(inUse, how);
}

function withFraction(dataset: Dataset, fraction: number): Dataset {
  const train = stratifiedSubset(dataset.train, fraction);
  const found = `${dataset.found}; training on ${count(train.length)} of them (trainFraction ${fraction})`;
  return { ...dataset, train, found };
}

function withHeldOut(dataset: Dataset, how: HoldOut): Dataset {
  if (dataset.validation) {
    throw new UserError(
      `${dataset.name}: the dataset has ${count(dataset.validation.length)} validation examples of its own: leave out --validation and --validation-images`,
    );
  }
  const [train, validation] = holdOut(dataset.train, how);
  const found = `${dataset.found}; ${count(validation.length)} training examples held out for validation, ${count(train.length)} left`;
  return { ...dataset, train, validation, found };
}

/** Throws a UserError unless a dataset gives the fields, and has the classes, that a task expects. */
export function checkFit(
  { name, fields, about }: Pick<DatasetInfo, 'name' | 'fields' | 'about'>,
  { fields: wanted = {}, classes, dir }: Pick<DatasetSource, 'fields' | 'classes' | 'dir'>,
): void {
  const fit = 'choose a graph and a dataset that fit';
  for (const [field, wants] of Object.entries(wanted)) {
    const has = fields[field];
    if (!has) {
      const given = Object.keys(fields).join(', ');
      throw new UserError(`the graph reads a field ${field}, but ${name} gives ${given}: ${fit}`);
    }
    if (described(has) !== described(wants)) {
      throw new UserError(
        `the graph reads ${field} as ${described(wants)}, but ${name} gives ${described(has)}: ${fit}`,
      );
    }
  }
  const named = about.classes;
  if (classes === undefined || !Array.isArray(named) || named.length === classes) return;
  throw new UserError(
    `the graph tells ${classes} classes apart, but ${name}${dir === undefined ? '' : ` in ${dir}`} has ${named.length}: ${fit}`,
  );
}

function described({ dtype, shape }: Field): string {
  return `${dtype} [${shape.join(', ')}]`;
}
