/** Datasets of labelled images: pixels in bytes become the fields `images` and `labels`. Pure: also for browsers. */
import type { Fields } from '../tasks/task.ts';
import {
  type Augmentation,
  drawPlacement,
  type ImageShape,
  IN_PLACE,
  type Normalization,
  normalizationTable,
  writeNormalized,
} from './augment.ts';
import type { Batch, FieldData } from './batch.ts';
import type { Dataset, DatasetInfo, Split } from './dataset.ts';
import { type DatasetName, isDatasetName } from './names.ts';

/** Labelled images as bytes, read one at a time. */
export interface ImageSplit {
  readonly length: number;
  /** int32 [length], each in [0, classes). */
  readonly labels: Int32Array;
  /** The pixels of image `index`: uint8 [channels, height, width] in 0 … 255, from `offset` of `data` on. */
  pixels(index: number): PixelsAt | Promise<PixelsAt>;
  /** Checks every file, which opening does not. Throws a UserError for the first file that is not an image. */
  verify?(): Promise<void>;
}

export interface PixelsAt {
  readonly data: Uint8Array;
  readonly offset: number;
}

/** What is known of a dataset of images without them. */
export interface ImageInfo extends ImageShape, Normalization {
  readonly name: DatasetName;
  readonly classes: readonly string[];
  readonly found: string;
}

export interface ImageDataset extends ImageInfo {
  readonly train: ImageSplit;
  readonly test: ImageSplit;
  /** The dataset's own validation images. */
  readonly validation?: ImageSplit;
}

/** `images` float32 [channels, height, width], normalised, and `labels` int32 []. */
export function imageFields({ channels, height, width }: ImageShape): Fields {
  return {
    images: { dtype: 'float32', shape: [channels, height, width] },
    labels: { dtype: 'int32', shape: [] },
  };
}

/** What a dataset of fields says of its images. */
export function describeImages(info: ImageInfo): DatasetInfo {
  const { name, classes, mean, std, found } = info;
  return { name, fields: imageFields(info), found, about: { classes, mean, std }, bytes: 0 };
}

/** The images as a dataset of fields. `bytes` is what they hold in memory; training images go through `augmentation`. */
export function imageDataset(images: ImageDataset, augmentation: Augmentation, bytes: number): Dataset {
  const { train, test, validation } = images;
  return {
    ...describeImages(images),
    bytes,
    train: imageSplit(train, images, augmentation),
    test: imageSplit(test, images, augmentation),
    ...(validation && { validation: imageSplit(validation, images, augmentation) }),
  };
}

/** Images as examples: normalised, and where there is a draw augmented, straight into the arrays of the batch. */
export function imageSplit(
  images: ImageSplit,
  info: ImageShape & Pick<ImageInfo, 'mean' | 'std'>,
  augmentation: Augmentation,
): Split {
  const size = info.channels * info.height * info.width;
  const table = normalizationTable(info);
  return {
    length: images.length,
    strata: images.labels,
    read(index, out, at, draw) {
      const [pictures, labels] = [floats(out, 'images'), ints(out, 'labels')];
      labels[at] = images.labels[index] ?? 0;
      const placement = draw ? drawPlacement(augmentation, draw.seed, draw.epoch, draw.index) : IN_PLACE;
      const write = ({ data, offset }: PixelsAt) =>
        writeNormalized(data, offset, info, table, placement, pictures, at * size);
      const pixels = images.pixels(index);
      return pixels instanceof Promise ? pixels.then(write) : write(pixels);
    },
    ...(images.verify && { verify: () => images.verify?.() ?? Promise.resolve() }),
  };
}

/** A batch of images and labels. */
export function imagesOf({ fields }: Pick<Batch, 'fields'>): { images: Float32Array; labels: Int32Array } {
  return { images: floats(fields, 'images'), labels: ints(fields, 'labels') };
}

/** The bytes that normalised images were made of: uint8, of the same shape. */
export function pixelsOf(images: Float32Array, { mean, std, height, width }: ImageInfo): Uint8Array {
  const plane = height * width;
  const channels = mean.length;
  return Uint8Array.from(images, (value, i) => {
    const c = Math.floor(i / plane) % channels;
    return Math.round(255 * (value * (std[c] ?? 1) + (mean[c] ?? 0)));
  });
}

/** One image of a split, as bytes, and its label. */
export async function readImage(
  split: Split,
  index: number,
  info: ImageInfo,
): Promise<{ pixels: Uint8Array; label: number }> {
  const out = {
    images: new Float32Array(info.channels * info.height * info.width),
    labels: new Int32Array(1),
  };
  await split.read(index, out, 0);
  return { pixels: pixelsOf(out.images, info), label: out.labels[0] ?? 0 };
}

/** What a dataset says of its images. Throws an Error if it is no dataset of images that comes with this package. */
export function imageInfo({ name, fields, about, found }: DatasetInfo): ImageInfo {
  const [channels, height, width] = fields.images?.shape ?? [];
  const [classes, mean, std] = [strings(about.classes), numbers(about.mean), numbers(about.std)];
  if (!isDatasetName(name) || !channels || !height || !width || !classes || !mean || !std) {
    throw new Error(`internal: ${name} is no dataset of images`);
  }
  return { name, classes, channels, height, width, mean, std, found };
}

function strings(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((each): each is string => typeof each === 'string');
}

function numbers(value: unknown): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((each): each is number => typeof each === 'number');
}

function floats(fields: Readonly<Record<string, FieldData>>, name: string): Float32Array {
  const data = fields[name];
  if (data instanceof Float32Array) return data;
  throw new Error(`internal: a batch without float32 ${name}`);
}

function ints(fields: Readonly<Record<string, FieldData>>, name: string): Int32Array {
  const data = fields[name];
  if (data instanceof Int32Array) return data;
  throw new Error(`internal: a batch without int32 ${name}`);
}
