/** What is erased of a normalised image: it becomes 0, the mean of each channel. Pure: also for browsers. */
import type { ErasingStep } from '../../tasks/augmentation.ts';
import type { ImageShape } from '../augment.ts';
import { drawRectangle, type Region } from './crop.ts';
import type { Draws } from './policies.ts';

/**
 * What a step erases of one image. Cutout (DeVries & Taylor, *Improved Regularization of Convolutional Neural Networks with
 * Cutout*, 2017): a square around any pixel, cut off at the border. Random erasing (Zhong et al., *Random Erasing Data
 * Augmentation*, AAAI 2020): with chance `p` a rectangle within the image.
 */
export function drawErased(step: ErasingStep, shape: ImageShape, draws: Draws): Region | undefined {
  if (step.step === 'cutout') {
    const [y, x] = [draws.integer(shape.height), draws.integer(shape.width)];
    return boxAround(y, x, step.size, step.size, shape);
  }
  return draws.uniform() < step.p ? drawRectangle(shape, step, draws) : undefined;
}

/** From ⌊size/2⌋ before the centre to as much behind it, within the image. */
export function boxAround(
  y: number,
  x: number,
  tall: number,
  wide: number,
  { height, width }: ImageShape,
): Region {
  const [up, aside] = [Math.floor(tall / 2), Math.floor(wide / 2)];
  const [top, left] = [Math.max(0, y - up), Math.max(0, x - aside)];
  return {
    ...{ top, left },
    height: Math.min(height, y + up) - top,
    width: Math.min(width, x + aside) - left,
  };
}

/** Erases a part of the image that begins at `offset`. */
export function erase(
  images: Float32Array,
  offset: number,
  { channels, height, width }: ImageShape,
  region: Region,
): void {
  for (let c = 0; c < channels; c++) {
    for (let y = region.top; y < region.top + region.height; y++) {
      const start = offset + (c * height + y) * width + region.left;
      images.fill(0, start, start + region.width);
    }
  }
}
