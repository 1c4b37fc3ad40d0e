/**
 * A list of steps, ready to be applied. Each image's draws come from (seed, epoch, index) in the order of the list, and
 * those of a whole batch from (seed, epoch, step): they depend on nothing else. Pure: also for browsers.
 */
import { UserError } from '../../errors.ts';
import { Random } from '../../random.ts';
import { type AugmentationStep, type ByteStep, byStage, type ErasingStep } from '../../tasks/augmentation.ts';
import {
  drawPlacement,
  type ImageShape,
  IN_PLACE,
  type Placement,
  type Shift,
  writeNormalized,
} from '../augment.ts';
import type { Draw } from '../dataset.ts';
import { drawRegion, placed, type Region } from './crop.ts';
import { drawErased, erase } from './erase.ts';
import { type MixedBatch, mixBatch } from './mix.ts';
import { OPERATIONS } from './operations.ts';
import { type DrawnOperation, drawAutoAugment, drawRandAugment } from './policies.ts';
import { resizedPart } from './resize.ts';

/** The part of a picture that is read, where the list begins with a random crop of it. */
export type RegionOf = (size: Pick<ImageShape, 'width' | 'height'>) => Region;

/** The draws for one image. Its parts must be asked for in this order. */
export interface DrawnImage {
  /** Which part of a picture of any size is to be read; undefined where all of it is. */
  readonly region: RegionOf | undefined;
  /** Writes uint8 pixels, from `offset` on, as normalised numbers to `out`, from `outOffset` on. */
  write(pixels: Uint8Array, offset: number, out: Float32Array, outOffset: number): void;
}

export interface Augmenter {
  /** Where a list only shifts and mirrors, its draw, which is all of it: most lists do, and a million images pass here. */
  readonly placement: ((draw: Draw) => Placement) | undefined;
  /** `readsRegions`: whether the source of the pictures can read a part of one; otherwise it is cut out afterwards. */
  draw(draw: Draw, readsRegions: boolean): DrawnImage;
  /** Mixes a whole batch in place; undefined where no step does. */
  readonly mix: ((batch: MixedBatch, draw: Pick<Draw, 'seed' | 'epoch' | 'step'>) => void) | undefined;
}

/**
 * Checks that a list's steps fit the images: AutoAugment takes three channels, and no crop is larger than the image. `what`
 * names the dataset. Throws UserError. `table` normalises bytes (`normalizationTable`).
 */
export function augmenter(
  steps: readonly AugmentationStep[],
  shape: ImageShape,
  table: Float32Array,
  what: string,
): Augmenter {
  for (const step of steps) expectFits(step, shape, `${what}: augmentation: ${step.step}`);
  const { bytes, erasing, mixing } = byStage(steps);
  // What shifts and mirrors last is done while the numbers are written: without a copy of the bytes.
  const tail = tailOf(bytes);
  const head = bytes.slice(0, bytes.length - tail.length);
  const room = head.length > 0 ? new Bytes(shape) : undefined;
  const shift = shiftOf(tail);
  return {
    placement:
      head.length + erasing.length > 0
        ? undefined
        : ({ seed, epoch, index }) => drawPlacement(shift, new Random(seed, 'augment', epoch, index)),
    draw({ seed, epoch, index, step }, readsRegions) {
      const random = new Random(seed, 'augment', epoch, index);
      const [first] = head;
      const isRead = readsRegions && first?.step === 'random-resized-crop';
      return {
        region: isRead ? (of) => drawRegion(of, first, random) : undefined,
        write(pixels, offset, out, outOffset) {
          let source = { pixels, offset };
          if (room) {
            room.load(pixels, offset);
            for (const each of isRead ? head.slice(1) : head) room.apply(each, random);
            source = { pixels: room.now, offset: 0 };
          }
          const placement = tail.length > 0 ? drawPlacement(shift, random) : IN_PLACE;
          writeNormalized(source.pixels, source.offset, shape, table, placement, out, outOffset);
          // Its draws are the same for every image of a batch.
          const ofBatch = erasing.some(isPerBatch) ? new Random(seed, 'erase', epoch, step) : random;
          for (const each of erasing) {
            const region = drawErased(each, shape, isPerBatch(each) ? ofBatch : random);
            if (region) erase(out, outOffset, shape, region);
          }
        },
      };
    },
    mix:
      mixing.length === 0
        ? undefined
        : (batch, { seed, epoch, step }) => {
            const random = new Random(seed, 'mix', epoch, step);
            for (const each of mixing) mixBatch(each, batch, shape, random);
          },
  };
}

