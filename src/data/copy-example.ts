import type { FieldData } from './batch.ts';

/** Copies example `index` of a field to the place of example `at`. */
export function copyExample(
  name: string,
  data: FieldData | undefined,
  size: number,
  index: number,
  out: FieldData | undefined,
  at: number,
): void {
  if (!data || !out) throw new Error(`internal: a batch without ${name}`);
  if (size > 16 || data instanceof BigInt64Array || out instanceof BigInt64Array) {
    copyInto(out, data.subarray(index * size, (index + 1) * size), at * size);
  } else {
    // For a number or a few, a view would cost more than the copy.
    for (let k = 0; k < size; k++) out[at * size + k] = data[index * size + k] ?? 0;
  }
}

/** Copies numbers of one type to a place of an array of the same. */
export function copyInto(out: FieldData, from: FieldData, at: number): void {
  if (out instanceof BigInt64Array && from instanceof BigInt64Array) out.set(from, at);
  else if (!(out instanceof BigInt64Array) && !(from instanceof BigInt64Array)) out.set(from, at);
  else throw new Error('internal: numbers of two types');
}
