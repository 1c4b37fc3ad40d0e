/** Images cut into patches, which are the tokens of a vision transformer. */

import type { Pair } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { reshape, transpose } from '../onnx/ops.ts';
import { product, show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

/** Of how many rows and columns of patches an image is. Throws UserError, with the model's name, where none fit. */
export function patchGrid(model: string, images: Value, patch: number): Pair {
  const [, , height, width] = images.shape;
  const rows = staticDim(height, model, images.shape) / patch;
  const columns = staticDim(width, model, images.shape) / patch;
  if (Number.isInteger(rows) && Number.isInteger(columns)) return [rows, columns];
  throw new UserError(
    `${model}: expected an image size that patch ${patch} divides, got ${show(images.shape.slice(2))}`,
  );
}

/**
 * Images [batch, channels, height, width] → [batch, tokens, channels·patch·patch]: patches row by row, each in (channel,
 * row, column) order, as PyTorch's patch embedding has them. Throws UserError as `patchGrid` does.
 */
export function imagePatches(model: string, images: Value, patch: number): Value {
  const [batch = 0, channels = 0] = images.shape;
  const [rows, columns] = patchGrid(model, images, patch);
  const grid = transpose(reshape(images, [batch, channels, rows, patch, columns, patch]), [0, 2, 4, 1, 3, 5]);
  return reshape(grid, [batch, rows * columns, product([channels, patch, patch])]);
}
