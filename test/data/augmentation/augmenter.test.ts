/** Lists of steps on whole datasets: what each draw depends on, what labels become, and what does not fit. */
import test from 'ava';
import { IN_PLACE, normalizationTable, writeNormalized } from '../../../src/data/augment.ts';
import { augmentedBatch } from '../../../src/data/augmentation/batch.ts';
import { placed } from '../../../src/data/augmentation/crop.ts';
import type { Batch } from '../../../src/data/batch.ts';
import { batchesOf } from '../../../src/data/batches.ts';
import { type ImageInfo, imageDataset, imageFields, imageSplit, imagesOf } from '../../../src/data/images.ts';
import { packedSplit } from '../../../src/data/packed.ts';
import { UserError } from '../../../src/errors.ts';
import { parseAugmentation, stepsOf } from '../../../src/tasks/augmentation.ts';

const SIDE = 12;
const SIZE = 3 * SIDE * SIDE;
const LENGTH = 20;
const info: ImageInfo = {
  name: 'cifar10',
  classes: ['a', 'b', 'c'],
  ...{ channels: 3, height: SIDE, width: SIDE },
  ...{ mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
  found: '',
};
const data = Uint8Array.from({ length: LENGTH * SIZE }, (_, k) => (k * k * 3 + k * 11 + (k >> 7) * 29) % 253);
const labels = Int32Array.from({ length: LENGTH }, (_, i) => i % 3);
const images = packedSplit(data, labels, { start: 0, stride: SIZE });

function listOf(text: string) {
  const parsed = parseAugmentation(text, 'augment');
  return parsed === 'auto' ? [] : stepsOf(parsed);
}

function batches(
  text: string,
  { batchSize = 5, seed = 3, shuffle = true, augment = true, soft = false } = {},
) {
  const fields = imageFields(info, soft ? 3 : undefined);
  return batchesOf(fields, imageSplit(images, info, listOf(text)), {
    ...{ batchSize, seed, shuffle, augment, dropLast: true },
  });
}

function imageOf(batch: Batch, at: number): Float32Array {
  return imagesOf(batch).images.subarray(at * SIZE, (at + 1) * SIZE);
}

const LISTS = [
  'flip',
  'pad-crop:3:reflect,flip',
  'flip,pad-crop:2',
  'random-resized-crop,flip',
  'pad-crop:4,flip,auto-augment:cifar,cutout:6',
  'auto-augment:imagenet,pad-crop:2,flip',
  'rand-augment:2:9,random-erasing:1',
];
for (const list of LISTS) {
  test(`${list}: an image depends on seed, epoch and index alone`, async (t) => {
    const whole = await batches(list, { batchSize: LENGTH, shuffle: false }).batch(2, 0);
    const parts = batches(list, { batchSize: 4 });
    // Not in their order, and after others: as after a resume.
    for (const step of [3, 0, 4]) {
      const part = await parts.batch(2, step);
      for (const [at, index] of part.indices.entries()) t.deepEqual(imageOf(part, at), imageOf(whole, index));
    }
    const plain = await batches(list, { batchSize: LENGTH, shuffle: false, augment: false }).batch(2, 0);
    const others = [
      plain,
      await batches(list, { batchSize: LENGTH, shuffle: false }).batch(3, 0),
      await batches(list, { batchSize: LENGTH, shuffle: false, seed: 4 }).batch(2, 0),
    ];
    for (const other of others) t.notDeepEqual(other.fields.images, whole.fields.images);
    t.true(imagesOf(whole).images.every(Number.isFinite));
  });
}

test('a black border that is shifted in as bytes is the one that is written while normalising', (t) => {
  const table = normalizationTable(info);
  for (const top of [-5, 0, 3]) {
    for (const left of [-12, -1, 4]) {
      for (const flip of [false, true]) {
        const [bytes, atOnce, after] = [new Uint8Array(SIZE), new Float32Array(SIZE), new Float32Array(SIZE)];
        placed(data, bytes, info, { top, left, flip }, 'constant');
        writeNormalized(bytes, 0, info, table, IN_PLACE, after, 0);
        writeNormalized(data, 0, info, table, { top, left, flip }, atOnce, 0);
        t.deepEqual(after, atOnce);
      }
    }
  }
});

test('a reflected crop mirrors without the edge, as np.pad(mode="reflect")', async (t) => {
  const shape = { channels: 1, height: 3, width: 3 };
  const grey: ImageInfo = { ...info, ...shape, mean: [0], std: [1 / 255] };
  const one = packedSplit(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), Int32Array.of(0), {
    start: 0,
    stride: 9,
  });
  const all = batchesOf(imageFields(grey), imageSplit(one, grey, listOf('pad-crop:2:reflect')), {
    ...{ batchSize: 1, seed: 0, shuffle: false, augment: true, dropLast: true },
  });
  // np.pad(np.arange(1, 10).reshape(3, 3), 2, mode='reflect')
  const padded = [
    [9, 8, 7, 8, 9, 8, 7],
    [6, 5, 4, 5, 6, 5, 4],
    [3, 2, 1, 2, 3, 2, 1],
    [6, 5, 4, 5, 6, 5, 4],
    [9, 8, 7, 8, 9, 8, 7],
    [6, 5, 4, 5, 6, 5, 4],
    [3, 2, 1, 2, 3, 2, 1],
  ];
  const crops = new Set(
    [0, 1, 2, 3, 4].flatMap((top) =>
      [0, 1, 2, 3, 4].map((left) =>
        String(padded.slice(top, top + 3).flatMap((row) => row.slice(left, left + 3))),
      ),
    ),
  );
  const seen = new Set<string>();
  for (let epoch = 0; epoch < 300; epoch++) {
    const batch = await all.batch(epoch, 0);
    seen.add(String(Array.from(imagesOf(batch).images, Math.round)));
  }
  t.deepEqual([...seen].toSorted(), [...crops].toSorted());
});

