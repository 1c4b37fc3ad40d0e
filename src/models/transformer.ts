/** What the transformers have in common: pre-norm blocks of attention and an MLP, and the checks of their sizes. */
import { UserError } from '../errors.ts';
import { attention } from '../layers/attention.ts';
import { dense } from '../layers/dense.ts';
import { dropout, stochasticDepth } from '../layers/dropout.ts';
import { layerNorm } from '../layers/layer-norm.ts';
import { layerScale } from '../layers/layer-scale.ts';
import type { Scope } from '../layers/scope.ts';
import { add } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

/** The rates of what is left out at random while training; 0 where not given. */
export interface Rates {
  /** Of elements: of what comes in, of the hidden layer of the MLP, and of what each attention and each MLP gives. */
  readonly dropout?: number | undefined;
  /** Of attention weights. */
  readonly attentionDropout?: number | undefined;
  /** Of the branches of the last block; the first has 0, and between them it grows evenly. */
  readonly stochasticDepth?: number | undefined;
}

export interface Blocks extends Rates {
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: (x: Value) => Value;
  /** bool [batch, tokens]: which tokens may be looked at. */
  readonly mask?: Value | undefined;
  /** Of what comes in, and of what each attention and each MLP gives, where it is not `dropout`. */
  readonly residualDropout?: number | undefined;
  /** Of the norms; 1e-6 by default. */
  readonly epsilon?: number | undefined;
  /** Whether the first attention takes what comes in as it is; false by default. */
  readonly skipsFirstNorm?: boolean;
}

/** The width of the MLP. Throws UserError where heads do not divide the width or the MLP would have none. */
export function mlpWidthOf(
  model: string,
  { width, heads, mlpRatio }: { readonly width: number; readonly heads: number; readonly mlpRatio: number },
  rounded: (width: number) => number = Math.round,
): number {
  if (width % heads !== 0) {
    throw new UserError(`${model}: expected a width that ${heads} heads divide, got ${width}`);
  }
  const mlpWidth = rounded(width * mlpRatio);
  if (mlpWidth < 1) {
    throw new UserError(
      `${model}: expected an mlpRatio that gives the MLP a width of at least 1, got ${mlpRatio} × ${width}`,
    );
  }
  return mlpWidth;
}

/** What a pre-norm block is made of. */
export interface Block {
  /** What the tokens of x see of each other, or of `seen`, float32 like x; it gets its own scope and the normed value. */
  readonly attend: (scope: Scope, normed: Value) => Value;
  /** What is normed and attended to; x by default. */
  readonly seen?: Value | undefined;
  readonly mlpWidth: number;
  readonly activation: (x: Value) => Value;
  readonly dropout?: number | undefined;
  /** Of what the attention and the MLP give, where it is not `dropout`. */
  readonly residualDropout?: number | undefined;
  /** Whether the attention takes what comes in as it is; false by default. */
  readonly skipsFirstNorm?: boolean;
  /** The rate of stochastic depth of this block. */
  readonly depth?: number | undefined;
  /** Where the factors of LayerScale start; none by default. */
  readonly layerScale?: number | undefined;
  /** Of the norms; 1e-6 by default. */
  readonly epsilon?: number | undefined;
}

/**
 * x + attend(norm(x)), and of that y + MLP(norm(y)): float32 [batch, ..., tokens, width], and so is the result. Its parts
 * are `norm1`, `attn`, `norm2` and `mlp`, and with LayerScale `scale1` and `scale2`. Dropout is where timm has it.
 */
export function preNormBlock(scope: Scope, x: Value, given: Block): Value {
  const { attend, seen = x, mlpWidth, activation, dropout: rate = 0, depth = 0, layerScale: start } = given;
  const { residualDropout = rate, skipsFirstNorm = false, epsilon } = given;
  const width = staticDim(x.shape.at(-1), 'transformer: x', x.shape);
  const branch = (last: Scope, scale: string, added: Value): Value => {
    const dropped = dropout(last.sub('drop'), added, residualDropout);
    const scaled = start === undefined ? dropped : layerScale(scope.sub(scale), dropped, start);
    return stochasticDepth(last.sub('depth'), scaled, depth);
  };
  const attn = scope.sub('attn');
  const attended = attend(attn, skipsFirstNorm ? seen : layerNorm(scope.sub('norm1'), seen, { epsilon }));
  const y = add(x, branch(attn.sub('out'), 'scale1', attended));
  const [fc1, fc2] = [scope.sub('mlp').sub('fc1'), scope.sub('mlp').sub('fc2')];
  const hidden = activation(dense(fc1, layerNorm(scope.sub('norm2'), y, { epsilon }), mlpWidth));
  return add(y, branch(fc2, 'scale2', dense(fc2, dropout(fc1.sub('drop'), hidden, rate), width)));
}

/** The rate of stochastic depth of block `i` of `count`: it grows evenly from 0 to that of the last. */
export function depthRate(deepest: number, i: number, count: number): number {
  return count === 1 ? deepest : (deepest * i) / (count - 1);
}

/**
 * The blocks `block0`, `block1`, … and the norm behind them: float32 [batch, tokens, width], and so is the result.
 * Dropout is where timm's ViT and the code of the papers on gradient regularization have it. What comes in has not been
 * through dropout yet.
 */
export function transformer(scope: Scope, x: Value, given: Blocks): Value {
  const { layers, heads, mlpWidth, activation, mask, epsilon, skipsFirstNorm = false } = given;
  const { dropout: rate = 0, attentionDropout = 0, stochasticDepth: deepest = 0 } = given;
  const { residualDropout = rate } = given;
  let y = dropout(scope.sub('drop'), x, residualDropout);
  for (let i = 0; i < layers; i++) {
    y = preNormBlock(scope.sub(`block${i}`), y, {
      attend: (attn, normed) => attention(attn, normed, { heads, mask, dropout: attentionDropout }),
      ...{ mlpWidth, activation, dropout: rate, residualDropout, epsilon },
      ...{ depth: depthRate(deepest, i, layers), skipsFirstNorm: skipsFirstNorm && i === 0 },
    });
  }
  return layerNorm(scope.sub('norm'), y, { epsilon });
}
