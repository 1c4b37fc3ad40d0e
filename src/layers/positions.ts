/** Where a token stands in its sequence. */
import { UserError } from '../errors.ts';
import { expectOneOf } from '../expect.ts';
import { add, constant, pad, reshape } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

const KINDS = ['learned', 'sinusoidal'] as const;

/** Which positions, and what is in front of them. */
export interface PositionsOptions {
  /**
   * `learned` (the default): a parameter `positions` [tokens, width], from normal numbers of standard deviation 0.02.
   * `sinusoidal`: fixed, sines and cosines of falling frequency (Vaswani et al. 2017, section 3.5).
   */
  readonly kind?: (typeof KINDS)[number];
  /** Whether a learned token, the parameter `cls` [width], is put in front of the others; false by default. */
  readonly classToken?: boolean;
}

/**
 * Tokens with their positions added: float32 [batch, tokens, width], and so is the result, with one token more in front
 * where a class token is asked for. Throws UserError where x is of another rank, or its tokens or width are not static.
 */
export function positions(
  scope: Scope,
  x: Value,
  { kind = 'learned', classToken = false }: PositionsOptions = {},
): Value {
  expectOneOf('positions: kind', kind, KINDS);
  if (x.shape.length !== 3) {
    throw new UserError(`positions: expected x [batch, tokens, width], got ${show(x.shape)}`);
  }
  const tokens = staticDim(x.shape[1], 'positions: x', x.shape);
  const width = staticDim(x.shape[2], 'positions: x', x.shape);
  const table = (length: number): Value =>
    kind === 'learned'
      ? scope.param('positions', [length, width], { kind: 'normal', std: 0.02 })
      : constant(sinusoids(length, width), [length, width]);
  if (!classToken) return add(x, table(tokens));
  // The class token and the positions are first added to one table.
  const token = classRow(scope, tokens, width);
  return add(pad(x, 1, 1, 0), add(table(tokens + 1), token));
}

/**
 * Tokens with a learned one, the parameter `cls` [width], in front of them: float32 [batch, tokens, width] → [batch, 1 +
 * tokens, width]. Throws UserError where x is of another rank, or its tokens or width are not static.
 */
export function withClassToken(scope: Scope, x: Value): Value {
  if (x.shape.length !== 3) {
    throw new UserError(`withClassToken: expected x [batch, tokens, width], got ${show(x.shape)}`);
  }
  const [tokens, width] = [1, 2].map((axis) => staticDim(x.shape[axis], 'withClassToken: x', x.shape));
  return add(pad(x, 1, 1, 0), classRow(scope, tokens ?? 0, width ?? 0));
}

/** The class token, and zeros for the tokens behind it, to be added to a zero row and them: this needs no batch size. */
function classRow(scope: Scope, tokens: number, width: number): Value {
  return pad(reshape(scope.param('cls', [width], { kind: 'zeros' }), [1, width]), 0, 0, tokens);
}

/** Vaswani et al. 2017: column 2i of row p is sin(p/10000^(2i/width)), column 2i + 1 the cosine of the same. */
function sinusoids(tokens: number, width: number): Float32Array {
  return Float32Array.from({ length: tokens * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const angle = row / 10000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
