import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test from 'ava';
import sharp from 'sharp';
import type { ImageShape } from '../../src/data/augment.ts';
import type { DatasetSource } from '../../src/data/dataset.ts';
import { openImageFolder } from '../../src/data/image-folder.node.ts';
import { imageFields } from '../../src/data/images.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { folder, picture, readPixels, userError } from './_files.ts';

const RED = { r: 255, g: 0, b: 0 };
const BLUE = { r: 0, g: 0, b: 255 };
const GREY = { r: 100, g: 100, b: 100 };

function source(
  dir: string | undefined,
  { channels = 3, height = 4, width = 6 }: Partial<ImageShape> = {},
): DatasetSource {
  return { dataset: 'image-folder', dir, fields: imageFields({ channels, height, width }), classes: 2 };
}

async function files(): Promise<Record<string, Uint8Array>> {
  return {
    'train/red/b.png': await picture(9, 5, RED),
    'train/red/a.webp': await picture(40, 40, GREY, 'webp'),
    'train/blue/x.jpg': await picture(12, 30, BLUE, 'jpeg'),
    'train/blue/.DS_Store': Uint8Array.of(1, 2, 3),
    'val/red/r.png': await picture(3, 3, RED),
    'val/blue/b.png': await picture(3, 3, BLUE),
  };
}

test('classes are the sorted folders, files are sorted within them, hidden files are left out', async (t) => {
  const dir = folder(t, await files());
  const { classes, train, test: held, found } = await openImageFolder(source(dir));
  t.deepEqual(classes, ['blue', 'red']);
  t.deepEqual([...train.labels], [0, 1, 1]);
  t.deepEqual([...held.labels], [0, 1]);
  t.is(
    found,
    `found 3 training images in ${join(dir, 'train')} and 2 test images in ${join(dir, 'val')}, of 2 classes`,
  );
  await t.notThrowsAsync(async () => train.verify?.());
});

test('val beside test is for validation, with the same classes', async (t) => {
  const tests = { 'test/red/1.png': await picture(3, 3, RED), 'test/blue/1.png': await picture(3, 3, BLUE) };
  const dir = folder(t, { ...(await files()), ...tests, 'test/red/2.png': await picture(3, 3, RED) });
  const dataset = await openImageFolder(source(dir));
  t.deepEqual([...dataset.test.labels], [0, 1, 1]);
  t.deepEqual([...(dataset.validation?.labels ?? [])], [0, 1]);
  t.is(
    dataset.found,
    `found 3 training images in ${join(dir, 'train')}, 2 validation images in ${join(dir, 'val')} and 3 test images in ${join(dir, 'test')}, of 2 classes`,
  );
  await t.throwsAsync(
    openDataset({ ...source(dir), holdOut: { examples: 1, seed: 0 } }),
    userError(
      /the dataset has 2 validation examples of its own: leave out --validation and --validation-images/,
    ),
  );
  t.is((await openImageFolder(source(folder(t, await files())))).validation, undefined);
});

test('images of any size and format become uint8 [channels, height, width]', async (t) => {
  const { train } = await openImageFolder(source(folder(t, await files())));
  const out = new Uint8Array(1 + 72);
  await readPixels(train, 2, out, 1); // red/b.png
  t.deepEqual([...out], [0, ...Array(24).fill(255), ...Array(48).fill(0)]);
  await readPixels(train, 1, out, 0); // red/a.webp, which loses some colour
  t.true(out.subarray(0, 72).every((v) => Math.abs(v - 100) <= 2));
});

test('planes, rows and columns keep their places', async (t) => {
  const interleaved = Uint8Array.from({ length: 4 * 6 * 3 }, (_, i) => i * 3);
  const png = await sharp(interleaved, { raw: { width: 6, height: 4, channels: 3 } })
    .png()
    .toBuffer();
  const dir = folder(t, { 'train/a/1.png': png, 'test/a/1.png': png });
  const { test: held } = await openImageFolder(source(dir));
  const out = new Uint8Array(72);
  await readPixels(held, 0, out, 0);
  t.deepEqual(
    [...out],
    [0, 1, 2].flatMap((c) => Array.from({ length: 24 }, (_, i) => (i * 3 + c) * 3)),
  );
});

