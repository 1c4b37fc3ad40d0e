/** Multi-head self-attention (Vaswani et al., *Attention Is All You Need*, 2017). */
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { and, greaterOrEqual, matmul, range, reshape, softmax, transpose, where } from '../onnx/ops.ts';
import { sameShape, show, staticDim } from '../onnx/shapes.ts';
import type { Dim, Value } from '../onnx/value.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import type { Scope } from './scope.ts';

/** How a token looks at others. */
export interface AttentionOptions {
  readonly heads: number;
  /** bool [batch, tokens]: which tokens may be looked at; false for padding. */
  readonly mask?: Value | undefined;
  /** Whether a token sees itself and the tokens before it only; false by default. */
  readonly causal?: boolean;
  /** The rate of dropout on the attention weights, while training; 0 by default. */
  readonly dropout?: number;
}

/**
 * The score of a token that may not be looked at. It is finite, so that a row in which none may be gives the mean of
 * them all, and not 0/0.
 */
const MASKED = -1e30;

/**
 * softmax(QKᵀ/√size)·V in each of `heads` heads of width/heads columns, put together by a dense layer: x float32 [batch,
 * tokens, width], and so is the result. Its dense layers are `query`, `key`, `value` and `out`; dropout's mask is in
 * `drop`. An example all of whose tokens are masked gives finite numbers. Throws UserError where heads do not divide the
 * width, or x or the mask is of another shape or dtype.
 */
export function attention(scope: Scope, x: Value, options: AttentionOptions): Value {
  const { heads, mask, causal = false, dropout: rate = 0 } = options;
  const [batch = 0, tokens = 0, width] = x.shape;
  if (x.shape.length !== 3) {
    throw new UserError(`attention: expected x [batch, tokens, width], got ${show(x.shape)}`);
  }
  const columns = staticDim(width, 'attention: x', x.shape);
  expectNumber('attention: heads', heads, { min: 1, isInteger: true });
  if (columns % heads !== 0) {
    throw new UserError(`attention: expected a width that ${heads} heads divide, got ${columns}`);
  }
  const size = columns / heads;
  const apart: readonly Dim[] = [batch, tokens, heads, size];
  const project = (name: string): Value =>
    transpose(reshape(dense(scope.sub(name), x, columns), apart), [0, 2, 1, 3]);
  const [query, key, value] = [project('query'), project('key'), project('value')];
  const scores = matmul(query, key, { transB: true, alpha: 1 / Math.sqrt(size) });
  const visible = visibility(x, mask, causal);
  const weights = softmax(visible ? where(visible, scores, MASKED) : scores);
  const mixed = matmul(dropout(scope.sub('drop'), weights, rate), value);
  return dense(scope.sub('out'), reshape(transpose(mixed, [0, 2, 1, 3]), x.shape), columns);
}

/** Which token may look at which: bool, broadcasts to [batch, heads, from, to]; undefined where all may. */
function visibility(x: Value, mask: Value | undefined, causal: boolean): Value | undefined {
  const [batch = 0, tokens = 0] = x.shape;
  if (mask && (mask.dtype !== 'bool' || !sameShape(mask.shape, [batch, tokens]))) {
    const got = `${mask.dtype} ${show(mask.shape)}`;
    throw new UserError(`attention: expected a mask bool ${show([batch, tokens])}, got ${got}`);
  }
  const keys = mask && reshape(mask, [batch, 1, 1, tokens]);
  if (!causal) return keys;
  const order = range(staticDim(tokens, 'attention: x', x.shape));
  const before = greaterOrEqual(reshape(order, [...order.shape, 1]), order);
  return keys ? and(keys, before) : before;
}
