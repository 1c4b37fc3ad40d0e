/**
 * Files in a folder for each class: `train/<class>/` and `test/<class>/`, and validation files in `val/<class>/`. If there
 * is `val/` but no `test/`, as in ImageNet, the files in `val/` are the test files.
 */
import { readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import { type FileList, listFiles } from './file-list.ts';
import { present, reason } from './files.node.ts';

export interface ClassFolders {
  readonly classes: readonly string[];
  readonly train: FileList;
  readonly test: FileList;
  readonly validation?: FileList;
  /** One sentence for the user: how many files of which kind are where. */
  readonly found: string;
}

/**
 * Lists the files. `dataset` and `things` (images, texts) are for errors. Of the folders `held` the first that exists holds
 * the test files, and the second validation files. Throws a UserError if a folder is missing or empty, and if the classes
 * are not the same everywhere.
 */
export function listClassFolders(
  dataset: string,
  dir: string,
  things: string,
  held: readonly string[] = ['test', 'val'],
): ClassFolders {
  const [trainDir] = present(dir, ['train']);
  const [testDir, validationDir] = present(dir, held);
  if (trainDir === undefined || testDir === undefined) {
    const missing =
      trainDir === undefined
        ? 'train/<class>/'
        : held
            .map((name) => `${name}/<class>/`)
            .toReversed()
            .join(' or ');
    throw new UserError(`${dataset}: ${dir} has no ${missing}: expected a folder per class there`);
  }
  const classes = classesIn(dataset, trainDir, things);
  const train = filesIn(dataset, trainDir, classes, things);
  const listed = (other: string): FileList => {
    sameClasses(dataset, trainDir, classes, other, classesIn(dataset, other, things));
    return filesIn(dataset, other, classes, things);
  };
  const test = listed(testDir);
  const validation = validationDir === undefined ? undefined : listed(validationDir);
  const found = [
    `${grouped(train.length)} training ${things} in ${trainDir}`,
    ...(validation ? [`${grouped(validation.length)} validation ${things} in ${validationDir}`] : []),
  ].join(', ');
  return {
    classes,
    train,
    test,
    ...(validation && { validation }),
    found: `found ${found} and ${grouped(test.length)} test ${things} in ${testDir}, of ${grouped(classes.length)} classes`,
  };
}

/** Names of a folder's entries, sorted by code unit. Hidden files such as .DS_Store are left out. */
export function list(dataset: string, dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    throw new UserError(`${dataset}: cannot list ${dir}: ${reason(error)}`);
  }
}

function classesIn(dataset: string, dir: string, things: string): string[] {
  const classes = list(dataset, dir).filter((name) => statSync(join(dir, name)).isDirectory());
  if (classes.length === 0) {
    throw new UserError(`${dataset}: ${dir} has no folders: expected one folder of ${things} per class`);
  }
  return classes;
}

function filesIn(dataset: string, dir: string, classes: readonly string[], things: string): FileList {
  const folders = classes.map((name, label) => {
    const files = list(dataset, join(dir, name));
    if (files.length === 0) {
      throw new UserError(`${dataset}: ${join(dir, name)} has no ${things}: every class needs some`);
    }
    return { prefix: join(dir, name) + sep, names: files, labels: label };
  });
  return listFiles(folders);
}

function sameClasses(
  dataset: string,
  dirA: string,
  a: readonly string[],
  dirB: string,
  b: readonly string[],
): void {
  for (const [dir, name] of [
    [dirB, a.find((name) => !b.includes(name))],
    [dirA, b.find((name) => !a.includes(name))],
  ]) {
    if (name !== undefined) {
      throw new UserError(
        `${dataset}: class ${name} has no folder in ${dir}: expected the same classes in ${dirA} and ${dirB}`,
      );
    }
  }
}
