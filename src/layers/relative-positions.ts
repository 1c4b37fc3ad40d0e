/** What a score of attention gets for how far one token of a grid is from another. */
import type { Pair } from '../autodiff/windows.ts';
import { pairOf } from '../autodiff/windows.ts';
import { expectNumber } from '../expect.ts';
import { constant, gather, reshape, transpose } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

/**
 * The bias of relative positions (Liu et al., *Swin Transformer*, 2021, equation 4) of `heads` heads over a grid of tokens
 * [rows, columns], row by row: float32 [heads, tokens, tokens], for `bias` of `attention`. Its parameter is `positions`
 * [(2·rows − 1)·(2·columns − 1), heads], from normal numbers of standard deviation 0.02: a row for each offset, from the
 * one furthest up and left on. Throws UserError where a size is no integer from 1 on.
 */
export function relativePositions(scope: Scope, grid: number | Pair, heads: number): Value {
  const [rows, columns] = pairOf('relativePositions: grid', grid, 1);
  expectNumber('relativePositions: heads', heads, { min: 1, isInteger: true });
  const offsets = (2 * rows - 1) * (2 * columns - 1);
  const table = scope.param('positions', [offsets, heads], { kind: 'normal', std: 0.02 });
  const area = rows * columns;
  const places = Int32Array.from({ length: area * area }, (_, i) => {
    const [from, to] = [Math.floor(i / area), i % area];
    const down = Math.floor(from / columns) - Math.floor(to / columns) + rows - 1;
    return down * (2 * columns - 1) + (from % columns) - (to % columns) + columns - 1;
  });
  const biases = gather(table, constant(places, [area * area]));
  return reshape(transpose(biases), [heads, area, area]);
}
