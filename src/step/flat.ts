/**
 * All parameters in one vector, as the graph of a whole step takes them: one tensor in place of a hundred, and one
 * operation of the update rule in place of a hundred. Parameters of one group (the same rates) lie together, and zeros
 * fill the last row of `ROW` elements.
 */
import { concat, expand, pad, reduceSum, reshape, slice, zeros } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

const ROW = 1024;

export interface FlatParameter {
  readonly shape: readonly number[];
  /** The number of its group, from 0. */
  readonly group: number;
}

export class FlatLayout {
  /** Elements of the vector. */
  readonly length: number;
  readonly #parameters: readonly FlatParameter[];
  /** Where each parameter begins, in the order given. */
  readonly #starts: readonly number[];
  /** How many elements each group has. */
  readonly #sizes: readonly number[];
  readonly #unused: number;

  constructor(parameters: readonly FlatParameter[]) {
    const starts: number[] = [];
    const sizes: number[] = [];
    let end = 0;
    const groups = 1 + Math.max(0, ...parameters.map(({ group }) => group));
    for (let wanted = 0; wanted < groups; wanted++) {
      const begin = end;
      parameters.forEach(({ shape, group }, i) => {
        if (group !== wanted) return;
        starts[i] = end;
        end += sizeOf(shape);
      });
      sizes.push(end - begin);
    }
    this.#parameters = parameters;
    this.#starts = starts;
    this.#sizes = sizes;
    this.length = Math.ceil(end / ROW) * ROW;
    this.#unused = this.length - end;
  }

  /** One array of all, from an array of each. */
  pack(arrays: readonly Float32Array[]): Float32Array {
    const flat = new Float32Array(this.length);
    arrays.forEach((array, i) => {
      flat.set(array, this.#starts[i]);
    });
    return flat;
  }

  /** Fills an array of each from the one of all. */
  unpack(flat: Float32Array, arrays: readonly Float32Array[]): void {
    arrays.forEach((array, i) => {
      const start = this.#starts[i] ?? 0;
      array.set(flat.subarray(start, start + array.length));
    });
  }

  /** The vector of values of the parameters' shapes. */
  join(values: readonly Value[]): Value {
    const inOrder = [...values.keys()].sort((a, b) => (this.#starts[a] ?? 0) - (this.#starts[b] ?? 0));
    const pieces = inOrder.flatMap((i) => {
      const value = values[i];
      return value ? [reshape(value, [sizeOf(value.shape)])] : [];
    });
    return concat(this.#unused > 0 ? [...pieces, zeros([this.#unused])] : pieces, 0);
  }

  /** The parameters that a vector holds. */
  split(vector: Value): Value[] {
    return this.#parameters.map(({ shape }, i) => {
      const start = this.#starts[i] ?? 0;
      return reshape(slice(vector, 0, start, start + sizeOf(shape)), shape);
    });
  }

  /** A scalar of each group, for each of its elements; none for a group where it is 0. */
  spread(scalars: readonly (Value | undefined)[]): Value {
    const pieces = this.#sizes.flatMap((size, group) => {
      const value = scalars[group];
      if (size === 0) return [];
      return [value ? expand(reshape(value, [1]), [size]) : zeros([size])];
    });
    const whole = concat(pieces, 0);
    return this.#unused > 0 ? pad(whole, 0, 0, this.#unused) : whole;
  }
}

/** Σ of such a vector, row by row: one element after the other float32 would lose digits. */
export function flatSum(vector: Value): Value {
  const rows = reshape(vector, [sizeOf(vector.shape) / ROW, ROW]);
  return reduceSum(reduceSum(rows, { axes: [1] }));
}
