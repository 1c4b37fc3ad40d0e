/** Picture files of any size, decoded when they are needed: in libvips' threads, so that the loader's own does little. */
import sharp, { type DepthEnum } from 'sharp';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import type { ImageShape } from './augment.ts';
import type { RegionOf } from './augmentation/augmenter.ts';
import { BrokenExample, type DatasetSource } from './dataset.ts';
import type { FileList } from './file-list.ts';
import { reason } from './files.node.ts';
import type { ImageSplit } from './images.ts';
import { channelsFirst } from './planes.ts';

const HEADERS_AT_ONCE = 16;

/**
 * The most bytes that a decoded picture may have: 89 million RGB pixels. Some formats are decoded whole (interlaced PNG,
 * progressive JPEG, WebP), and several files at once, so without a limit a file of 1 MB could take all memory.
 */
const MOST_BYTES = 256 * 2 ** 20;

/** The size that a task reads: 1 channel or 3. Throws a UserError, which begins with the dataset's name, without one. */
export function wantedShape(dataset: string, { fields }: Pick<DatasetSource, 'fields'>) {
  const [channels, height, width] = fields?.images?.shape ?? [];
  if (channels === undefined || height === undefined || width === undefined) {
    throw new UserError(
      `${dataset}: expected a field images of shape [channels, height, width] in \`fields\`, the size that images are brought to`,
    );
  }
  if (channels !== 1 && channels !== 3) {
    throw new UserError(`${dataset}: the graph takes ${channels} channels, expected 1 (grey) or 3 (RGB)`);
  }
  return { channels, height, width } as const;
}

/** How the pictures of a split are read. */
export interface PictureOptions {
  /** For errors. */
  readonly dataset: string;
  readonly shape: ImageShape;
  /**
   * How much of a picture is kept where no part of it is drawn, in the middle of what the wanted shape covers: 224/256 is
   * usual for ImageNet. All of it by default.
   */
  readonly centre?: number;
  /** Whether all headers are read before training: seconds for ten thousand files, minutes for a million. */
  readonly verifies?: boolean;
}

/** The pictures as images of one size: `Split.read` decodes one. */
export function pictureSplit(files: FileList, options: PictureOptions): ImageSplit {
  return {
    length: files.length,
    labels: files.labels,
    readsRegions: true,
    async pixels(index, region) {
      return { data: await decode(files.path(index), options, region), offset: 0 };
    },
    ...(options.verifies && {
      verify: () =>
        each(files, HEADERS_AT_ONCE, async (path) => {
          await header(path, options.dataset);
        }),
    }),
  };
}

/** Reads a file's header. Throws BrokenExample if the file is not an image, or is too large to be decoded. */
async function header(path: string, dataset: string): Promise<{ width: number; height: number }> {
  // sharp's own limit counts pixels instead of bytes, and its error does not name the file.
  const { width, height, channels, depth, autoOrient } = await sharp(path, UNLIMITED)
    .metadata()
    .catch(unreadable(path, dataset));
  const bytes = width * height * channels * BYTES[depth];
  if (bytes <= MOST_BYTES) return autoOrient;
  throw new BrokenExample(
    `${dataset}: ${path} has ${width}×${height} pixels, ${megabytes(bytes)} once decoded: expected at most ${megabytes(MOST_BYTES)}; make it smaller or remove it`,
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

/**
 * Decodes a file: turned as its EXIF data says, brought to the wanted size, black where it is transparent. A drawn region
 * is resized with the triangle filter that torchvision uses (`bilinear`, antialiased), which libvips computes with other
 * roundings; without one the picture is scaled with libvips' usual filter (Lanczos 3) and cropped in the middle.
 */
async function decode(
  path: string,
  { dataset, shape, centre = 1 }: PictureOptions,
  region: RegionOf | undefined,
): Promise<Uint8Array> {
  const { channels, height, width } = shape;
  const size = await header(path, dataset);
  const picture = sharp(path, UNLIMITED).autoOrient();
  if (region) picture.extract(region(size)).resize(width, height, { fit: 'fill', kernel: 'linear' });
  else if (centre === 1) picture.resize(width, height, { fit: 'cover' });
  else {
    const [wide, tall] = [Math.round(width / centre), Math.round(height / centre)];
    const [left, top] = [Math.round((wide - width) / 2), Math.round((tall - height) / 2)];
    picture.resize(wide, tall, { fit: 'cover' }).extract({ left, top, width, height });
  }
  const pixels = await picture
    .flatten()
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer()
    .catch(unreadable(path, dataset));
  const plane = height * width;
  if (pixels.length !== channels * plane) {
    throw new Error(`internal: ${path} was decoded to ${pixels.length} bytes, expected ${channels * plane}`);
  }
  return channels === 1 ? pixels : channelsFirst(pixels, channels);
}

function unreadable(path: string, dataset: string): (error: unknown) => never {
  return (error) => {
    throw new BrokenExample(
      `${dataset}: ${path} is not a readable image (${reason(error)}): replace or remove it, or skip broken images with --on-broken skip`,
    );
  };
}

/** Runs `task` on every path, at most `limit` at once. The first failure ends the queue that they share, so all stop. */
async function each(files: FileList, limit: number, task: (path: string) => Promise<void>): Promise<void> {
  const queue = (function* () {
    for (let i = 0; i < files.length; i++) yield files.path(i);
  })();
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (const path of queue) await task(path);
    }),
  );
}
