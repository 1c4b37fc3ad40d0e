import test from 'ava';
import {
  assembleBatch,
  type BatchOptions,
  batchesOf,
  batchesPerEpoch,
  epochOrder,
} from '../../src/data/batches.ts';
import { type ImageInfo, imageFields, imageSplit, imagesOf } from '../../src/data/images.ts';
import { packedSplit } from '../../src/data/packed.ts';

const info: ImageInfo = {
  name: 'mnist',
  classes: ['a', 'b', 'c'],
  channels: 1,
  height: 2,
  width: 3,
  mean: [0],
  std: [1 / 255],
  found: '',
};
const LENGTH = 10;
// Pixel p of image i is 10·i + p; one byte lies between the images.
const data = Uint8Array.from({ length: LENGTH * 7 }, (_, k) =>
  k % 7 === 0 ? 255 : 10 * Math.floor(k / 7) + (k % 7) - 1,
);
const labels = Int32Array.from({ length: LENGTH }, (_, i) => i % 3);
const fields = imageFields(info);
const split = imageSplit(packedSplit(data, labels, { start: 1, stride: 7 }), info, [
  { step: 'pad-crop', pad: 1, mode: 'constant' },
  { step: 'flip' },
]);
const options: BatchOptions = {
  batchSize: 4,
  seed: 7,
  shuffle: true,
  augment: true,
  dropLast: false,
};

test('a batch holds the images and labels at its indices', async (t) => {
  const indices = Uint32Array.of(9, 0, 4);
  const batch = await assembleBatch(fields, split, indices, { epoch: 5, step: 6 });
  const { images, labels } = imagesOf(batch);
  t.deepEqual(
    [...images],
    [9, 0, 4].flatMap((i) => [0, 1, 2, 3, 4, 5].map((p) => 10 * i + p)),
  );
  t.deepEqual([...labels], [0, 0, 1]);
  t.deepEqual([...batch.indices], [9, 0, 4]);
  t.deepEqual([batch.epoch, batch.step, batch.examples], [5, 6, 3]);
});

test('an epoch visits every image once, in an order of its own', (t) => {
  const order = epochOrder(100, 7, 3, true);
  t.deepEqual(
    [...order].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
  t.deepEqual(epochOrder(100, 7, 3, true), order);
  t.notDeepEqual(epochOrder(100, 7, 4, true), order);
  t.notDeepEqual(epochOrder(100, 8, 3, true), order);
  t.deepEqual([...epochOrder(5, 7, 3, false)], [0, 1, 2, 3, 4]);
});

test('the last partial batch is dropped or given as it is', async (t) => {
  t.is(batchesPerEpoch(10, { batchSize: 4, dropLast: true }), 2);
  t.is(batchesPerEpoch(10, { batchSize: 4, dropLast: false }), 3);
  t.is(batchesPerEpoch(8, { batchSize: 4, dropLast: false }), 2);
  t.is(batchesPerEpoch(3, { batchSize: 4, dropLast: true }), 0);
  const batches = batchesOf(fields, split, options);
  t.is((await batches.batch(0, 2)).examples, 2);
  await t.throwsAsync(batches.batch(0, 3), { message: 'internal: batch 3 of 3' });
});

test('a batch depends on seed, epoch and step, not on which were asked for before', async (t) => {
  const forwards = batchesOf(fields, split, options);
  await forwards.batch(0, 0);
  await forwards.batch(1, 0);
  const batch = await forwards.batch(1, 1);
  t.deepEqual(await batchesOf(fields, split, options).batch(1, 1), batch);
  t.deepEqual([...batch.indices], [...epochOrder(LENGTH, 7, 1, true).subarray(4, 8)]);
  t.notDeepEqual(
    (await batchesOf(fields, split, { ...options, seed: 8 }).batch(1, 1)).indices,
    batch.indices,
  );
});

test('an image is augmented alike whatever batch it is in', async (t) => {
  const large = await batchesOf(fields, split, { ...options, batchSize: LENGTH, shuffle: false }).batch(2, 0);
  const small = await batchesOf(fields, split, { ...options, batchSize: 2 }).batch(2, 3);
  small.indices.forEach((index, i) => {
    t.deepEqual(
      imagesOf(small).images.slice(i * 6, i * 6 + 6),
      imagesOf(large).images.slice(index * 6, index * 6 + 6),
    );
  });
});
