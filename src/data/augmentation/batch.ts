/** A batch of a user's own loop through a list of steps, as the loader does it. Pure: also for browsers. */
import { show, UserError } from '../../errors.ts';
import { expectNumber } from '../../expect.ts';
import { type Augmentation, mixesLabels, parseAugmentation, stepsOf } from '../../tasks/augmentation.ts';
import { type ImageShape, normalizationTable } from '../augment.ts';
import { augmenter } from './augmenter.ts';

/** Images in bytes, and which class each shows. */
export interface ByteImages extends ImageShape {
  /** uint8 [images, channels, height, width]. */
  readonly pixels: Uint8Array;
  /** int32 [images], each in [0, classes). */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Of each channel, on the scale 0 … 1: 0 and 1 by default. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}

/** What the draws depend on, beside a list's own order: whole numbers from 0. */
export interface BatchDraw {
  readonly seed?: number;
  readonly epoch?: number;
  /** The number of the batch in its epoch. */
  readonly step?: number;
  /** Which images of the dataset these are; 0, 1, … by default. */
  readonly indices?: ArrayLike<number>;
}

/**
 * Images in bytes → float32 [images, channels, height, width], normalised, and their labels: int32 [images], or where the
 * list has mixup or cutmix distributions float32 [images, classes]. The same draw gives the same bits. `augmentation` is
 * what `--augment` takes, but for `auto` and files. Throws UserError for a list that is none or does not fit the images.
 */
export function augmentedBatch(
  images: ByteImages,
  augmentation: string | Augmentation,
  { seed = 0, epoch = 0, step = 0, indices }: BatchDraw = {},
): { readonly images: Float32Array; readonly labels: Int32Array | Float32Array } {
  const parsed = parseAugmentation(augmentation, 'augmentedBatch');
  if (parsed === 'auto') {
    throw new UserError('augmentedBatch: auto: expected a list of steps, since there is no dataset to suit');
  }
  for (const [name, value] of Object.entries({ seed, epoch, step })) {
    expectNumber(`augmentedBatch: ${name}`, value, { min: 0, isInteger: true });
  }
  const { pixels, labels, classes } = expectImages(images);
  const size = images.channels * images.height * images.width;
  const { mean = Array(images.channels).fill(0), std = Array(images.channels).fill(1) } = images;
  const steps = stepsOf(parsed);
  const { draw, mix } = augmenter(steps, images, normalizationTable({ mean, std }), 'augmentedBatch');
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < labels.length; i++) {
    const index = indices?.[i] ?? i;
    draw({ seed, epoch, step, index }, false).write(pixels, i * size, out, i * size);
  }
  if (!mixesLabels(steps)) return { images: out, labels: labels.slice() };
  const shares = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => {
    shares[i * classes + label] = 1;
  });
  mix?.({ images: out, labels: shares, examples: labels.length }, { seed, epoch, step });
  return { images: out, labels: shares };
}

function expectImages(images: ByteImages): ByteImages {
  const { pixels, labels, classes, channels, height, width } = images;
  for (const [name, value] of Object.entries({ classes, channels, height, width })) {
    expectNumber(`augmentedBatch: ${name}`, value, { min: 1, isInteger: true });
  }
  if (!(labels instanceof Int32Array)) {
    throw new UserError(`augmentedBatch: labels: expected an Int32Array, got ${show(labels)}`);
  }
  const wanted = labels.length * channels * height * width;
  if (!(pixels instanceof Uint8Array) || pixels.length !== wanted) {
    throw new UserError(
      `augmentedBatch: pixels: expected a Uint8Array of ${wanted}, [${[labels.length, channels, height, width].join(', ')}], got ${pixels instanceof Uint8Array ? pixels.length : show(pixels)}`,
    );
  }
  const wrong = labels.findIndex((label) => !(label >= 0 && label < classes));
  if (wrong < 0) return images;
  throw new UserError(
    `augmentedBatch: label ${wrong} is ${labels[wrong]}, expected an integer from 0 to ${classes - 1}`,
  );
}
