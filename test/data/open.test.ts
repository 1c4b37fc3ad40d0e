import test from 'ava';
import type { DatasetSource } from '../../src/data/dataset.ts';
import { imageFields, imageInfo, readImage } from '../../src/data/images.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { cifar10Files, cifarRecords, folder, mnistFiles, picture, userError } from './_files.ts';

const cifar10 = { dataset: 'cifar10', classes: 10 } as const;

test('every dataset is opened by its name', async (t) => {
  const image = await picture(2, 2, { r: 1, g: 2, b: 3 });
  const sources: DatasetSource[] = [
    { dataset: 'mnist', dir: folder(t, mnistFiles()), classes: 10 },
    { ...cifar10, dir: folder(t, cifar10Files(3)) },
    {
      ...cifar10,
      dataset: 'cifar100',
      classes: 100,
      dir: folder(t, { 'train.bin': cifarRecords([[1, 2]]), 'test.bin': cifarRecords([[1, 2]]) }),
    },
    {
      dataset: 'image-folder',
      dir: folder(t, { 'train/a/1.png': image, 'val/a/1.png': image }),
      fields: imageFields({ channels: 3, height: 2, width: 2 }),
      classes: 1,
    },
  ];
  for (const source of sources) {
    const dataset = await openDataset(source);
    t.is(dataset.name, source.dataset);
    const { channels, mean, std } = imageInfo(dataset);
    t.deepEqual([mean.length, std.length], [channels, channels]);
  }
});

test('a graph that does not fit the dataset is an error', async (t) => {
  const dir = folder(t, cifar10Files(3));
  await t.throwsAsync(
    openDataset({
      ...cifar10,
      dataset: 'mnist',
      dir: folder(t, mnistFiles()),
      fields: imageFields({ channels: 3, height: 32, width: 32 }),
    }),
    userError(
      /the graph reads images as float32 \[3, 32, 32\], but mnist gives float32 \[1, 28, 28\]: choose a graph and/,
    ),
  );
  await t.throwsAsync(
    openDataset({ ...cifar10, dir, classes: 100 }),
    userError(/the graph tells 100 classes apart, but cifar10 in .* has 10/),
  );
});

test('a fraction of the training set is stratified, fixed and nested', async (t) => {
  const dir = folder(t, cifar10Files(200));
  const open = (trainFraction: number) => openDataset({ ...cifar10, dir, trainFraction });
  const starts = async (trainFraction: number) => {
    const dataset = await open(trainFraction);
    const { train } = dataset;
    const info = imageInfo(dataset);
    return Promise.all(
      Array.from({ length: train.length }, async (_, index) => {
        const { pixels, label } = await readImage(train, index, info);
        return `${label} ${pixels[0]}`;
      }),
    );
  };
  const half = await open(0.5);
  t.is(half.train.length, 100);
  for (let label = 0; label < 10; label++) t.is(half.train.strata?.filter((l) => l === label).length, 10);
  t.is(half.test.length, 2);
  t.regex(half.found, /200 training images .*; training on 100 of them \(trainFraction 0\.5\)$/);

  t.deepEqual(await starts(0.5), await starts(0.5));
  // Record i starts with the pixel 7·i mod 256, which tells the 200 records apart.
  const all = await starts(1);
  t.deepEqual([new Set(all).size, all[3]], [200, '3 21']);
  const [larger, smaller] = [new Set(await starts(0.5)), await starts(0.2)];
  t.is(smaller.length, 40);
  t.true(smaller.every((image) => larger.has(image) && all.includes(image)));

  t.is((await open(0.001)).train.length, 10, 'one of each class');
});

for (const trainFraction of [0, 1.5, Number.NaN]) {
  test(`a fraction of ${trainFraction} is refused`, async (t) => {
    await t.throwsAsync(
      openDataset({ ...cifar10, trainFraction }),
      userError(/trainFraction: expected a number above 0 and at most 1, got/),
    );
  });
}