test('one channel makes grey, also of transparent, deep and turned images', async (t) => {
  const deep = await sharp({ create: { width: 2, height: 2, channels: 3, background: GREY } })
    .toColourspace('grey16')
    .png()
    .toBuffer();
  t.is((await sharp(deep).metadata()).depth, 'ushort');
  // Left half grey, right half black, and EXIF data that says: turn by 90° clockwise, so that grey is on top.
  const turned = await sharp({
    create: { width: 2, height: 2, channels: 3, background: { r: 0, g: 0, b: 0 } },
  })
    .composite([{ input: Buffer.from(await picture(1, 2, GREY)), left: 0, top: 0 }])
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const dir = folder(t, {
    'train/a/1-deep.png': deep,
    'train/a/2-transparent.png': await picture(2, 2, { ...GREY, alpha: 0 }),
    'train/a/3-turned.png': turned,
    'val/a/1.png': await picture(2, 2, GREY),
  });
  const { train, mean, std } = await openImageFolder(source(dir, { channels: 1, height: 2, width: 2 }));
  const out = new Uint8Array(12);
  await Promise.all([0, 1, 2].map((i) => readPixels(train, i, out, 4 * i)));
  t.deepEqual([...out], [100, 100, 100, 100, 0, 0, 0, 0, 100, 100, 0, 0]);
  t.deepEqual([mean.length, std.length], [1, 1]);
});

test('an unreadable file is named, by its header before training or when it is decoded', async (t) => {
  const whole = await picture(400, 400, RED, 'jpeg');
  const dir = folder(t, {
    ...(await files()),
    'train/red/notes.txt': Uint8Array.of(1, 2, 3),
    'val/red/cut.jpg': whole.subarray(0, whole.length - 100),
  });
  const { train, test: held } = await openImageFolder(source(dir));
  await t.throwsAsync(
    async () => train.verify?.(),
    userError(/train.red.notes\.txt is not a readable image \(.+\): replace or remove it/),
  );
  await t.throwsAsync(
    async () => readPixels(held, 1, new Uint8Array(72), 0),
    userError(/val.red.cut\.jpg is not a readable image/),
  );
});

/** A PNG whose header says that it has more pixels than its file has. */
function pretended(png: Uint8Array, width: number, height: number): Uint8Array {
  const bytes = Buffer.from(png);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

test('a picture that is too large is named before it is decoded, on opening and on reading', async (t) => {
  const interlaced = await sharp({ create: { width: 8, height: 8, channels: 3, background: RED } })
    .png({ progressive: true })
    .toBuffer();
  t.true((await sharp(interlaced).metadata()).isProgressive);
  const deep = await sharp({ create: { width: 8, height: 8, channels: 4, background: { ...RED, alpha: 1 } } })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  const dir = folder(t, {
    'train/a/1.png': pretended(interlaced, 16384, 16384),
    'train/a/2.png': pretended(interlaced, 65535, 2),
    'val/a/1.png': pretended(deep, 7000, 7000),
  });
  const { train, test: held } = await openImageFolder(source(dir));
  const large = (what: string) =>
    userError(
      new RegExp(`1\\.png has ${what} once decoded: expected at most 268 MB; make it smaller or remove it$`),
    );
  const out = new Uint8Array(72);
  for (const read of [async () => train.verify?.(), async () => readPixels(train, 0, out, 0)]) {
    await t.throwsAsync(read, large('16384×16384 pixels, 805 MB'));
  }
  // 16 bits in each of four channels are four times as much.
  await t.throwsAsync(async () => readPixels(held, 0, out, 0), large('7000×7000 pixels, 392 MB'));
  // Long and thin is not large: this one fails only because its file ends early.
  await t.throwsAsync(async () => readPixels(train, 1, out, 0), userError(/2\.png is not a readable image/));
});

const WRONG: Record<string, { files: string[]; options?: Partial<ImageShape>; message: RegExp }> = {
  'no train folder': { files: ['val/a/1'], message: /has no train\/<class>\// },
  'no val folder': { files: ['train/a/1'], message: /has no val\/<class>\/ or test\/<class>\// },
  'a train folder without classes': { files: ['train/1', 'val/a/1'], message: /train has no folders/ },
  'a class that is not in val': {
    files: ['train/a/1', 'train/b/1', 'val/a/1'],
    message: /class b has no folder in .*val: expected the same classes/,
  },
  'a class that is not in train': {
    files: ['train/a/1', 'test/a/1', 'test/b/1'],
    message: /class b has no folder in .*train: expected the same classes/,
  },
  'a class without images': {
    files: ['train/a/1', 'train/b/.keep', 'val/a/1', 'val/b/1'],
    message: /train.b has no images/,
  },
  'a graph with two channels': {
    files: [],
    options: { channels: 2 },
    message: /takes 2 channels, expected 1 \(grey\) or 3 \(RGB\)/,
  },
};

for (const [what, { files: names, options, message }] of Object.entries(WRONG)) {
  test(`${what} is named`, async (t) => {
    const dir = folder(t, Object.fromEntries(names.map((name) => [name, new Uint8Array(1)])));
    await t.throwsAsync(openImageFolder(source(dir, options)), userError(message));
  });
}

test('no folder, or a task that does not say how large its images are, is an error', async (t) => {
  await t.throwsAsync(openImageFolder(source(undefined)), userError(/no folder was given: pass --data/));
  await t.throwsAsync(
    openImageFolder({ dataset: 'image-folder', dir: folder(t) }),
    userError(/expected a field images of shape \[channels, height, width\]/),
  );
});
