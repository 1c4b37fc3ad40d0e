/** IEEE 754 half precision, as bits in a uint16. Files store it; nothing here computes in it. */

export const FLOAT16_MAX = 65504;

/** Rounds to the nearest float16, ties to even. Values that round beyond the largest become infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const single = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(single, (bits) => {
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00; // not a number
    if (magnitude >= 0x47800000) return sign | 0x7c00; // 2^16 and more
    // Below 2^-14 a float16 counts in units of 2^-24.
    if (magnitude < 0x38800000) return sign | subnormal(magnitude);
    // Elsewhere the fraction loses 13 bits, and the exponent's bias goes from 127 to 15.
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded >>> 13) - (112 << 10));
  });
}

function subnormal(magnitude: number): number {
  const exponent = magnitude >>> 23;
  if (exponent < 102) return 0; // below half of the smallest float16
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** All 65536 numbers, made when they are first asked for: a look into it is several times as fast as the arithmetic. */
let numbers: Float32Array | undefined;

/** The same numbers as float32, exactly. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  numbers ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => numberOf(bits));
  const out = new Float32Array(halves.length);
  for (let i = 0; i < out.length; i++) out[i] = numbers[halves[i] ?? 0] ?? 0;
  return out;
}

function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A bfloat16 is the upper half of a float32. */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}
