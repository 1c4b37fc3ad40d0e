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
  if (data instanceof BigInt64Array && out instanceof BigInt64Array) {
    out.set(data.subarray(index * size, (index + 1) * size), at * size);
  } else if (data instanceof BigInt64Array || !data || !out || out instanceof BigInt64Array) {
    throw new Error(`internal: a batch with another type of ${name}`);
  } else if (size > 16) {
    out.set(data.subarray(index * size, (index + 1) * size), at * size);
  } else {
    // For a number or a few, a view would cost more than the copy.
    for (let k = 0; k < size; k++) out[at * size + k] = data[index * size + k] ?? 0;
  }
}
