/** Multi-head self-attention (Vaswani et al., *Attention Is All You Need*, 2017). */
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { add, and, greaterOrEqual, matmul, range, reshape, softmax, transpose, where } from '../onnx/ops.ts';
import { product, sameShape, show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import type { Scope } from './scope.ts';

/** How a token looks at others. */
export interface AttentionOptions {
  readonly heads: number;
  /** bool [..., tokens]: which tokens may be looked at; false for padding. */
  readonly mask?: Value | undefined;
  /** Whether a token sees itself and the tokens before it only; false by default. */
  readonly causal?: boolean;
  /** The rate of dropout on the attention weights, while training; 0 by default. */
  readonly dropout?: number;
  /** float32, broadcasts to the scores [..., heads, from, to] and is added to them: what positions make of a score. */
  readonly bias?: Value | undefined;
  /**
   * Whether heads are mixed (Shazeer et al., *Talking-Heads Attention*, 2020): a dense layer over the heads of each score,
   * `scores`, and one over those of each weight, `weights`. False by default.
   */
  readonly talkingHeads?: boolean;
  /** float32 [..., from, width]: the tokens that look at those of x; by default x itself. */
  readonly queries?: Value | undefined;
}

/**
 * The score of a token that may not be looked at. It is finite, so that a row in which none may be gives the mean of
 * them all, and not 0/0.
 */
const MASKED = -1e30;

/**
 * softmax(QKᵀ/√size + bias)·V in each of `heads` heads of width/heads columns, put together by a dense layer: x float32
 * [..., tokens, width] with one leading axis or more, and the result is as the queries are. Its dense layers are `query`,
 * `key`, `value` and `out`; dropout's mask is in `drop`. An example all of whose tokens are masked gives finite numbers.
 * Throws UserError where heads do not divide the width, or x, the queries, the mask or the bias are of another shape or
 * dtype.
 */
export function attention(scope: Scope, x: Value, options: AttentionOptions): Value {
  const { heads, mask, causal = false, dropout: rate = 0, bias, talkingHeads = false, queries = x } = options;
  const rank = x.shape.length;
  if (rank < 3) throw new UserError(`attention: expected x [..., tokens, width], got ${show(x.shape)}`);
  const lead = x.shape.slice(0, -2);
  const columns = staticDim(x.shape.at(-1), 'attention: x', x.shape);
  expectNumber('attention: heads', heads, { min: 1, isInteger: true });
  if (columns % heads !== 0) {
    throw new UserError(`attention: expected a width that ${heads} heads divide, got ${columns}`);
  }
  expectQueries(queries, x, causal);
  const size = columns / heads;
  const swapped = [...lead.keys(), rank - 1, rank - 2, rank];
  const project = (name: string, from: Value): Value => {
    const [tokens = 0] = from.shape.slice(-2);
    return transpose(reshape(dense(scope.sub(name), from, columns), [...lead, tokens, heads, size]), swapped);
  };
  const [query, key, value] = [project('query', queries), project('key', x), project('value', x)];
  const products = matmul(query, key, { transB: true, alpha: 1 / Math.sqrt(size) });
  const mix = (name: string, of: Value): Value => (talkingHeads ? mixHeads(scope.sub(name), of) : of);
  const scores = biased(mix('scores', products), bias);
  const visible = visibility(x, mask, causal);
  const weights = mix('weights', softmax(visible ? where(visible, scores, MASKED) : scores));
  const mixed = matmul(dropout(scope.sub('drop'), weights, rate), value);
  return dense(scope.sub('out'), reshape(transpose(mixed, swapped), queries.shape), columns);
}

function expectQueries(queries: Value, x: Value, causal: boolean): void {
  if (queries === x) return;
  if (causal)
    throw new UserError('attention: expected no queries beside causal, which is among the tokens of x');
  const [got, wanted] = [queries.shape, x.shape];
  const isSame =
    got.length === wanted.length && got.every((dim, i) => i === got.length - 2 || dim === wanted[i]);
  if (isSame && queries.dtype === 'float32') return;
  throw new UserError(
    `attention: expected queries float32 of the shape ${show(wanted)} but for their number, got ${queries.dtype} ${show(got)}`,
  );
}

/** A dense layer over the axis of heads: [..., heads, from, to], and so is the result. */
function mixHeads(scope: Scope, x: Value): Value {
  const [heads = 0, from = 0, to = 0] = x.shape.slice(-3);
  const count = staticDim(heads, 'attention', x.shape);
  const kernel = scope.param('kernel', [count, count], { kind: 'xavier-uniform' });
  const bias = scope.param('bias', [count], { kind: 'zeros' });
  const rows = reshape(x, [...x.shape.slice(0, -3), heads, product([from, to])]);
  return reshape(add(matmul(transpose(kernel), rows), reshape(bias, [count, 1])), x.shape);
}

function biased(scores: Value, bias: Value | undefined): Value {
  if (!bias) return scores;
  const offset = scores.shape.length - bias.shape.length;
  const fits = bias.shape.every((dim, i) => dim === 1 || dim === scores.shape[offset + i]);
  if (bias.dtype === 'float32' && offset >= 0 && fits) return add(scores, bias);
  throw new UserError(
    `attention: expected a bias float32 that broadcasts to ${show(scores.shape)}, got ${bias.dtype} ${show(bias.shape)}`,
  );
}

/** Which token may look at which: bool, broadcasts to [..., heads, from, to]; undefined where all may. */
function visibility(x: Value, mask: Value | undefined, causal: boolean): Value | undefined {
  const tokens = x.shape.slice(0, -1);
  if (mask && (mask.dtype !== 'bool' || !sameShape(mask.shape, tokens))) {
    const got = `${mask.dtype} ${show(mask.shape)}`;
    throw new UserError(`attention: expected a mask bool ${show(tokens)}, got ${got}`);
  }
  const [count = 0] = tokens.slice(-1);
  const keys = mask && reshape(mask, [...tokens.slice(0, -1), 1, 1, count]);
  if (!causal) return keys;
  const order = range(staticDim(count, 'attention: x', x.shape));
  const before = greaterOrEqual(reshape(order, [...order.shape, 1]), order);
  return keys ? and(keys, before) : before;
}
