import test from 'ava';
import type { Split } from '../../src/data/dataset.ts';
import { type ImageInfo, type ImageSplit, imageSplit, readImage } from '../../src/data/images.ts';
import { packedSplit } from '../../src/data/packed.ts';
import { stratifiedSubset } from '../../src/data/subset.ts';
import { UserError } from '../../src/errors.ts';
import { packDataset, trainingImages, unpackDataset } from '../../src/web/train/packed-dataset.ts';

const SIZE = 6;

const info: ImageInfo = {
  name: 'mnist',
  channels: 1,
  height: 2,
  width: 3,
  classes: ['0', '1'],
  mean: [0.13],
  std: [0.31],
  found: 'few',
};

function split(labels: readonly number[], first: number): Split {
  const pixels = Uint8Array.from({ length: SIZE * labels.length }, (_, i) => first + i);
  return examples(packedSplit(pixels, Int32Array.from(labels), { start: 0, stride: SIZE }));
}

function examples(images: ImageSplit): Split {
  return imageSplit(images, info, []);
}

const whole = split([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 0);
const dataset = {
  ...info,
  fraction: 0.5,
  classSizes: [7, 5],
  train: stratifiedSubset(whole, 0.5),
  test: split([1, 0], 100),
};

function imagesOf(split: Split) {
  return Promise.all(Array.from({ length: split.length }, (_, i) => readImage(split, i, info)));
}

test('images, labels and what is known of them survive being packed', async (t) => {
  const {
    train,
    test: tests,
    ...about
  } = await unpackDataset(new Blob([await packDataset(dataset)]), 'mnist.pack');
  const { train: ownTrain, test: ownTests, ...own } = dataset;
  t.deepEqual(about, own);
  for (const [read, expected] of [
    [train, ownTrain],
    [tests, ownTests],
  ] as const) {
    t.deepEqual(read.labels, expected.strata);
    t.deepEqual(await imagesOf(examples(read)), await imagesOf(expected));
  }
});

test('how many images a fraction takes is known without them', (t) => {
  for (const fraction of [0.01, 0.1, 0.3, 0.5, 0.75, 1]) {
    t.is(trainingImages(dataset, fraction), stratifiedSubset(whole, fraction).length, String(fraction));
  }
});

test('a file that is broken is an error that names it', async (t) => {
  const good = await packDataset(dataset);
  for (const content of [new Uint8Array(100), good.slice(0, -20)]) {
    await t.throwsAsync(unpackDataset(new Blob([content]), 'mnist.pack'), {
      instanceOf: UserError,
      message: 'mnist.pack: expected compressed images, got something else; copy the file again',
    });
  }
});
