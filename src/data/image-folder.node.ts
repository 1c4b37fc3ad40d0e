/**
 * Images of any size in `train/<class>/` and `test/<class>/`, and validation images in `val/<class>/`. They are decoded
 * when they are needed. If there is `val/` but no `test/`, as in ImageNet, the images in `val/` are the test images.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type DepthEnum } from 'sharp';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import { augmentationOf } from './augment.ts';
import type { DatasetSource, OpenDataset } from './dataset.ts';
import { present, reason } from './files.node.ts';
import { type ImageDataset, type ImageShape, type ImageSplit, imageDataset } from './images.ts';

const HEADERS_AT_ONCE = 16;

/**
 * The most bytes that a decoded picture may have: 89 million RGB pixels. Some formats are decoded whole (interlaced PNG,
 * progressive JPEG, WebP), and several files at once, so without a limit a file of 1 MB could take all memory.
 */
const MOST_BYTES = 256 * 2 ** 20;

/** ImageNet's mean and standard deviation of each channel; for grey images, their means over the channels. */
const STATISTICS = {
  1: { mean: [0.449], std: [0.226] },
  3: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const;

export const open: OpenDataset = async (source) => {
  const images = await openImageFolder(source);
  return imageDataset(images, augmentationOf(source.augmentation ?? 'auto', images.name), 0);
};

/** Lists the folder; images are resized to the height and width that the task reads, and made grey for one channel. */
export async function openImageFolder({ dir, fields }: DatasetSource): Promise<ImageDataset> {
  const [channels, height, width] = fields?.images?.shape ?? [];
  if (channels === undefined || height === undefined || width === undefined) {
    throw new UserError(
      'image-folder: expected a field images of shape [channels, height, width] in `fields`, the size that images are brought to',
    );
  }
  if (dir === undefined) {
    throw new UserError('image-folder: no folder was given: pass --data <folder with train/ and val/>');
  }
  if (channels !== 1 && channels !== 3) {
    throw new UserError(`image-folder: the graph takes ${channels} channels, expected 1 (grey) or 3 (RGB)`);
  }
  const [trainDir] = present(dir, ['train']);
  const [testDir, validationDir] = present(dir, ['test', 'val']);
  if (trainDir === undefined || testDir === undefined) {
    const missing = trainDir === undefined ? 'train/<class>/' : 'val/<class>/ or test/<class>/';
    throw new UserError(`image-folder: ${dir} has no ${missing}: expected a folder per class there`);
  }
  const classes = classesIn(trainDir);
  const shape: ImageShape = { channels, height, width };
  const train = folderSplit(trainDir, classes, shape);
  const held = (other: string): ImageSplit => {
    sameClasses(trainDir, classes, other, classesIn(other));
    return folderSplit(other, classes, shape);
  };
  const test = held(testDir);
  const validation = validationDir === undefined ? undefined : held(validationDir);
  const found = [
    `${grouped(train.length)} training images in ${trainDir}`,
    ...(validation ? [`${grouped(validation.length)} validation images in ${validationDir}`] : []),
  ].join(', ');
  return {
    name: 'image-folder',
    classes,
    ...shape,
    ...STATISTICS[channels],
    found: `found ${found} and ${grouped(test.length)} test images in ${testDir}, of ${grouped(classes.length)} classes`,
    train,
    test,
    ...(validation && { validation }),
  };
}

/** Names of a folder's entries, sorted by code unit. Hidden files such as .DS_Store are left out. */
function list(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    throw new UserError(`image-folder: cannot list ${dir}: ${reason(error)}`);
  }
}

function classesIn(dir: string): string[] {
  const classes = list(dir).filter((name) => statSync(join(dir, name)).isDirectory());
  if (classes.length === 0) {
    throw new UserError(`image-folder: ${dir} has no folders: expected one folder of images per class`);
  }
  return classes;
}

function sameClasses(dirA: string, a: readonly string[], dirB: string, b: readonly string[]): void {
  for (const [dir, name] of [
    [dirB, a.find((name) => !b.includes(name))],
    [dirA, b.find((name) => !a.includes(name))],
  ]) {
    if (name !== undefined) {
      throw new UserError(
        `image-folder: class ${name} has no folder in ${dir}: expected the same classes in ${dirA} and ${dirB}`,
      );
    }
  }
}

function folderSplit(dir: string, classes: readonly string[], shape: ImageShape): ImageSplit {
  const images = classes.flatMap((name, label) => {
    const files = list(join(dir, name));
    if (files.length === 0) {
      throw new UserError(`image-folder: ${join(dir, name)} has no images: every class needs some`);
    }
    return files.map((file) => ({ path: join(dir, name, file), label }));
  });
  return {
    length: images.length,
    labels: Int32Array.from(images, ({ label }) => label),
    async pixels(index) {
      const image = images[index];
      if (!image) throw new Error(`internal: image ${index} of ${images.length}`);
      return { data: await decode(image.path, shape), offset: 0 };
    },
    verify: () =>
      each(images, HEADERS_AT_ONCE, async ({ path }) => {
        await header(path);
      }),
  };
}

/** Reads a file's header. Throws UserError if the file is not an image, or is too large to be decoded. */
async function header(path: string): Promise<void> {
  // sharp's own limit counts pixels instead of bytes, and its error does not name the file.
  const { width, height, channels, depth } = await sharp(path, UNLIMITED).metadata().catch(unreadable(path));
  const bytes = width * height * channels * BYTES[depth];
  if (bytes <= MOST_BYTES) return;
  throw new UserError(
    `image-folder: ${path} has ${width}×${height} pixels, ${megabytes(bytes)} once decoded: expected at most ${megabytes(MOST_BYTES)}; make it smaller or remove it`,
  );
}

const UNLIMITED = { limitInputPixels: false } as const;

/** Bytes of one number, by libvips' name of its type. */
const BYTES: Readonly<Record<keyof DepthEnum, number>> = {
  char: 1,
  uchar: 1,
  short: 2,
  ushort: 2,
  int: 4,
  uint: 4,
  float: 4,
  complex: 8,
  double: 8,
  dpcomplex: 16,
};

function megabytes(bytes: number): string {
  return `${grouped(Math.round(bytes / 1e6))} MB`;
}

/** Decodes a file: turned as its EXIF data says, scaled and cropped to the wanted size, black where it is transparent. */
async function decode(path: string, shape: ImageShape): Promise<Uint8Array> {
  const { channels, height, width } = shape;
  await header(path);
  const pixels = await sharp(path, UNLIMITED)
    .autoOrient()
    .resize(width, height, { fit: 'cover' })
    .flatten()
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer()
    .catch(unreadable(path));
  const plane = height * width;
  if (pixels.length !== channels * plane) {
    throw new Error(`internal: ${path} was decoded to ${pixels.length} bytes, expected ${channels * plane}`);
  }
  const planes = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane; i++) planes[c * plane + i] = pixels[i * channels + c] ?? 0;
  }
  return planes;
}

function unreadable(path: string): (error: unknown) => never {
  return (error) => {
    throw new UserError(
      `image-folder: ${path} is not a readable image (${reason(error)}): replace or remove it`,
    );
  };
}

/** Runs `task` on every item, at most `limit` at once. The first failure ends the queue that they share, so all stop. */
async function each<T>(items: readonly T[], limit: number, task: (item: T) => Promise<void>): Promise<void> {
  const queue = (function* () {
    yield* items;
  })();
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (const item of queue) await task(item);
    }),
  );
}
