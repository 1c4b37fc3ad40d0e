/**
 * TinyImageNet (Le & Yang, *Tiny ImageNet Visual Recognition Challenge*, Stanford CS231n 2015): 64×64, 200 classes. Its
 * folder holds `wnids.txt`, `words.txt`, `train/<wnid>/images/` and, since the challenge keeps the labels of its test
 * images, `val/images/` with `val/val_annotations.txt` to test with.
 */
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import { grouped } from '../counted.ts';
import { show, UserError } from '../errors.ts';
import { IMAGENET_STATISTICS } from './augment.ts';
import { list } from './class-folders.node.ts';
import type { DatasetSource, OpenDataset } from './dataset.ts';
import { listFiles } from './file-list.ts';
import { present, readBytes } from './files.node.ts';
import { type ImageDataset, imageDataset } from './images.ts';
import { pictureSplit, wantedShape } from './pictures.node.ts';

const NAME = 'tiny-imagenet';
const FOLDER = 'tiny-imagenet-200';
const STATISTICS = {
  1: IMAGENET_STATISTICS[1],
  3: { mean: [0.4802, 0.4481, 0.3975], std: [0.277, 0.2691, 0.2821] },
} as const;

export const open: OpenDataset = async (source) => imageDataset(await openTinyImagenet(source), source, 0);

/**
 * Opens the folder or its usual sub-folder. Classes are the sorted names of `wnids.txt`, as those of a folder for each
 * class would be. Throws a UserError for the first file or folder that is missing, and for an annotation that is wrong.
 */
export async function openTinyImagenet(source: DatasetSource): Promise<ImageDataset> {
  const shape = wantedShape(NAME, source);
  const { dir } = source;
  if (dir === undefined) {
    throw new UserError(
      `${NAME}: no folder was given: download it from http://cs231n.stanford.edu/tiny-imagenet-200.zip and pass --data <folder>`,
    );
  }
  const home = [dir, join(dir, FOLDER)].find((folder) => present(folder, ['wnids.txt']).length > 0);
  if (home === undefined) {
    throw new UserError(
      `${NAME}: no wnids.txt in ${dir}: expected the files of TinyImageNet there or in its sub-folder ${FOLDER}; pass --data <folder>`,
    );
  }
  const wnids = (await readLines(join(home, 'wnids.txt'))).map((line) => line.trim()).sort();
  if (new Set(wnids).size < wnids.length || wnids.length === 0) {
    throw new UserError(
      `${NAME}: ${join(home, 'wnids.txt')}: expected the name of each class once, in a line`,
    );
  }
  const train = listFiles(
    wnids.map((wnid, label) => {
      const folder = join(home, 'train', wnid, 'images');
      return { prefix: folder + sep, names: imagesIn(folder), labels: label };
    }),
  );
  const test = listFiles([await annotated(home, wnids)]);
  const options = { dataset: NAME, shape };
  return {
    name: NAME,
    classes: await titles(home, wnids),
    ...shape,
    ...STATISTICS[shape.channels],
    found: `found ${grouped(train.length)} training and ${grouped(test.length)} test images (of val/) in ${home}, of ${grouped(wnids.length)} classes`,
    train: pictureSplit(train, options),
    test: pictureSplit(test, options),
  };
}

function imagesIn(folder: string): string[] {
  const names = list(NAME, folder);
  if (names.length > 0) return names;
  throw new UserError(`${NAME}: ${folder} has no images: every class needs some`);
}

/** The images of `val/`, each with the class that its line of `val_annotations.txt` says. */
async function annotated(home: string, wnids: readonly string[]) {
  const file = join(home, 'val', 'val_annotations.txt');
  if (!existsSync(file)) {
    throw new UserError(
      `${NAME}: no ${file}, which says what each image of val/images shows: unpack the archive again, whole`,
    );
  }
  const folder = join(home, 'val', 'images');
  const there = new Set(imagesIn(folder));
  const numbers = new Map(wnids.map((wnid, label) => [wnid, label]));
  const [names, labels]: [string[], number[]] = [[], []];
  (await readLines(file)).forEach((line, i) => {
    const [name = '', wnid = ''] = line.split('\t');
    const label = numbers.get(wnid);
    if (label === undefined) {
      throw new UserError(
        `${NAME}: ${file}:${i + 1}: expected a file, a tab and a class of wnids.txt, got ${show(line)}`,
      );
    }
    if (!there.has(name)) {
      throw new UserError(
        `${NAME}: ${file}:${i + 1}: ${join(folder, name)} is missing: unpack the archive again`,
      );
    }
    names.push(name);
    labels.push(label);
  });
  if (names.length === 0) throw new UserError(`${NAME}: ${file}: expected a line for each image, got none`);
  return { prefix: folder + sep, names, labels };
}

/** The first word of each class in `words.txt`, with its wnid where another class has the same; wnids without the file. */
async function titles(home: string, wnids: readonly string[]): Promise<string[]> {
  const file = join(home, 'words.txt');
  if (!existsSync(file)) return [...wnids];
  const words = new Map(
    (await readLines(file)).map((line): [string, string] => {
      const [wnid = '', names = ''] = line.split('\t');
      return [wnid, names.split(',', 1).join().trim()];
    }),
  );
  const all = wnids.map((wnid) => words.get(wnid) || wnid);
  return all.map((title, i) =>
    all.indexOf(title) === all.lastIndexOf(title) ? title : `${title} (${wnids[i]})`,
  );
}

async function readLines(file: string): Promise<string[]> {
  const text = new TextDecoder().decode(await readBytes(file));
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}
