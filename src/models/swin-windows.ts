/**
 * The windows of Swin (Liu et al. 2021, section 3.2) as tables, made once for a stage. Tokens are kept in the order of the
 * windows that they are in, window after window: all that is not attention works token by token and does not care. From
 * one block to the next only one Gather changes the order; there is no roll, no partition and no way back.
 */
import { type Permutation, permutation } from '../autodiff/permutation.ts';
import type { Pair } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { constant } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';

/** What is added to the score of a token that a shifted window has from elsewhere: as in the authors' code. */
const ELSEWHERE = -100;

/** A grid of tokens cut into windows, which are moved by `shift` tokens and go on at the other side of the grid. */
export interface GridWindows {
  readonly grid: Pair;
  readonly window: Pair;
  readonly shift: Pair;
}

/** The windows' number, and the tokens of one. */
export function windowCounts({ grid, window }: GridWindows): Pair {
  const area = window[0] * window[1];
  return [(grid[0] * grid[1]) / area, area];
}

/** For each token, in the order of the windows, its row and column in the grid that is not yet moved back. */
function places({ grid, window }: GridWindows): Pair[] {
  const found: Pair[] = [];
  for (let top = 0; top < grid[0]; top += window[0]) {
    for (let left = 0; left < grid[1]; left += window[1]) {
      for (let row = top; row < top + window[0]; row++) {
        for (let column = left; column < left + window[1]; column++) found.push([row, column]);
      }
    }
  }
  return found;
}

/** For each token, in the order of the windows, its place in the grid, row by row. */
function windowOrder(windows: GridWindows): number[] {
  const { grid, shift } = windows;
  return places(windows).map(
    ([row, column]) => ((row + shift[0]) % grid[0]) * grid[1] + ((column + shift[1]) % grid[1]),
  );
}

/** The Gather from tokens in one order to another, both given as places in the grid. */
export function reorder(from: readonly number[], to: readonly number[]): Permutation {
  const at = new Map(from.map((place, i) => [place, i]));
  return permutation(to.map((place) => at.get(place) ?? 0));
}

/**
 * The places of a grid, four by four: each four become one token of a grid of half the rows and columns, in the order
 * `next`. The upper left comes first, then the one below it, as in the authors' code.
 */
export function mergeOrder([, columns]: Pair, next: readonly number[]): number[] {
  return next.flatMap((place) => {
    const half = columns / 2;
    const upper = 2 * Math.floor(place / half) * columns + 2 * (place % half);
    return [upper, upper + columns, upper + 1, upper + columns + 1];
  });
}

/**
 * float32 [windows, 1, area, area]: what is added to the scores, so that tokens that lie next to each other only because
 * the grid goes on at the other side do not see each other. Undefined where nothing is moved.
 */
export function shiftMask(windows: GridWindows): Value | undefined {
  const { grid, window, shift } = windows;
  if (shift[0] === 0 && shift[1] === 0) return undefined;
  const [count, area] = windowCounts(windows);
  // The last windows of an axis have tokens of two sides: those from before the seam, and those from behind it.
  const side = (at: 0 | 1, place: number): number =>
    shift[at] > 0 && place >= grid[at] - shift[at] ? 2 : place >= grid[at] - window[at] ? 1 : 0;
  const sides = places(windows).map(([row, column]) => 3 * side(0, row) + side(1, column));
  const mask = Float32Array.from({ length: count * area * area }, (_, i) => {
    const first = Math.floor(i / (area * area)) * area;
    const [from, to] = [first + (Math.floor(i / area) % area), first + (i % area)];
    return sides[from] === sides[to] ? 0 : ELSEWHERE;
  });
  return constant(mask, [count, 1, area, area]);
}

/** The windows of a stage at rest and moved, which are the same where a window is the grid, and the order of tokens in both. */
export interface StageWindows {
  readonly windows: readonly [atRest: GridWindows, moved: GridWindows];
  readonly orders: readonly [atRest: readonly number[], moved: readonly number[]];
}

/**
 * The windows of stages, of which each has half of the rows and columns of the one before. As in timm, a window is no
 * larger than the grid. Throws UserError, with the model's name, the stage and its grid, where that cannot be halved or
 * the window does not divide it.
 */
export function stageWindows(model: string, first: Pair, window: number, stages: number): StageWindows[] {
  let grid = first;
  return Array.from({ length: stages }, (_, stage) => {
    if (stage > 0) grid = halved(`${model}: stage ${stage}`, grid);
    const side: Pair = [Math.min(window, grid[0]), Math.min(window, grid[1])];
    if (grid[0] % side[0] !== 0 || grid[1] % side[1] !== 0) {
      throw new UserError(
        `${model}: stage ${stage}: expected a window that divides its grid of ${grid.join(' × ')} tokens, got ${window}; take another window, patch or image size`,
      );
    }
    const half = (at: 0 | 1): number => (side[at] < grid[at] ? Math.floor(side[at] / 2) : 0);
    const atRest: GridWindows = { grid, window: side, shift: [0, 0] };
    const moved: GridWindows = { grid, window: side, shift: [half(0), half(1)] };
    return { windows: [atRest, moved], orders: [windowOrder(atRest), windowOrder(moved)] };
  });
}

function halved(stage: string, grid: Pair): Pair {
  if (grid.every((side) => side % 2 === 0)) return [grid[0] / 2, grid[1] / 2];
  throw new UserError(
    `${stage}: expected an even grid of tokens to merge four to one, got ${grid.join(' × ')}; take fewer stages (blocks and heads), a smaller patch or another image size`,
  );
}