test('cutout erases one square, 0 in every channel; per batch the same for all of its images', async (t) => {
  const erased = async (list: string, step: number) => {
    const [plain, cut] = [await batches('none').batch(0, step), await batches(list).batch(0, step)];
    return [0, 1, 2, 3, 4].map((at) => {
      const [before, after] = [imageOf(plain, at), imageOf(cut, at)];
      const places = [...after.keys()].filter((i) => after[i] !== before[i]);
      t.true(places.every((i) => after[i] === 0));
      t.true(places.length > 0 && places.length <= 3 * 36);
      return String(places);
    });
  };
  t.is(new Set(await erased('cutout:6', 0)).size, 5);
  const [first, second] = [await erased('cutout:6:batch', 0), await erased('cutout:6:batch', 1)];
  t.is(new Set(first).size, 1);
  t.not(first[0], second[0]);
});

for (const list of ['mixup:0.4', 'mixup:0.4:permuted', 'cutmix:1', 'cutmix:1:permuted']) {
  test(`${list}: images and labels are mixed alike, as (seed, epoch, step) says`, async (t) => {
    const plain = await batches('none', { soft: true }).batch(1, 2);
    const mixed = await batches(list, { soft: true }).batch(1, 2);
    await batches(list, { soft: true }).batch(1, 1);
    t.deepEqual(await batches(list, { soft: true }).batch(1, 2), mixed);
    t.notDeepEqual((await batches(list, { soft: true, seed: 4 }).batch(1, 2)).fields, mixed.fields);
    const [before, after] = [plain.fields.labels, mixed.fields.labels];
    if (!(before instanceof Float32Array) || !(after instanceof Float32Array)) return t.fail();
    for (let at = 0; at < 5; at++) {
      const row = (of: Float32Array, i: number) => Array.from(of.subarray(3 * i, 3 * i + 3));
      t.true(Math.abs(row(after, at).reduce((a, b) => a + b) - 1) < 1e-6);
      const shares = [0, 1, 2, 3, 4].map((other) =>
        shareOf(plain, mixed, at, other, list.startsWith('mixup')),
      );
      const [partner] = [0, 1, 2, 3, 4].filter((other) => shares[other] !== undefined);
      t.not(partner, undefined);
      if (list === 'mixup:0.4' || list === 'cutmix:1') t.not(shares[4 - at], undefined);
      const share = shares[partner ?? 0] ?? 1;
      const expected = row(before, at).map(
        (own, c) => share * own + (1 - share) * (row(before, partner ?? 0)[c] ?? 0),
      );
      row(after, at).forEach((x, c) => {
        t.true(Math.abs(x - (expected[c] ?? 0)) < 1e-5);
      });
    }
  });
}

/** Which share of an image is its own where all else is of `other`'s; undefined where it is not made of these two. */
function shareOf(
  plain: Batch,
  mixed: Batch,
  at: number,
  other: number,
  isBlend: boolean,
): number | undefined {
  const [own, theirs, now] = [imageOf(plain, at), imageOf(plain, other), imageOf(mixed, at)];
  if (isBlend) {
    const far = own.findIndex((x, i) => Math.abs(x - (theirs[i] ?? 0)) > 1);
    const gap = (own[far] ?? 0) - (theirs[far] ?? 0);
    const share = far < 0 ? 1 : ((now[far] ?? 0) - (theirs[far] ?? 0)) / gap;
    const fits = now.every(
      (x, i) => Math.abs(share * (own[i] ?? 0) + (1 - share) * (theirs[i] ?? 0) - x) < 1e-4,
    );
    return fits && share > 0.5 - 1e-6 ? share : undefined;
  }
  if (!now.every((x, i) => x === own[i] || x === theirs[i])) return undefined;
  return cutShare(plain, mixed, at);
}

