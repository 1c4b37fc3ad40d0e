/** Images of any size in a folder for each class (class-folders.node.ts). They are decoded when they are needed. */
import sharp, { type DepthEnum } from 'sharp';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import type { ImageShape } from './augment.ts';
import { augmentationOf } from './augment.ts';
import { type ClassFile, listClassFolders } from './class-folders.node.ts';
import type { DatasetSource, OpenDataset } from './dataset.ts';
import { reason } from './files.node.ts';
import { type ImageDataset, type ImageSplit, imageDataset } from './images.ts';

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
  const shape: ImageShape = { channels, height, width };
  const { classes, train, test, validation, found } = listClassFolders('image-folder', dir, 'images');
  return {
    name: 'image-folder',
    classes,
    ...shape,
    ...STATISTICS[channels],
    found,
    train: folderSplit(train, shape),
    test: folderSplit(test, shape),
    ...(validation && { validation: folderSplit(validation, shape) }),
  };
}

function folderSplit(images: readonly ClassFile[], shape: ImageShape): ImageSplit {
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
