/** Examples of a batch: an array for each field, one example after the other. */
import type { OwnedIndices } from '../owned-array.ts';
import type { Fields, FieldType } from '../tasks/task.ts';

export type FieldData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

export interface Batch {
  /** Row-major, the batch axis first. */
  readonly fields: Readonly<Record<string, FieldData>>;
  readonly examples: number;
  /** [examples]: which examples of their split these are. */
  readonly indices: OwnedIndices;
  /** Counted from 0. */
  readonly epoch: number;
  /** Number within the epoch, from 0. */
  readonly step: number;
}

/** The examples `from` to `to` of a batch's fields, in place. */
export function cutFields(
  data: Readonly<Record<string, FieldData>>,
  fields: Fields,
  from: number,
  to: number,
): Record<string, FieldData> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { shape }]) => {
      const size = shape.reduce((product, dim) => product * dim, 1);
      const whole = data[name];
      if (!whole) throw new Error(`internal: a batch without ${name}`);
      return [name, whole.subarray(from * size, to * size)];
    }),
  );
}

/** An array for elements of a type. */
export function emptyField(dtype: FieldType, length: number): FieldData {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'int64':
      return new BigInt64Array(length);
    case 'uint8':
    case 'bool':
      return new Uint8Array(length);
  }
}

/** A batch of zeros, to measure with. */
export function emptyBatch(fields: Fields, examples: number): Batch {
  const arrays = Object.entries(fields).map(([name, { dtype, shape }]): [string, FieldData] => [
    name,
    emptyField(dtype, examples * shape.reduce((product, dim) => product * dim, 1)),
  ]);
  const indices = new Uint32Array(examples);
  return { fields: Object.fromEntries(arrays), examples, indices, epoch: 0, step: 0 };
}
