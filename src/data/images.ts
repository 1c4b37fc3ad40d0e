/** Datasets of labelled images: pixels in bytes become the fields `images` and `labels`. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import { type AugmentationStep, mixesLabels } from '../tasks/augmentation.ts';
import type { Fields } from '../tasks/task.ts';
import {
  type ImageShape,
  IN_PLACE,
  type Normalization,
  normalizationTable,
  writeNormalized,
} from './augment.ts';
import { augmenter, type RegionOf } from './augmentation/augmenter.ts';
import type { Batch, FieldData } from './batch.ts';
import type { Dataset, DatasetInfo, DatasetSource, Split } from './dataset.ts';
import { type DatasetName, isDatasetName, stepsFor } from './names.ts';

/** Labelled images as bytes, read one at a time. */
export interface ImageSplit {
  readonly length: number;
  /** int32 [length], each in [0, classes). */
  readonly labels: Int32Array;
  /**
   * The pixels of image `index`: uint8 [channels, height, width] in 0 … 255, from `offset` of `data` on. A source with
   * `readsRegions` brings the part of the picture that `region` names to that size.
   */
  pixels(index: number, region?: RegionOf): PixelsAt | Promise<PixelsAt>;
  readonly readsRegions?: true;
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

/**
 * `images` float32 [channels, height, width], normalised, and `labels` int32 []; with a number of classes `labels` float32
 * [classes], a distribution over them, since images that are mixed have several.
 */
export function imageFields({ channels, height, width }: ImageShape, classes?: number): Fields {
  return {
    images: { dtype: 'float32', shape: [channels, height, width] },
    labels: classes === undefined ? { dtype: 'int32', shape: [] } : { dtype: 'float32', shape: [classes] },
  };
}

/** What a dataset of fields says of its images. */
export function describeImages(info: ImageInfo, fields = imageFields(info)): DatasetInfo {
  const { name, classes, mean, std, found } = info;
  return { name, fields, found, about: { classes, mean, std }, bytes: 0 };
}

/**
 * The images as a dataset of fields. `bytes` is what they hold in memory. Labels are numbers or distributions, as the
 * task reads them. Throws UserError for an augmentation that does not fit the images, or the labels that the task reads.
 */
export function imageDataset(
  given: ImageDataset,
  {
    augmentation = 'auto',
    fields: read,
    normalization,
  }: Pick<DatasetSource, 'augmentation' | 'fields' | 'normalization'>,
  bytes: number,
): Dataset {
  const images = normalization ? normalizedBy(given, normalization) : given;
  const { train, test, validation, name, classes } = images;
  const steps = stepsFor(augmentation, name);
  const isSoft = read?.labels?.dtype === 'float32';
  if (mixesLabels(steps) && !isSoft) {
    throw new UserError(
      `${name}: augmentation: mixup and cutmix give distributions over the classes: expected a graph that reads labels as float32 [${classes.length}], got int32 []; leave them out`,
    );
  }
  const part = (split: ImageSplit): Split => imageSplit(split, images, steps);
  return {
    ...describeImages(images, imageFields(images, isSoft ? classes.length : undefined)),
    bytes,
    train: part(train),
    test: part(test),
    ...(validation && { validation: part(validation) }),
  };
}

/** The images, normalised as a model expects. Throws UserError where the numbers are not one for each channel. */
function normalizedBy(images: ImageDataset, { mean, std }: Normalization): ImageDataset {
  for (const [name, { length }] of Object.entries({ mean, std })) {
    if (length === images.channels) continue;
    throw new UserError(
      `${images.name}: ${name}: expected a number for each of the ${images.channels} channels, got ${length}`,
    );
  }
  return { ...images, mean, std };
}

/**
 * Images as examples: normalised, and where there is a draw augmented, straight into the arrays of the batch. Where that
 * of the labels is float32, a label is a row of 0 and a 1. Throws UserError for steps that do not fit the images.
 */
export function imageSplit(
  images: ImageSplit,
  info: ImageShape & Pick<ImageInfo, 'mean' | 'std' | 'name' | 'classes'>,
  steps: readonly AugmentationStep[],
): Split {
  const size = info.channels * info.height * info.width;
  const table = normalizationTable(info);
  const { placement, draw: drawn, mix } = augmenter(steps, info, table, info.name);
  return {
    length: images.length,
    strata: images.labels,
    read(index, out, at, draw) {
      const pictures = floats(out, 'images');
      writeLabel(out, at, images.labels[index] ?? 0, info.classes.length);
      const image = draw && !placement ? drawn(draw, images.readsRegions ?? false) : undefined;
      const place = draw && placement && steps.length > 0 ? placement(draw) : IN_PLACE;
      const write = ({ data, offset }: PixelsAt): void =>
        image
          ? image.write(data, offset, pictures, at * size)
          : writeNormalized(data, offset, info, table, place, pictures, at * size);
      const pixels = images.pixels(index, image?.region);
      return pixels instanceof Promise ? pixels.then(write) : write(pixels);
    },
    ...(mix && {
      mix: (out, examples, draw) =>
        mix({ images: floats(out, 'images'), labels: floats(out, 'labels'), examples }, draw),
    }),
    ...(images.verify && { verify: () => images.verify?.() ?? Promise.resolve() }),
  };
}

function writeLabel(
  { labels }: Readonly<Record<string, FieldData>>,
  at: number,
  label: number,
  classes: number,
): void {
  if (labels instanceof Int32Array) {
    labels[at] = label;
    return;
  }
  if (!(labels instanceof Float32Array)) throw new Error('internal: a batch without labels');
  labels.fill(0, at * classes, (at + 1) * classes);
  labels[at * classes + label] = 1;
}

/** A batch of images and labels; of a distribution the class of the largest share. */
export function imagesOf({ fields, examples }: Pick<Batch, 'fields' | 'examples'>): {
  images: Float32Array;
  labels: Int32Array;
} {
  return { images: floats(fields, 'images'), labels: classesOf(fields.labels, examples) };
}

function classesOf(labels: FieldData | undefined, examples: number): Int32Array {
  if (labels instanceof Int32Array) return labels;
  if (!(labels instanceof Float32Array)) throw new Error('internal: a batch without labels');
  const classes = labels.length / examples;
  return Int32Array.from({ length: examples }, (_, i) => {
    const row = labels.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
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
