/**
 * FT-Transformer (Gorishniy et al., *Revisiting Deep Learning Models for Tabular Data*, NeurIPS 2021): every column of a
 * table becomes a token, and pre-norm transformer blocks look at them and at a class token, from which a head reads.
 */
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { dense } from '../layers/dense.ts';
import type { Scope } from '../layers/scope.ts';
import { concat, constant, gemm, mul, relu, reshape, slice, split } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { checked, rate, size } from './schema.ts';
import { mlpWidthOf, transformer } from './transformer.ts';

/** The authors' sizes and rates, by the number of blocks (`FTTransformer.get_default_kwargs` of their package). */
export const FT_TRANSFORMER_DEFAULTS = {
  1: { width: 96, attentionDropout: 0.1, dropout: 0 },
  2: { width: 128, attentionDropout: 0.15, dropout: 0.05 },
  3: { width: 192, attentionDropout: 0.2, dropout: 0.1 },
  4: { width: 256, attentionDropout: 0.25, dropout: 0.15 },
  5: { width: 320, attentionDropout: 0.3, dropout: 0.2 },
  6: { width: 384, attentionDropout: 0.35, dropout: 0.25 },
} as const;

export const ftTransformerSchema = v.strictObject({
  kind: v.literal('ft-transformer'),
  /**
   * How many features each column has, in the order of the features: 1 for a number, as many as it has values for a
   * category, and one more where a column says that it is missing.
   */
  columns: v.pipe(v.array(size(2 ** 20)), v.minLength(1), v.maxLength(4096)),
  /** Blocks; 3 if left out. It says what the other sizes and rates are if left out. */
  layers: v.optional(v.picklist([1, 2, 3, 4, 5, 6]), 3),
  width: v.optional(size(65536)),
  heads: v.optional(size(1024), 8),
  /** The width of the MLP over that of a token; 4/3 if left out, and its first layer is twice as wide, for the gate. */
  mlpRatio: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(64)), 4 / 3),
  /** Of attention weights. */
  attentionDropout: rate(),
  /** Of the hidden elements of the MLP. */
  dropout: rate(),
  /** Of what each attention and each MLP gives; 0 if left out. */
  residualDropout: rate(),
});

/** What is left out has its default. */
export type FtTransformerConfig = v.InferInput<typeof ftTransformerSchema>;

/**
 * Features of a table's rows float32 [batch, features], one-hot ones for a category → float32 [batch, outputs]: logits
 * before softmax, or predictions. Throws UserError for a config that is none, where heads do not divide the width, and
 * where the columns have more or fewer features than x.
 */
export function ftTransformer(scope: Scope, x: Value, outputs: number, given: FtTransformerConfig): Value {
  const config = checked('ft-transformer', ftTransformerSchema, given);
  const { columns, layers, heads, mlpRatio, residualDropout = 0 } = config;
  const { width, attentionDropout, dropout } = { ...FT_TRANSFORMER_DEFAULTS[layers], ...present(config) };
  const hidden = mlpWidthOf('ft-transformer', { width, heads, mlpRatio }, Math.floor);
  const tokens = tokenized(scope, x, columns, width);
  const y = transformer(scope, tokens, {
    ...{ layers, heads, mlpWidth: 2 * hidden, activation: reglu, attentionDropout, residualDropout },
    ...{ dropout, epsilon: 1e-5, skipsFirstNorm: true },
  });
  const [batch = 0] = x.shape;
  return dense(scope.sub('head'), relu(reshape(slice(y, 1, 0, 1), [batch, width])), outputs);
}

/** The sizes and rates that a config has. */
function present({ width, attentionDropout, dropout }: FtTransformerConfig) {
  return {
    ...(width !== undefined && { width }),
    ...(attentionDropout !== undefined && { attentionDropout }),
    ...(dropout !== undefined && { dropout }),
  };
}

/**
 * A class token, then for each column j the sum of x_k·W_k over its features k, plus b_j: [batch, 1 + columns, width]. A
 * one-hot column looks a row of W up so. All tokens are one product, with the weights of each column in the columns of
 * its token and 0 elsewhere. As in the authors' package none of these parameters decays: `cls` [width],
 * `tokenizer/scale` [features, width] and `tokenizer/bias` [columns, width].
 */
function tokenized(scope: Scope, x: Value, columns: readonly number[], width: number): Value {
  const [batch = 0, features] = x.shape;
  const count = columns.reduce((sum, each) => sum + each, 0);
  if (x.shape.length !== 2 || x.dtype !== 'float32') {
    throw new UserError(
      `ft-transformer: expected x float32 [batch, features], got ${x.dtype} ${show(x.shape)}`,
    );
  }
  if (staticDim(features, 'ft-transformer: x', x.shape) !== count) {
    throw new UserError(
      `ft-transformer: columns: expected ${show(columns)} to add up to the ${features} features, got ${count}`,
    );
  }
  const [tokens, own] = [1 + columns.length, scope.sub('tokenizer')];
  // As of the authors' uniform distribution within ±1/√width.
  const init = { kind: 'normal', std: Math.sqrt(1 / (3 * width)) } as const;
  const cls = scope.param('cls', [width], init);
  const scale = own.param('scale', [count, width], init);
  const bias = own.param('bias', [columns.length, width], init);
  const column = columns.flatMap((each, j) => Array.from({ length: each }, () => j + 1));
  const isOwn = Float32Array.from({ length: count * tokens }, (_, i) =>
    column[Math.floor(i / tokens)] === i % tokens ? 1 : 0,
  );
  const apart = mul(reshape(scale, [count, 1, width]), constant(isOwn, [count, tokens, 1]));
  const added = concat([cls, reshape(bias, [columns.length * width])], 0);
  return reshape(gemm(x, reshape(apart, [count, tokens * width]), added), [batch, tokens, width]);
}

/** a∘relu(b) with the halves a and b of the last axis (Shazeer, *GLU Variants Improve Transformer*, 2020). */
function reglu(x: Value): Value {
  const half = staticDim(x.shape.at(-1), 'reglu', x.shape) / 2;
  const [a = x, b = x] = split(x, -1, [half, half]);
  return mul(a, relu(b));
}
