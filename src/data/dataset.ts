/** What every dataset offers, wherever it comes from: fields for the numbers of examples. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import type { Augmentation } from '../tasks/augmentation.ts';
import type { Fields } from '../tasks/task.ts';
import type { Normalization } from './augment.ts';
import type { FieldData } from './batch.ts';

/** `validation` examples judge a run while it trains, so that the test examples stay unseen until its end. */
export const SPLITS = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof SPLITS)[number];

/** All that decides the draws of an example that is read for training: where it is cropped, say. Integers ≥ 0. */
export interface Draw {
  readonly seed: number;
  readonly epoch: number;
  /** The number of the example among those in use, which are fewer where some are held out. */
  readonly index: number;
  /** The number of its batch in the epoch: for draws that all examples of a batch share. */
  readonly step: number;
}

/** An example whose file is broken, which a run may skip. Its message names the file. */
export class BrokenExample extends UserError {}

/** Examples that are read one at a time. */
export interface Split {
  readonly length: number;
  /** int32 [length]: which group an example is of, its class say. Where examples are drawn, each group gives its share. */
  readonly strata?: Int32Array;
  /**
   * Writes example `index` into the arrays `out`, one for each field of the dataset: as example number `at` of a batch.
   * Without `draw` it is the same each time. Throws BrokenExample where its file is broken.
   */
  read(
    index: number,
    out: Readonly<Record<string, FieldData>>,
    at: number,
    draw?: Draw,
  ): void | Promise<void>;
  /** Changes the arrays of a whole batch once all `examples` are read: mixes images in pairs, say. */
  mix?(out: Readonly<Record<string, FieldData>>, examples: number, draw: Omit<Draw, 'index'>): void;
  /** Checks what opening does not (every file of a folder). Throws a UserError for the first that is wrong. */
  verify?(): Promise<void>;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What is known of a dataset without its examples; it can be posted between threads. */
export interface DatasetInfo {
  readonly name: string;
  /** The fields of an example. */
  readonly fields: Fields;
  /** One sentence for the user: how many examples were found, in which files. */
  readonly found: string;
  /** What is needed to use a model that was trained on it: class names, means and deviations, columns, a vocabulary. */
  readonly about: Readonly<Record<string, Json>>;
  /** Bytes that it holds in memory while it is open. */
  readonly bytes: number;
}

/** An open dataset: its description, and its splits. */
export interface Dataset extends DatasetInfo {
  readonly train: Split;
  readonly test: Split;
  /** Held out of the training examples, or the dataset's own. */
  readonly validation?: Split;
}

/** Which training examples to hold out for validation: a share in (0, 1), or a number of them. */
export type HoldOut = ({ readonly fraction: number } | { readonly examples: number }) & {
  /** Decides which examples are drawn. */
  readonly seed: number;
};

/**
 * Where a dataset lies, and what the task that is trained expects of it. It is plain data, so that a worker thread can
 * open the dataset itself.
 */
export interface DatasetSource {
  /** One of `DATASETS`, or the path of a module of one's own that exports `open`: `./my-data.js`. */
  readonly dataset: string;
  /** Folder or file of the data; some datasets have a default, a package. */
  readonly dir?: string | undefined;
  /** The fields that the task reads. The dataset must give them; it may give more. */
  readonly fields?: Fields | undefined;
  /** How many classes the task tells apart. */
  readonly classes?: number | undefined;
  /** How many tokens the task knows, where it reads texts: those of the dataset must be among them. */
  readonly vocabulary?: number | undefined;
  /** How large 1 of the target is in the data, where the task tells errors in the unit of the data. */
  readonly scale?: number | undefined;
  /** Share of the training examples to use, in (0, 1]: the same examples in every run, stratified. */
  readonly trainFraction?: number | undefined;
  /** Which of the training examples in use are held out for validation. */
  readonly holdOut?: HoldOut | undefined;
  /** What training images go through; `auto`, the default, is what suits the dataset. */
  readonly augmentation?: Augmentation | undefined;
  /** What a broken example does: it ends the run, or it is skipped and counted. `fail` by default. */
  readonly onBroken?: 'fail' | 'skip' | undefined;
  /** What a model expects of images instead of what the dataset says: per channel, for pixels on the scale 0 to 1. */
  readonly normalization?: Normalization | undefined;
  /** What only this dataset understands: the columns of a table, the tokens of a text. */
  readonly options?: Readonly<Record<string, Json>> | undefined;
}

/** What the module of a dataset exports, as `open` or as its default. */
export type OpenDataset = (source: DatasetSource) => Dataset | Promise<Dataset>;
