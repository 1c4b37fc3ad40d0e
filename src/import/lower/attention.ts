/** Attention and rotary positions, of ONNX's own set and of ONNX Runtime's. */
import { expectAt } from '../../expect.ts';
import {
  add,
  cast,
  concat,
  constant,
  gather,
  less,
  matmul,
  mul,
  reshape,
  slice,
  softmax,
  split,
  sub,
  tanh,
  transpose,
  where,
} from '../../onnx/ops.ts';
import { staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

// ---- what all have in common ----------------------------------------------------------------------------------

/** The score of a key that may not be looked at: finite, so that a row without any gives no NaN. */
export const MASKED = -1e30;

/** [batch, tokens, heads·size] as [batch, heads, tokens, size]. */
export function headsOf(call: Call, x: Value, heads: number): Value {
  const [batch = 0, tokens = 0, width] = x.shape;
  const size = staticDim(width, call.op, x.shape) / heads;
  if (!Number.isInteger(size)) throw call.error(`expected a width that ${heads} heads divide, got ${width}`);
  return transpose(reshape(x, [batch, tokens, heads, size]), [0, 2, 1, 3]);
}

/** The inverse of `headsOf`. */
export function joined(x: Value): Value {
  const [batch = 0, heads, tokens = 0, size] = x.shape;
  const width = staticDim(heads, 'Attention', x.shape) * staticDim(size, 'Attention', x.shape);
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, tokens, width]);
}

export interface AttendOptions {
  readonly scale: number;
  /** bool or float32, broadcasts to the scores: which keys may be looked at, or what is added. */
  readonly mask?: Value | undefined;
  /** What is added besides. */
  readonly bias?: Value | undefined;
  /** Whether a token sees itself and those before it only, with this many keys of the past in front. */
  readonly causal?: boolean;
  /** softcap·tanh(score/softcap) limits scores; 0 for none. */
  readonly softcap?: number;
}

/** Which keys a token sees, that has `past` in front of it: bool [queries, keys]. */
function upTo(queries: number, keys: number, past: number): Value {
  const sees = Uint8Array.from({ length: queries * keys }, (_, i) =>
    Number(i % keys <= Math.floor(i / keys) + past),
  );
  return constant(sees, [queries, keys], 'bool');
}

const masked = (scores: Value, mask: Value | undefined): Value => {
  if (!mask) return scores;
  return mask.dtype === 'bool' ? where(mask, scores, MASKED) : add(scores, mask);
};

interface Attended {
  readonly y: Value;
  /** The scores at each stage: the product, with mask and bias, limited, and behind softmax. */
  readonly stages: readonly Value[];
}

/**
 * softmax(QKᵀ·scale + mask)·V in each head: q float32 [batch, heads, queries, size], k and v [batch, heads/n, keys, size];
 * n heads of q share one of k and v (Ainslie et al., *GQA*, 2023).
 */
export function attend(
  call: Call,
  [q, k, v]: readonly [Value, Value, Value],
  options: AttendOptions,
): Attended {
  const { scale, mask, bias, causal = false, softcap = 0 } = options;
  const [batch = 0, heads, queries = 0, size = 0] = q.shape;
  const all = staticDim(heads, call.op, q.shape);
  const groups = staticDim(k.shape[1], call.op, k.shape);
  if (all % groups !== 0) throw call.error(`expected heads that ${groups} of keys divide, got ${all}`);
  const [keys = 0] = k.shape.slice(2);
  const isShared = groups !== all;
  const each = all / groups;
  const q5 = isShared ? reshape(q, [batch, groups, each, queries, size]) : q;
  const wide = (x: Value): Value => (isShared ? reshape(x, [batch, groups, 1, ...x.shape.slice(2)]) : x);
  const flat = (x: Value): Value => (isShared ? reshape(x, [batch, all, ...x.shape.slice(3)]) : x);
  const products = flat(matmul(q5, wide(k), { transB: true, alpha: scale }));
  const capped = softcap > 0 ? mul(tanh(mul(products, 1 / softcap)), softcap) : products;
  const biased = bias ? add(capped, bias) : capped;
  const [rows, columns] = [queries, keys].map((dim) => (causal ? staticDim(dim, call.op, q.shape) : 0));
  const seen =
    causal && rows && columns ? where(upTo(rows, columns, columns - rows), biased, MASKED) : biased;
  const scores = masked(seen, mask);
  const weights = softmax(scores);
  const mixing = isShared ? reshape(weights, [batch, groups, each, queries, keys]) : weights;
  return { y: flat(matmul(mixing, wide(v))), stages: [products, capped, scores, weights] };
}

// ---- Attention of opset 23 ------------------------------------------------------------------------------------

/** Keys or values with those of the past in front. */
const withPast = (past: Value | undefined, x: Value): Value => (past ? concat([past, x], 2) : x);

