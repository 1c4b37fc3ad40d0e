/**
 * The part of WebAssembly's binary format (https://webassembly.github.io/spec/core/binary) that the loops need. Code is
 * a list of bytes. An instruction is a function from the code of its operands to its own code, so that nested calls read
 * like the formula.
 */
import type { OwnedBytes } from '../../owned-array.ts';

export type Code = readonly number[];

const VALUE_TYPES = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof VALUE_TYPES;

/** Unsigned LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128. */
function signed(value: number): Code {
  const isLast = value >= -0x40 && value < 0x40;
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(content: Code): Code {
  return [...unsigned(content.length), ...content];
}

function text(value: string): Code {
  return sized([...new TextEncoder().encode(value)]);
}

const op =
  (...opcode: number[]) =>
  (...operands: Code[]): Code => [...operands.flat(), ...opcode];
/** An instruction of the vector extension. */
const simd = (opcode: number) => op(0xfd, ...unsigned(opcode));

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: op(0x6a),
  lessThan: op(0x49),
};

export const local = {
  get: (index: number): Code => [0x20, ...unsigned(index)],
  set: (index: number, value: Code): Code => [...value, 0x21, ...unsigned(index)],
};

export const f64 = { add: op(0xa0) };

/** All bits that both have. */
const and = simd(0x4e);

export const i32x4 = {
  /** An i32 in all lanes. */
  splat: simd(0x11),
  add: simd(0xae),
  /** The 64-bit products of the first two lanes, which are unsigned. */
  productsLow: simd(0xde),
  /** Of the last two. */
  productsHigh: simd(0xdf),
};

export const i16x8 = {
  /** The lower 16 bits of an i32 in all lanes. */
  splat: simd(0x10),
  /** All bits of a lane where a < b, both unsigned. */
  lessThan: simd(0x30),
};

/** The lanes of two vectors of signed 16 bits in one vector of 8 bits; they must fit. */
export const narrowTo8 = simd(0x65);

export const f64x2 = {
  splat: simd(0x14),
  /** −1, 0 or 1 of every lane. */
  sign: (x: Code): Code => {
    const one = simd(0x14)([0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    const zero = simd(0x14)([0x44, 0, 0, 0, 0, 0, 0, 0, 0]);
    return simd(0xf1)(and(simd(0x4a)(x, zero), one), and(simd(0x49)(x, zero), one));
  },
  abs: simd(0xec),
  min: simd(0xf4),
  max: simd(0xf5),
  lane: (index: number, x: Code): Code => [...simd(0x21)(x), index],
  add: simd(0xf0),
  sub: simd(0xf1),
  mul: simd(0xf2),
  div: simd(0xf3),
  sqrt: simd(0xef),
  /** The first two float32 of a vector, as float64. */
  promoteLow: simd(0x5f),
  /** The last two. */
  promoteHigh: (x: Code): Code =>
    simd(0x5f)(shuffle(x, x, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7])),
};

/** Two float64 rounded to float32, then two zeros. */
const demoteToLow = simd(0x5e);

export const f32x4 = {
  /** A float64, rounded, in all lanes. */
  splat: (x: Code): Code => simd(0x13)([...x, 0xb6]),
  /** −1, 0 or 1 of every lane. */
  sign: (x: Code): Code => {
    const one = simd(0x13)([0x43, 0, 0, 0x80, 0x3f]);
    const zero = simd(0x13)([0x43, 0, 0, 0, 0]);
    return simd(0xe5)(and(simd(0x44)(x, zero), one), and(simd(0x43)(x, zero), one));
  },
  abs: simd(0xe0),
  min: simd(0xe8),
  max: simd(0xe9),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  div: simd(0xe7),
  sqrt: simd(0xe3),
  /** Two pairs of float64, rounded to four float32. */
  fromHalves: (low: Code, high: Code): Code =>
    shuffle(demoteToLow(low), demoteToLow(high), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]),
};

/** The bytes of `a` (0 to 15) and `b` (16 to 31) that are named. */
export function shuffle(a: Code, b: Code, bytes: Code): Code {
  return [...simd(0x0d)(a, b), ...bytes];
}

/** Addresses need not be aligned. */
const UNALIGNED_AT_0: Code = [0, 0];

export const v128 = {
  and,
  /** The bits in which two differ. */
  xor: simd(0x51),
  /** 16 bytes. */
  const: (bytes: Code): Code => [...simd(0x0c)(), ...bytes],
  /** The 8 bytes at an address plus an offset, then zeros. */
  load64: (address: Code, offset: number): Code => [...simd(0x5d)(address), 0, ...unsigned(offset)],
  load: (address: Code): Code => [...simd(0x00)(address), ...UNALIGNED_AT_0],
  store: (address: Code, value: Code): Code => [...simd(0x0b)(address, value), ...UNALIGNED_AT_0],
};

/** Repeats `body` as long as `condition` holds, which is evaluated after it. */
export function repeat(body: Code, condition: Code): Code {
  const [loop, noResult, branchIf, end] = [0x03, 0x40, 0x0d, 0x0b];
  return [loop, noResult, ...body, ...condition, branchIf, 0, end];
}

export interface WasmFunction {
  readonly name: string;
  readonly params: readonly ValueType[];
  /** Variables, numbered after the parameters. */
  readonly locals: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly body: Code;
}

/** A module that exports the functions, over a memory that it imports as `env.memory`. */
export function assemble(functions: readonly WasmFunction[]): OwnedBytes {
  const types = (values: readonly ValueType[]) => vector(values.map((value) => [VALUE_TYPES[value]]));
  const section = (id: number, items: readonly Code[]): Code => [id, ...sized(vector(items))];
  const memory: Code = [...text('env'), ...text('memory'), 0x02, 0x00, 0]; // of any size
  return Uint8Array.from([
    ...[0x00, ...new TextEncoder().encode('asm')],
    ...[1, 0, 0, 0],
    ...section(
      1,
      functions.map(({ params, results }) => [0x60, ...types(params), ...types(results)]),
    ),
    ...section(2, [memory]),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...section(
      7,
      functions.map(({ name }, i) => [...text(name), 0x00, ...unsigned(i)]),
    ),
    ...section(
      10,
      functions.map(({ locals, body }) =>
        sized([...vector(locals.map((type) => [1, VALUE_TYPES[type]])), ...body, 0x0b]),
      ),
    ),
  ]);
}
