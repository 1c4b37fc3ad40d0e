/** The types of elements that a file may have, and which of ours each is read as. */
import { fromBfloat16, fromFloat16 } from '../onnx/float16.ts';
import type { ConstantData, DType } from '../onnx/value.ts';

/** Where a tensor keeps its numbers where they are not in `rawData`. */
type List = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';

export interface ElementType {
  /** As onnx.proto names it. */
  readonly name: string;
  /** Of an element in raw data. */
  readonly bits: number;
  /** What it is read as. Numbers of half or double precision become float32, small integers int32. */
  readonly dtype: DType;
  readonly list: List;
  /** The numbers of raw data, in little-endian order and aligned. `count` is of elements, where bytes hold several. */
  readonly read: (bytes: ArrayBuffer, at: number, count: number) => ConstantData;
}

const float32 = (values: Iterable<number>): Float32Array => Float32Array.from(values);
const int32 = (values: Iterable<number>): Int32Array => Int32Array.from(values);

/** The number that a few bits stand for: a sign, an exponent and a mantissa. */
interface MiniFloat {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  /** What is no finite number, by its bits without the sign; `negativeZero`: also the sign alone. */
  readonly special?: Readonly<Record<number, number>>;
  readonly negativeZeroIsNan?: boolean;
}

/** All numbers of such a type, by their bits. */
function tableOf({ exponent, mantissa, bias, special = {}, negativeZeroIsNan }: MiniFloat): Float32Array {
  const half = 2 ** (exponent + mantissa);
  return Float32Array.from({ length: 2 * half }, (_, bits) => {
    const magnitude = bits % half;
    if (negativeZeroIsNan && bits === half) return Number.NaN;
    const sign = bits < half ? 1 : -1;
    const found = special[magnitude];
    if (found !== undefined) return sign * found;
    const [power, fraction] = [Math.floor(magnitude / 2 ** mantissa), magnitude % 2 ** mantissa];
    const whole = power === 0 ? 0 : 1;
    return sign * (whole + fraction / 2 ** mantissa) * 2 ** (Math.max(power, 1) - bias);
  });
}

function tableOnce(type: MiniFloat): () => Float32Array {
  let table: Float32Array | undefined;
  return () => {
    table ??= tableOf(type);
    return table;
  };
}

const bytewise = (type: MiniFloat): ElementType['read'] => {
  const table = tableOnce(type);
  return (bytes, at, count) =>
    Float32Array.from(new Uint8Array(bytes, at, count), (bits) => table()[bits] ?? 0);
};

type ReadIntegers = (bytes: ArrayBuffer, at: number, count: number) => Int32Array;

/** Several elements in a byte, the first in its lowest bits. */
const inPieces = (bits: number, number: (piece: number) => number): ReadIntegers => {
  const each = 8 / bits;
  return (bytes, at, count) => {
    const packed = new Uint8Array(bytes, at, Math.ceil(count / each));
    return Int32Array.from({ length: count }, (_, i) => {
      const piece = ((packed[Math.floor(i / each)] ?? 0) >> (bits * (i % each))) & (2 ** bits - 1);
      return number(piece);
    });
  };
};

const signed = (bits: number) => (piece: number) => (piece < 2 ** (bits - 1) ? piece : piece - 2 ** bits);

const FLOAT4 = tableOnce({ exponent: 2, mantissa: 1, bias: 1 });
const NAN_7F = { 127: Number.NaN };
const INFINITIES = { 124: Number.POSITIVE_INFINITY, 125: Number.NaN, 126: Number.NaN, 127: Number.NaN };

const type = (
  name: string,
  bits: number,
  dtype: DType,
  list: List,
  read: ElementType['read'],
): ElementType => ({ name, bits, dtype, list, read });

/** By TensorProto.DataType. Those that no number of ours can stand for, texts and complex numbers, are left out. */
export const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  1: type('float', 32, 'float32', 'floatData', (b, at, n) => new Float32Array(b, at, n)),
  2: type('uint8', 8, 'uint8', 'int32Data', (b, at, n) => new Uint8Array(b, at, n)),
  3: type('int8', 8, 'int32', 'int32Data', (b, at, n) => int32(new Int8Array(b, at, n))),
  4: type('uint16', 16, 'int32', 'int32Data', (b, at, n) => int32(new Uint16Array(b, at, n))),
  5: type('int16', 16, 'int32', 'int32Data', (b, at, n) => int32(new Int16Array(b, at, n))),
  6: type('int32', 32, 'int32', 'int32Data', (b, at, n) => new Int32Array(b, at, n)),
  7: type('int64', 64, 'int64', 'int64Data', (b, at, n) => new BigInt64Array(b, at, n)),
  9: type('bool', 8, 'bool', 'int32Data', (b, at, n) => new Uint8Array(b, at, n)),
  10: type('float16', 16, 'float32', 'int32Data', (b, at, n) => fromFloat16(new Uint16Array(b, at, n))),
  11: type('double', 64, 'float32', 'doubleData', (b, at, n) => float32(new Float64Array(b, at, n))),
  12: type('uint32', 32, 'int64', 'uint64Data', (b, at, n) =>
    BigInt64Array.from(new Uint32Array(b, at, n), BigInt),
  ),
  13: type('uint64', 64, 'int64', 'uint64Data', (b, at, n) => new BigInt64Array(b, at, n)),
  16: type('bfloat16', 16, 'float32', 'int32Data', (b, at, n) => fromBfloat16(new Uint16Array(b, at, n))),
  17: type(
    'float8e4m3fn',
    8,
    'float32',
    'int32Data',
    bytewise({ exponent: 4, mantissa: 3, bias: 7, special: NAN_7F }),
  ),
  18: type(
    'float8e4m3fnuz',
    8,
    'float32',
    'int32Data',
    bytewise({ exponent: 4, mantissa: 3, bias: 8, negativeZeroIsNan: true }),
  ),
  19: type(
    'float8e5m2',
    8,
    'float32',
    'int32Data',
    bytewise({ exponent: 5, mantissa: 2, bias: 15, special: INFINITIES }),
  ),
  20: type(
    'float8e5m2fnuz',
    8,
    'float32',
    'int32Data',
    bytewise({ exponent: 5, mantissa: 2, bias: 16, negativeZeroIsNan: true }),
  ),
  21: type(
    'uint4',
    4,
    'int32',
    'int32Data',
    inPieces(4, (piece) => piece),
  ),
  22: type('int4', 4, 'int32', 'int32Data', inPieces(4, signed(4))),
  23: type('float4e2m1', 4, 'float32', 'int32Data', (b, at, n) =>
    float32(Array.from(inPieces(4, (piece) => piece)(b, at, n), (bits) => FLOAT4()[bits] ?? 0)),
  ),
  25: type(
    'uint2',
    2,
    'int32',
    'int32Data',
    inPieces(2, (piece) => piece),
  ),
  26: type('int2', 2, 'int32', 'int32Data', inPieces(2, signed(2))),
};

/** The other types' names, for messages. */
const OTHERS: Readonly<Record<number, string>> = {
  0: 'undefined',
  8: 'string',
  14: 'complex64',
  15: 'complex128',
  24: 'float8e8m0',
};

export const typeName = (dataType: number): string =>
  ELEMENT_TYPES[dataType]?.name ?? OTHERS[dataType] ?? `data type ${dataType}`;