function isPerBatch(step: ErasingStep): boolean {
  return step.step === 'cutout' && step.per === 'batch';
}

/** A constant crop and a flip at the end of the list, in this order, each at most once. */
function tailOf(steps: readonly ByteStep[]): readonly ByteStep[] {
  const flips = steps.at(-1)?.step === 'flip' ? 1 : 0;
  const crop = steps.at(-1 - flips);
  const crops = crop?.step === 'pad-crop' && crop.mode === 'constant' ? 1 : 0;
  return steps.slice(steps.length - flips - crops);
}

function shiftOf(tail: readonly ByteStep[]): Shift {
  const crop = tail.find((step) => step.step === 'pad-crop');
  return { pad: crop?.pad ?? 0, flip: tail.some(({ step }) => step === 'flip') };
}

/** An image's bytes, and room for what a step makes of them. */
class Bytes {
  now: Uint8Array;
  #next: Uint8Array;
  readonly #shape: ImageShape;

  constructor(shape: ImageShape) {
    const size = shape.channels * shape.height * shape.width;
    this.#shape = shape;
    this.now = new Uint8Array(size);
    this.#next = new Uint8Array(size);
  }

  load(pixels: Uint8Array, offset: number): void {
    this.now.set(pixels.subarray(offset, offset + this.now.length));
  }

  apply(step: ByteStep, random: Random): void {
    const shape = this.#shape;
    switch (step.step) {
      case 'pad-crop':
        this.#place(drawPlacement({ pad: step.pad, flip: false }, random), step.mode);
        break;
      case 'flip':
        this.#place(drawPlacement({ pad: 0, flip: true }, random), 'constant');
        break;
      case 'random-resized-crop':
        resizedPart(this.now, shape, drawRegion(shape, step, random), this.#next, shape);
        this.#swap();
        break;
      case 'auto-augment':
        this.#operate(drawAutoAugment(step.policy, shape, random));
        break;
      case 'rand-augment':
        this.#operate(drawRandAugment(step, shape, random));
        break;
    }
  }

  #place(placement: Placement, mode: 'constant' | 'reflect'): void {
    if (placement.top === 0 && placement.left === 0 && !placement.flip) return;
    placed(this.now, this.#next, this.#shape, placement, mode);
    this.#swap();
  }

  #operate(operations: readonly DrawnOperation[]): void {
    for (const { name, magnitude } of operations) {
      OPERATIONS[name](this.now, this.#next, this.#shape, magnitude);
      this.#swap();
    }
  }

  #swap(): void {
    const { now } = this;
    this.now = this.#next;
    this.#next = now;
  }
}

/** Taken for images of any size, however small. */
const USUAL_PAD = 4;

function expectFits(step: AugmentationStep, { channels, height, width }: ImageShape, where: string): void {
  const side = Math.min(height, width);
  const images = `images of ${height}×${width}`;
  switch (step.step) {
    case 'auto-augment':
    case 'rand-augment':
      if (channels === 3) return;
      throw new UserError(`${where}: expected RGB images of 3 channels, got ${channels}; leave the step out`);
    case 'pad-crop': {
      const most = step.mode === 'reflect' ? side - 1 : Math.max(side, USUAL_PAD);
      if (step.pad <= most) return;
      throw new UserError(`${where}: pad: expected at most ${most} for ${images}, got ${step.pad}`);
    }
    case 'cutout':
      if (step.size <= 2 * side) return;
      throw new UserError(
        `${where}: size: expected at most ${2 * side} for ${images}, since it would erase all of any, got ${step.size}`,
      );
  }
}
