/**
 * Files in a folder for each class: `train/<class>/` and `test/<class>/`, and validation files in `val/<class>/`. If there
 * is `val/` but no `test/`, as in ImageNet, the files in `val/` are the test files.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import { present, reason } from './files.node.ts';

export interface ClassFile {
  readonly path: string;
  /** The number of its class. */
  readonly label: number;
}

export interface ClassFolders {
  readonly classes: readonly string[];
  readonly train: readonly ClassFile[];
  readonly test: readonly ClassFile[];
  readonly validation?: readonly ClassFile[];
  /** One sentence for the user: how many files of which kind are where. */
  readonly found: string;
}

/**
 * Lists the files. `dataset` and `things` (images, texts) are for errors. Throws a UserError if a folder is missing or
 * empty, and if the classes are not the same everywhere.
 */
export function listClassFolders(dataset: string, dir: string, things: string): ClassFolders {
  const [trainDir] = present(dir, ['train']);
  const [testDir, validationDir] = present(dir, ['test', 'val']);
  if (trainDir === undefined || testDir === undefined) {
    const missing = trainDir === undefined ? 'train/<class>/' : 'val/<class>/ or test/<class>/';
    throw new UserError(`${dataset}: ${dir} has no ${missing}: expected a folder per class there`);
  }
  const classes = classesIn(dataset, trainDir, things);
  const train = filesIn(dataset, trainDir, classes, things);
  const held = (other: string): ClassFile[] => {
    sameClasses(dataset, trainDir, classes, other, classesIn(dataset, other, things));
    return filesIn(dataset, other, classes, things);
  };
  const test = held(testDir);
  const validation = validationDir === undefined ? undefined : held(validationDir);
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
function list(dataset: string, dir: string): string[] {
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

function filesIn(dataset: string, dir: string, classes: readonly string[], things: string): ClassFile[] {
  return classes.flatMap((name, label) => {
    const files = list(dataset, join(dir, name));
    if (files.length === 0) {
      throw new UserError(`${dataset}: ${join(dir, name)} has no ${things}: every class needs some`);
    }
    return files.map((file) => ({ path: join(dir, name, file), label }));
  });
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
