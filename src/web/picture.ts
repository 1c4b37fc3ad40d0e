/** Pictures on canvases, resized to the model's size; in a page and in a worker. */
import { type Box, coverBox, placeDigit, type Size, toChannels } from './pixels.ts';

export type Canvas = HTMLCanvasElement | OffscreenCanvas;
export type Picture = Canvas | ImageBitmap;

/** The middle of a picture at the model's size, on black where it is transparent. */
export function fitted(picture: Picture, to: Size): Canvas {
  return drawn(picture, coverBox(picture, to), { x: 0, y: 0, ...to }, to);
}

/** A drawing of white ink on black, made like a digit of MNIST. An empty drawing stays black. */
export function fittedDigit(drawing: HTMLCanvasElement, to: Size): Canvas {
  const { data } = context(drawing).getImageData(0, 0, drawing.width, drawing.height);
  const placement = placeDigit(data, drawing);
  if (!placement) return canvas(to);
  const { x, y, width, height } = placement.to;
  const box = { x: x * to.width, y: y * to.height, width: width * to.width, height: height * to.height };
  return drawn(drawing, placement.from, box, to);
}

/** Draws a part of a picture into a box of a new canvas. */
function drawn(picture: Picture, from: Box, box: Box, size: Size): Canvas {
  // A browser that shrinks a picture a lot reads only a few of its pixels. Halving first takes the mean of all.
  if (from.width >= 2 * box.width && from.height >= 2 * box.height && from.width >= 4) {
    const half = { width: Math.ceil(from.width / 2), height: Math.ceil(from.height / 2) };
    return drawn(copied(picture, from, { x: 0, y: 0, ...half }, half), { x: 0, y: 0, ...half }, box, size);
  }
  return copied(picture, from, box, size);
}

function copied(picture: Picture, from: Box, to: Box, size: Size): Canvas {
  const result = canvas(size);
  const draw = context(result);
  draw.imageSmoothingQuality = 'high';
  draw.drawImage(picture, from.x, from.y, from.width, from.height, to.x, to.y, to.width, to.height);
  return result;
}

/** A black canvas. */
function canvas({ width, height }: Size): Canvas {
  const isPage = typeof document !== 'undefined';
  const result = isPage ? document.createElement('canvas') : new OffscreenCanvas(width, height);
  [result.width, result.height] = [width, height];
  const draw = context(result);
  draw.fillStyle = '#000';
  draw.fillRect(0, 0, width, height);
  return result;
}

/** The pixels of a whole canvas, uint8 [height, width, channels]. */
export function pixelsOf(of: Canvas, channels: number): Uint8Array {
  return toChannels(context(of).getImageData(0, 0, of.width, of.height).data, channels);
}

type Drawing = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export function context(of: HTMLCanvasElement): CanvasRenderingContext2D;
export function context(of: Canvas): Drawing;
export function context(of: Canvas): Drawing {
  const result =
    'style' in of
      ? of.getContext('2d', { willReadFrequently: true })
      : of.getContext('2d', { willReadFrequently: true });
  if (!result) throw new Error('This browser gives no 2D canvas');
  return result;
}