/** Which keys are none but filling, by the number of those that are not, [batch]. */
function notFilling(call: Call, k: Value): Value | undefined {
  const counts = call.optional(6);
  if (!counts) return undefined;
  const keys = staticDim(k.shape[2], call.op, k.shape);
  const [batch = 0] = counts.shape;
  const places = constant(
    Int32Array.from({ length: keys }, (_, i) => i),
    [1, 1, 1, keys],
  );
  return less(places, cast(reshape(counts, [batch, 1, 1, 1]), 'int32'));
}

const attention: Lowering = (call) => {
  const isFlat = call.shape(0).length === 3;
  const [qHeads, kvHeads] = [call.attributes.int('q_num_heads', 0), call.attributes.int('kv_num_heads', 0)];
  if (isFlat && (qHeads < 1 || kvHeads < 1)) throw call.error('expected q_num_heads and kv_num_heads');
  const of = (input: number, heads: number): Value =>
    isFlat ? headsOf(call, call.value(input), heads) : call.value(input);
  const q = of(0, qHeads);
  const [k, v] = [withPast(call.optional(4), of(1, kvHeads)), withPast(call.optional(5), of(2, kvHeads))];
  const size = staticDim(q.shape[3], call.op, q.shape);
  const real = notFilling(call, k);
  const given = call.optional(3);
  const { y, stages } = attend(call, [q, k, v], {
    scale: call.attributes.float('scale', 1 / Math.sqrt(size)),
    mask: given,
    bias: real && where(real, constant(new Float32Array(1), [1]), MASKED),
    causal: call.attributes.int('is_causal', 0) !== 0,
    softcap: call.attributes.float('softcap', 0),
  });
  const shown = expectAt(stages, [0, 2, 1, 3][call.attributes.int('qk_matmul_output_mode', 0)] ?? 0);
  return [isFlat ? joined(y) : y, k, v, shown].slice(0, call.outputs);
};

// ---- rotary positions -----------------------------------------------------------------------------------------

export interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
  readonly positions: Value | undefined;
  readonly isInterleaved: boolean;
  /** How many numbers of each head are turned; 0 for all. */
  readonly turned: number;
}

/** Turns pairs of numbers by the angles of their positions (Su et al., *RoFormer*, 2021): x [batch, heads, tokens, size]. */
export function rotated(call: Call, x: Value, { cos, sin, positions, isInterleaved, turned }: Rotary): Value {
  const size = staticDim(x.shape.at(-1), call.op, x.shape);
  const width = turned > 0 ? turned : size;
  const [kept] = width < size ? [slice(x, -1, width, size)] : [];
  const part = slice(x, -1, 0, width);
  const half = width / 2;
  // With a table by position, [positions, half]; without positions, it is [batch, tokens, half] already.
  const angles = (table: Value): Value => {
    const rows = positions ? gather(slice(table, -1, 0, half), positions) : table;
    const [batch = 1, tokens = 1] = rows.shape.length === 2 ? [1, ...rows.shape] : rows.shape;
    return reshape(rows, [batch, 1, tokens, half]);
  };
  const [c, s] = [angles(cos), angles(sin)];
  const lead = part.shape.slice(0, -1);
  const pairs = isInterleaved ? reshape(part, [...lead, half, 2]) : reshape(part, [...lead, 2, half]);
  const axis = isInterleaved ? -1 : -2;
  const [a, b] = split(pairs, axis, [1, 1]).map((each) => reshape(each, [...lead, half]));
  if (!a || !b) throw call.error('expected pairs of numbers');
  const made = [sub(mul(a, c), mul(b, s)), add(mul(a, s), mul(b, c))].map((each) =>
    reshape(each, isInterleaved ? [...lead, half, 1] : [...lead, 1, half]),
  );
  const whole = reshape(concat(made, axis), part.shape);
  return kept ? concat([whole, kept], -1) : whole;
}

/** A lowering, given which inputs are the cosines, the sines and the positions. */
export const rotaryEmbedding =
  ([cos, sin, positions]: readonly [number, number, number]): Lowering =>
  (call) => {
    const x = call.value(0);
    const heads = call.attributes.int('num_heads', 0);
    const isFlat = x.shape.length === 3;
    const table = call.value(cos);
    const width = 2 * staticDim(table.shape.at(-1), call.op, table.shape);
    const turned = call.attributes.int('rotary_embedding_dim', 0);
    const size = staticDim(x.shape.at(-1), call.op, x.shape);
    const apart = isFlat ? headsOf(call, x, heads > 0 ? heads : size / width) : x;
    const y = rotated(call, apart, {
      ...{ cos: table, sin: call.value(sin), turned },
      positions: call.optional(positions),
      isInterleaved: call.attributes.int('interleaved', 0) !== 0,
    });
    return [isFlat ? joined(y) : y];
  };

export const ATTENTION: Lowerings = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding([1, 2, 3]),
};
