/** What the transformers have in common: pre-norm blocks of attention and an MLP, and the checks of their sizes. */
import { UserError } from '../errors.ts';
import { attention } from '../layers/attention.ts';
import { dense } from '../layers/dense.ts';
import { dropout, stochasticDepth } from '../layers/dropout.ts';
import { layerNorm } from '../layers/layer-norm.ts';
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

/**
 * The blocks `block0`, `block1`, … and the norm behind them: float32 [batch, tokens, width], and so is the result.
 * Dropout is where timm's ViT and the code of the papers on gradient regularization have it. What comes in has not been
 * through dropout yet.
 */
export function transformer(scope: Scope, x: Value, given: Blocks): Value {
  const { layers, heads, mlpWidth, activation, mask, epsilon = 1e-6, skipsFirstNorm = false } = given;
  const { dropout: rate = 0, attentionDropout = 0, stochasticDepth: deepest = 0 } = given;
  const { residualDropout = rate } = given;
  const width = staticDim(x.shape.at(-1), 'transformer: x', x.shape);
  let y = dropout(scope.sub('drop'), x, residualDropout);
  const normed = (own: Scope, at: Value): Value => layerNorm(own, at, { epsilon });
  for (let i = 0; i < layers; i++) {
    const block = scope.sub(`block${i}`);
    const depth = layers === 1 ? deepest : (deepest * i) / (layers - 1);
    const branch = (last: Scope, added: Value): Value =>
      stochasticDepth(last.sub('depth'), dropout(last.sub('drop'), added, residualDropout), depth);
    const attn = block.sub('attn');
    const seen = skipsFirstNorm && i === 0 ? y : normed(block.sub('norm1'), y);
    const attended = attention(attn, seen, { heads, mask, dropout: attentionDropout });
    y = add(y, branch(attn.sub('out'), attended));
    const [fc1, fc2] = [block.sub('mlp').sub('fc1'), block.sub('mlp').sub('fc2')];
    const hidden = activation(dense(fc1, normed(block.sub('norm2'), y), mlpWidth));
    y = add(y, branch(fc2, dense(fc2, dropout(fc1.sub('drop'), hidden, rate), width)));
  }
  return normed(scope.sub('norm'), y);
}
