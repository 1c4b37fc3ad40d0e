/**
 * All parameters in one vector, for the graph of a whole step: it then has one tensor, and one operation of the optimizer,
 * in place of a hundred. Parameters that decay come first. Zeros fill the last row of `ROW` elements.
 */
import { concat, expand, mul, pad, reduceSum, reshape, slice, sqrt, zeros } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';

const ROW = 1024;

export interface FlatParameter {
  readonly shape: readonly number[];
  readonly decay: boolean;
}

export class FlatLayout {
  /** Elements of the vector. */
  readonly length: number;
  /** How many of them decay. */
  readonly #decaying: number;
  readonly #parameters: readonly FlatParameter[];
  /** Where each parameter begins, in the order given. */
  readonly #starts: readonly number[];
  readonly #used: number;

  constructor(parameters: readonly FlatParameter[]) {
    const starts: number[] = [];
    let end = 0;
    const place = (decays: boolean): number => {
      parameters.forEach(({ shape, decay }, i) => {
        if (decay !== decays) return;
        starts[i] = end;
        end += sizeOf(shape);
      });
      return end;
    };
    this.#decaying = place(true);
    this.#used = place(false);
    this.#parameters = parameters;
    this.#starts = starts;
    this.length = Math.ceil(end / ROW) * ROW;
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
    const unused = this.length - this.#used;
    return concat(unused > 0 ? [...pieces, zeros([unused])] : pieces, 0);
  }

  /** The parameters that a vector holds. */
  split(vector: Value): Value[] {
    return this.#parameters.map(({ shape }, i) => {
      const start = this.#starts[i] ?? 0;
      return reshape(slice(vector, 0, start, start + sizeOf(shape)), shape);
    });
  }

  /** A scalar for each element that decays, 0 for the others. */
  whereDecaying(rate: Value): Value {
    return pad(expand(reshape(rate, [1]), [this.#decaying]), 0, 0, this.length - this.#decaying);
  }
}

/** The l2 norm of such a vector. Squares are summed row by row: float32 loses digits in one long sum. */
export function flatNorm(vector: Value): Value {
  const rows = reshape(mul(vector, vector), [sizeOf(vector.shape) / ROW, ROW]);
  return sqrt(reduceSum(reduceSum(rows, { axes: [1] })));
}
