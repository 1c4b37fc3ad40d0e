/** From pixels to the model's input, and from logits to answers. Pure. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

/** The largest part of a picture, in its middle, that has the proportions of `to`. */
export function coverBox(from: Size, to: Size): Box {
  const scale = Math.min(from.width / to.width, from.height / to.height);
  const [width, height] = [to.width * scale, to.height * scale];
  return { x: (from.width - width) / 2, y: (from.height - height) / 2, width, height };
}

/** RGBA → uint8 [height, width, channels]; one channel is the luma of Rec. 601. */
export function toChannels(rgba: Uint8ClampedArray, channels: number): Uint8Array {
  const pixels = new Uint8Array((rgba.length / 4) * channels);
  for (let i = 0; i < rgba.length / 4; i++) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(4 * i, 4 * i + 3);
    if (channels === 1) pixels[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else pixels.set([red, green, blue], 3 * i);
  }
  return pixels;
}

/** How a drawn digit is put into a square: the box of its ink, and the place of that box in fractions of the side. */
export interface Placement {
  readonly from: Box;
  readonly to: Box;
}

/**
 * Places a digit as in MNIST: it is 20 of 28 pixels large, and the centre of mass of its ink is in the middle.
 * Undefined where there is no ink. `rgba` is white ink on black.
 */
export function placeDigit(rgba: Uint8ClampedArray, { width, height }: Size): Placement | undefined {
  let [left, top, right, bottom] = [width, height, -1, -1];
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = rgba[4 * (y * width + x)] ?? 0;
      if (ink === 0) continue;
      [left, top, right, bottom] = [
        Math.min(left, x),
        Math.min(top, y),
        Math.max(right, x),
        Math.max(bottom, y),
      ];
      mass += ink;
      sumX += ink * (x + 0.5);
      sumY += ink * (y + 0.5);
    }
  }
  if (mass === 0) return undefined;
  const from = { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
  const scale = 20 / 28 / Math.max(from.width, from.height);
  return {
    from,
    to: {
      x: 0.5 - scale * (sumX / mass - left),
      y: 0.5 - scale * (sumY / mass - top),
      width: scale * from.width,
      height: scale * from.height,
    },
  };
}

export interface Answer {
  readonly label: string;
  readonly probability: number;
}

/** The `count` most likely classes, the most likely first. */
export function bestAnswers(
  logits: ArrayLike<number>,
  classes: readonly string[],
  count: number,
): readonly Answer[] {
  const values = Array.from(logits);
  const highest = Math.max(...values);
  const weights = values.map((logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights
    .map((weight, i) => ({ label: classes[i] ?? String(i), probability: weight / total }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, count);
}