/** Of a pasted box, from its corners: a few of its pixels may look the same in both images. */
function cutShare(plain: Batch, mixed: Batch, at: number): number {
  const [own, now] = [imageOf(plain, at), imageOf(mixed, at)];
  const changed = [...now.keys()].filter((i) => now[i] !== own[i]).map((i) => i % (SIDE * SIDE));
  if (changed.length === 0) return 1;
  const [rows, columns] = [changed.map((i) => Math.floor(i / SIDE)), changed.map((i) => i % SIDE)];
  const extent = (of: readonly number[]) => Math.max(...of) - Math.min(...of) + 1;
  return 1 - (extent(rows) * extent(columns)) / SIDE ** 2;
}

test('an evaluation reads labels as rows of one 1, and their class is the arg max', async (t) => {
  const batch = await batches('mixup', { soft: true, augment: false }).batch(0, 0);
  const classes = Array.from(batch.indices, (index) => index % 3);
  t.deepEqual(
    [...(batch.fields.labels ?? [])],
    classes.flatMap((label) => [0, 1, 2].map((c) => Number(c === label))),
  );
  t.deepEqual([...imagesOf(batch).labels], classes);
});

const WRONG: readonly (readonly [string, Partial<ImageInfo>, string])[] = [
  [
    'auto-augment',
    { channels: 1 },
    'cifar10: augmentation: auto-augment: expected RGB images of 3 channels, got 1; leave the step out',
  ],
  [
    'rand-augment',
    { channels: 1 },
    'cifar10: augmentation: rand-augment: expected RGB images of 3 channels, got 1; leave the step out',
  ],
  [
    'pad-crop:12:reflect',
    {},
    'cifar10: augmentation: pad-crop: pad: expected at most 11 for images of 12×12, got 12',
  ],
  [
    'pad-crop:13',
    {},
    'cifar10: augmentation: pad-crop: pad: expected at most 12 for images of 12×12, got 13',
  ],
  [
    'cutout:25',
    { width: 40 },
    'cifar10: augmentation: cutout: size: expected at most 24 for images of 12×40, since it would erase all of any, got 25',
  ],
];
for (const [list, other, message] of WRONG) {
  test(`${list} of ${JSON.stringify(other)} does not fit, which is named`, (t) => {
    t.throws(() => imageSplit(images, { ...info, ...other }, listOf(list)), {
      instanceOf: UserError,
      message,
    });
  });
}

test('mixing needs a task that reads distributions', (t) => {
  const dataset = { ...info, train: images, test: images };
  const augmentation = listOf('flip,mixup');
  t.throws(() => imageDataset(dataset, { augmentation, fields: imageFields(info) }, 0), {
    instanceOf: UserError,
    message:
      'cifar10: augmentation: mixup and cutmix give distributions over the classes: expected a graph that reads labels as float32 [3], got int32 []; leave them out',
  });
  t.deepEqual(imageDataset(dataset, { augmentation, fields: imageFields(info, 3) }, 0).fields.labels, {
    dtype: 'float32',
    shape: [3],
  });
});

test('augmentedBatch gives what the loader gives', async (t) => {
  const list = 'pad-crop:2:reflect,flip,auto-augment,cutout:4,mixup:0.4';
  const expected = await batches(list, { soft: true, shuffle: false }).batch(2, 1);
  const given = { ...info, pixels: data.slice(5 * SIZE, 10 * SIZE), labels: labels.slice(5, 10), classes: 3 };
  const draw = { seed: 3, epoch: 2, step: 1, indices: [5, 6, 7, 8, 9] };
  t.deepEqual({ ...augmentedBatch(given, list, draw) }, { ...expected.fields });
  t.deepEqual(augmentedBatch(given, 'none').labels, given.labels);
  const refused = (call: () => unknown, message: string) =>
    t.throws(call, { instanceOf: UserError, message: `augmentedBatch: ${message}` });
  refused(
    () => augmentedBatch({ ...given, pixels: new Uint8Array(3) }, 'none'),
    'pixels: expected a Uint8Array of 2160, [5, 3, 12, 12], got 3',
  );
  refused(
    () => augmentedBatch({ ...given, classes: 2 }, 'none'),
    'label 0 is 2, expected an integer from 0 to 1',
  );
  refused(() => augmentedBatch(given, 'none', { epoch: -1 }), 'epoch: expected an integer ≥ 0, got -1');
  refused(
    () => augmentedBatch(given, 'auto'),
    'auto: expected a list of steps, since there is no dataset to suit',
  );
});
