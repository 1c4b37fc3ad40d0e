/** TinyImageNet and ImageNet: their folders, conversions of pictures, and broken ones. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp from 'sharp';
import type { DatasetSource } from '../../src/data/dataset.ts';
import { listFiles } from '../../src/data/file-list.ts';
import { openImagenet } from '../../src/data/imagenet.node.ts';
import { imageFields, imagesOf } from '../../src/data/images.ts';
import { openLoader } from '../../src/data/loader.node.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { openTinyImagenet } from '../../src/data/tiny-imagenet.node.ts';
import { parseAugmentation } from '../../src/tasks/augmentation.ts';
import { folder, picture, readPixels, userError } from './_files.ts';
import { stripes, wnidOf, writeImagenet, writeTinyImagenet } from './_pictures.ts';

async function tiny(t: ExecutionContext, options = { classes: 3, train: 4, test: 2 }): Promise<string> {
  const dir = folder(t);
  await writeTinyImagenet(dir, options);
  return dir;
}

function source(dataset: string, dir: string | undefined, side = 64, classes = 3): DatasetSource {
  const fields = imageFields({ channels: 3, height: side, width: side });
  return { dataset, dir, fields, classes };
}

test('a million names take few bytes, and paths are what they were made of', (t) => {
  const files = listFiles([
    { prefix: 'a/', names: ['1.jpg', 'ä.jpg'], labels: 1 },
    { prefix: 'b/', names: [], labels: 0 },
    { prefix: 'c/', names: ['2.jpg', '', '3'], labels: [5, 6, 7] },
  ]);
  t.deepEqual(
    [0, 1, 2, 3, 4].map((i) => files.path(i)),
    ['a/1.jpg', 'a/ä.jpg', 'c/2.jpg', 'c/', 'c/3'],
  );
  t.deepEqual([...files.labels], [1, 1, 5, 6, 7]);
  t.throws(() => files.path(5), { message: 'internal: file 5 of 5' });
});

test('TinyImageNet: classes in sorted order, train folders, and val by its annotations', async (t) => {
  const dir = await tiny(t);
  const { classes, train, test: held, found } = await openTinyImagenet(source('tiny-imagenet', dir));
  t.deepEqual(classes, ['thing 0', 'thing 1', 'thing 2']);
  t.deepEqual([...train.labels], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  t.deepEqual([...held.labels], [0, 0, 1, 1, 2, 2]);
  t.is(found, `found 12 training and 6 test images (of val/) in ${dir}, of 3 classes`);
  const out = new Uint8Array(3 * 64 * 64);
  await readPixels(held, 3, out, 0); // val_4.JPEG, the second of class 1
  const raw = await sharp(await stripes(64, 64, 1, 1001))
    .raw()
    .toBuffer();
  t.deepEqual(
    out,
    Uint8Array.from({ length: out.length }, (_, i) => raw[(i % 4096) * 3 + Math.floor(i / 4096)] ?? 0),
  );
  rmSync(join(dir, 'words.txt'));
  t.deepEqual((await openTinyImagenet(source('tiny-imagenet', dir))).classes, [0, 1, 2].map(wnidOf));
});

test('a TinyImageNet that is not whole is one line', async (t) => {
  const broken = async (change: (dir: string) => void): Promise<string> => {
    const dir = await tiny(t);
    change(dir);
    return dir;
  };
  const refused = async (dir: string | undefined, message: RegExp) =>
    t.throwsAsync(openTinyImagenet(source('tiny-imagenet', dir)), userError(message));
  await refused(
    undefined,
    /^tiny-imagenet: no folder was given: download it from .* and pass --data <folder>$/,
  );
  await refused(
    folder(t),
    /^tiny-imagenet: no wnids\.txt in .*: expected the files of TinyImageNet there or in its sub-folder/,
  );
  const annotations = (dir: string) => join(dir, 'val', 'val_annotations.txt');
  await refused(
    await broken((dir) => rmSync(annotations(dir))),
    /^tiny-imagenet: no .*val_annotations\.txt, which says what each image of val\/images shows: unpack the archive again, whole$/,
  );
  await refused(
    await broken((dir) => writeFileSync(annotations(dir), 'val_0.JPEG\tn1\n')),
    /val_annotations\.txt:1: expected a file, a tab and a class of wnids\.txt, got "val_0\.JPEG\\tn1"$/,
  );
  await refused(
    await broken((dir) => writeFileSync(annotations(dir), `val_9.JPEG\t${wnidOf(0)}\n`)),
    /val_annotations\.txt:1: .*val_9\.JPEG is missing: unpack the archive again$/,
  );
  await refused(
    await broken((dir) => writeFileSync(annotations(dir), '\n')),
    /val_annotations\.txt: expected a line for each image, got none$/,
  );
  await refused(
    await broken((dir) => rmSync(join(dir, 'train', wnidOf(1)), { recursive: true })),
    /^tiny-imagenet: cannot list .*n01000037.images: ENOENT/,
  );
  await refused(
    await broken((dir) => writeFileSync(join(dir, 'wnids.txt'), `${wnidOf(0)}\n${wnidOf(0)}\n`)),
    /wnids\.txt: expected the name of each class once, in a line$/,
  );
});

test('ImageNet: to test, the middle 224 of the shorter side’s 256, as torchvision cuts it', async (t) => {
  const dir = folder(t);
  await writeImagenet(dir, { classes: 2, train: 2, test: 1 });
  writeFileSync(join(dir, 'val', wnidOf(1), 'wide.png'), await gradient(512, 384));
  const { classes, train, test: held, found } = await openImagenet(source('imagenet', dir, 224));
  t.deepEqual(
    [classes, [...train.labels], [...held.labels]],
    [
      [wnidOf(0), wnidOf(1)],
      [0, 0, 1, 1],
      [0, 1, 1],
    ],
  );
  t.true(found.includes('4 training images') && found.includes('3 test images'));
  const out = new Uint8Array(3 * 224 * 224);
  await readPixels(held, 2, out, 0);
  // Column x of 512 is 255·x/511; 256 rows of 384 make 341 columns, of which the middle 224 begin at 58.5.
  for (const x of [0, 100, 223]) {
    const expected = (255 * (((x + 58.5 + 0.5) * 512) / 341.33 - 0.5)) / 511;
    t.true(Math.abs((out[100 * 224 + x] ?? 0) - expected) < 1.5, `${x}: ${out[100 * 224 + x]} ${expected}`);
  }
});

/** A PNG whose red grows from left to right. */
function gradient(width: number, height: number): Promise<Buffer> {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    i % 3 === 0 ? Math.round((255 * ((i / 3) % width)) / (width - 1)) : 0,
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

test('a random-resized-crop reads a part of the picture, as (seed, epoch, index) says', async (t) => {
  const dir = folder(t, {
    'train/a/1.png': await gradient(300, 200),
    'val/a/1.png': await gradient(30, 20),
  });
  const augmentation = parseAugmentation('random-resized-crop:0.25-0.25:1-1', 'test');
  const { train } = await openDataset({ ...source('imagenet', dir, 32, 1), augmentation });
  const lefts = new Set<number>();
  for (let epoch = 0; epoch < 12; epoch++) {
    const rows = await Promise.all(
      [0, 1].map(async () => {
        const fields = { images: new Float32Array(3 * 32 * 32), labels: new Int32Array(1) };
        await train.read(0, fields, 0, { seed: 1, epoch, index: 0, step: 0 });
        return fields.images.map((x) => Math.round(255 * (x * 0.229 + 0.485))).subarray(0, 32);
      }),
    );
    const [row = new Float32Array(), again] = rows;
    t.deepEqual(again, row);
    // A quarter of 300·200 pixels in a square: 122 columns of the gradient, whose column x is 255·x/299.
    const [first = 0, last = 0] = [row[0], row[31]];
    t.true(Math.abs(last - first - (255 * (122 * 31)) / 32 / 299) < 2.5, `${first} ${last}`);
    lefts.add(first);
  }
  t.true(lefts.size > 6);
});

test('grey, CMYK, deep and transparent pictures become RGB of 8 bits', async (t) => {
  const grey = {
    create: { width: 16, height: 16, channels: 3, background: { r: 100, g: 100, b: 100 } },
  } as const;
  const red = {
    create: { width: 16, height: 16, channels: 3, background: { r: 200, g: 40, b: 60 } },
  } as const;
  const dir = folder(t, {
    'train/a/1-grey.jpg': await sharp(grey).toColourspace('b-w').jpeg({ quality: 100 }).toBuffer(),
    'train/a/2-cmyk.jpg': await sharp(red).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(),
    'train/a/3-deep.png': await sharp(red).toColourspace('rgb16').png().toBuffer(),
    'train/a/4-half.png': await picture(16, 16, { r: 200, g: 40, b: 60, alpha: 0.5 }),
    'train/a/5-grey16.png': await sharp(grey).toColourspace('grey16').png().toBuffer(),
    'val/a/1.png': await picture(16, 16, { r: 1, g: 2, b: 3 }),
  });
  const kinds = await Promise.all(
    readdirSync(join(dir, 'train/a')).map((name) => sharp(join(dir, 'train/a', name)).metadata()),
  );
  t.deepEqual(
    kinds.map(({ space, depth, channels }) => `${space} ${depth} ${channels}`),
    ['b-w uchar 1', 'cmyk uchar 4', 'rgb16 ushort 3', 'srgb uchar 4', 'grey16 ushort 1'],
  );
  const { train } = await openImagenet(source('imagenet', dir, 16, 1));
  const expected = [
    [100, 100, 100],
    [200, 40, 60],
    [200, 40, 60],
    [100, 20, 30],
    [100, 100, 100],
  ];
  for (const [index, colour] of expected.entries()) {
    const out = new Uint8Array(3 * 256);
    await readPixels(train, index, out, 0);
    colour.forEach((value, c) => {
      const near = index === 1 ? 20 : 1; // of the inks' gamut, and back
      const pixel = out[c * 256 + 120] ?? 0;
      t.true(Math.abs(pixel - value) <= near, `${index}: ${[0, 1, 2].map((k) => out[k * 256 + 120])}`);
    });
  }
});

async function collect(t: ExecutionContext, options: DatasetSource, split: 'train' | 'test') {
  const notes: string[] = [];
  const isTraining = split === 'train';
  const loader = await openLoader({
    ...{ source: options, split, batchSize: 4, seed: 2 },
    ...{ shuffle: isTraining, augment: isTraining, dropLast: isTraining },
    note: (text) => notes.push(text),
  });
  t.teardown(() => loader.close());
  const batches: { labels: number[]; indices: number[]; images: Float32Array }[] = [];
  for await (const batch of loader.batches({ epoch: 1 })) {
    const { images, labels } = imagesOf(batch);
    batches.push({ images, labels: [...labels], indices: [...batch.indices] });
  }
  return { batches, notes };
}

test('a broken picture among many is named, or skipped and counted', async (t) => {
  const dir = await tiny(t, { classes: 3, train: 4, test: 3 });
  const whole = await collect(t, source('tiny-imagenet', dir), 'train');
  const [bad, worse] = [
    join(dir, 'train', wnidOf(0), 'images', `${wnidOf(0)}_3.JPEG`),
    join(dir, 'val/images/val_4.JPEG'),
  ];
  writeFileSync(bad, (await stripes(64, 64, 0, 3)).subarray(0, 700));
  writeFileSync(worse, 'no picture');
  await t.throwsAsync(
    collect(t, source('tiny-imagenet', dir), 'train'),
    userError(
      /^tiny-imagenet: .*n01000000_3\.JPEG is not a readable image \(.+\): replace or remove it, or skip broken images with --on-broken skip$/,
    ),
  );
  const skipping: DatasetSource = { ...source('tiny-imagenet', dir), onBroken: 'skip' };
  const trained = await collect(t, skipping, 'train');
  // What libvips says of a file may differ, when it decodes others at the same time.
  t.deepEqual((await collect(t, skipping, 'train')).batches, trained.batches);
  t.is(trained.notes.length, 1);
  t.regex(
    trained.notes[0] ?? '',
    /^tiny-imagenet: 1 broken train example skipped so far, the next one takes its place: .*n01000000_3\.JPEG is not/,
  );
  // Number 3 is class 0, and number 4, which takes its place, is the first of class 1; all else is as it was.
  whole.batches.forEach((batch, step) => {
    batch.indices.forEach((index, at) => {
      const pixels = (of: Float32Array | undefined) => of?.subarray(at * 12288, (at + 1) * 12288);
      const now = trained.batches[step];
      if (index === 3) t.is(now?.labels[at], 1);
      else t.deepEqual([now?.labels[at], pixels(now?.images)], [batch.labels[at], pixels(batch.images)]);
    });
  });
  const tested = await collect(t, skipping, 'test');
  t.regex(
    tested.notes[0] ?? '',
    /^tiny-imagenet: 1 broken test example skipped so far, it is left out: .*val_4\.JPEG is not/,
  );
  // Images are listed as the annotations are: val_0, 3, 6, 1, 4, 7, 2, 5, 8.
  t.deepEqual(
    tested.batches.map(({ indices, labels }) => [indices, labels]),
    [
      [
        [0, 1, 2, 3],
        [0, 0, 0, 1],
      ],
      [
        [5, 6, 7],
        [1, 2, 2],
      ],
      [[8], [2]],
    ],
  );
  t.deepEqual(
    tested.batches.map(({ images }) => images.length / 12288),
    [4, 3, 1],
  );
});

test('where every picture is broken, the first is named', async (t) => {
  const files = Object.fromEntries(['train', 'val'].map((part) => [`${part}/a/1.jpg`, Uint8Array.of(1)]));
  const dir = folder(t, {
    ...files,
    'train/a/2.jpg': Uint8Array.of(2),
    'train/a/3.jpg': Uint8Array.of(2),
    'train/a/4.jpg': Uint8Array.of(2),
  });
  const skipping: DatasetSource = { ...source('imagenet', dir, 32, 1), onBroken: 'skip' };
  await t.throwsAsync(collect(t, skipping, 'train'), userError(/^imagenet: .*\.jpg is not a readable image/));
  t.deepEqual((await collect(t, skipping, 'test')).batches, []);
});
