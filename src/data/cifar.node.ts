/**
 * CIFAR-10 and CIFAR-100 (Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009) in their
 * binary version: https://www.cs.toronto.edu/~kriz/cifar.html. A record is one label byte (CIFAR-100: a coarse
 * and a fine one; the fine one is used) and 3·32·32 pixel bytes, channels first.
 */
import { basename, join } from 'node:path';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import type { OpenDataset } from './dataset.ts';
import { present, readBytes } from './files.node.ts';
import { type ImageDataset, type ImageSplit, imageDataset } from './images.ts';
import { joinedSplit, packedSplit } from './packed.ts';

const SIDE = 32;
const PIXELS = 3 * SIDE * SIDE;

/**
 * What is known of each. Of the means and deviations of its channels the rounded ones are what most programs take, and what
 * earlier runs were trained with; `exact` are those of the code of the papers on gradient regularization and on SAM
 * (ds_pipeline/datasets/dataset_source.py of github.com/zhaoyang-0204/gnp).
 */
const VARIANTS = {
  cifar10: {
    folder: 'cifar-10-batches-bin',
    files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
    labelBytes: 1,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
    exact: {
      mean: [0.49139968, 0.48215841, 0.44653091],
      std: [0.24703223, 0.24348513, 0.26158784],
    },
    classes: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
  },
  cifar100: {
    folder: 'cifar-100-binary',
    files: { train: ['train.bin'], test: ['test.bin'] },
    labelBytes: 2,
    mean: [0.5071, 0.4865, 0.4409],
    std: [0.2673, 0.2564, 0.2762],
    exact: {
      mean: [0.50707516, 0.48654887, 0.44091784],
      std: [0.26733429, 0.25643846, 0.27615047],
    },
    classes: `apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
      camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
      dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard
      lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
      palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
      rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper
      table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf
      woman worm`.split(/\s+/),
  },
} as const;
type Variant = keyof typeof VARIANTS;

export const open: OpenDataset = async (source) => {
  const { dataset, dir } = source;
  const name: Variant = dataset === 'cifar100' ? 'cifar100' : 'cifar10';
  const images = await openCifar(name, dir, source.options?.channelStatistics === 'exact');
  const record = VARIANTS[name].labelBytes + PIXELS;
  const bytes = record * (images.train.length + images.test.length);
  return imageDataset(images, source, bytes);
};

/**
 * Opens CIFAR from `dir` or its usual sub-folder. Some of the training files may be missing. Channels are normalised with 4
 * digits or, if `isExact`, with 8.
 */
export async function openCifar(
  name: Variant,
  dir: string | undefined,
  isExact = false,
): Promise<ImageDataset> {
  const { folder, files, classes, ...rounded } = VARIANTS[name];
  const { mean, std } = isExact ? rounded.exact : rounded;
  if (dir === undefined) {
    throw new UserError(
      `${name}: no folder was given: download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html and pass --data <folder>`,
    );
  }
  const all = [...files.train, ...files.test];
  const home = [dir, join(dir, folder)].find((candidate) => present(candidate, all).length > 0) ?? dir;
  const train = await openSplit(name, home, 'train');
  const test = await openSplit(name, home, 'test');
  return {
    name,
    classes,
    channels: 3,
    height: SIDE,
    width: SIDE,
    mean,
    std,
    found: `found ${train.found} and ${test.found} in ${home}`,
    train: train.split,
    test: test.split,
  };
}

async function openSplit(
  name: Variant,
  dir: string,
  which: 'train' | 'test',
): Promise<{ split: ImageSplit; found: string }> {
  const { folder, files, labelBytes, classes } = VARIANTS[name];
  const kind = which === 'train' ? 'training' : 'test';
  const paths = present(dir, files[which]);
  if (paths.length === 0) {
    const wanted = files[which].length === 1 ? files[which][0] : `any of ${files[which].join(', ')}`;
    throw new UserError(
      `${name}: no ${kind} images in ${dir}: expected ${wanted} there or in its sub-folder ${folder}; pass --data <folder>`,
    );
  }
  const record = labelBytes + PIXELS;
  const parts: ImageSplit[] = [];
  for (const path of paths) {
    const data = await readBytes(path);
    if (data.length === 0 || data.length % record !== 0) {
      throw new UserError(
        `${name}: ${path} has ${grouped(data.length)} bytes, expected a multiple of ${grouped(record)}, the size of one record; download it again`,
      );
    }
    for (let i = 0; i < data.length / record; i++) {
      const label = data[i * record + labelBytes - 1] ?? 0;
      if (label >= classes.length) {
        throw new UserError(
          `${name}: ${path}: the label of record ${i} is ${label}, expected 0 to ${classes.length - 1}; is this the binary version of ${name}?`,
        );
      }
    }
    const labels = Int32Array.from(
      { length: data.length / record },
      (_, i) => data[i * record + labelBytes - 1] ?? 0,
    );
    parts.push(packedSplit(data, labels, { start: labelBytes, stride: record }));
  }
  const split = joinedSplit(parts);
  const missing =
    paths.length < files[which].length ? `${paths.length} of ${files[which].length} files: ` : '';
  return {
    split,
    found: `${grouped(split.length)} ${kind} images (${missing}${paths.map((path) => basename(path)).join(', ')})`,
  };
}
