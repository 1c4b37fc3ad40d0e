/**
 * Recurrent cells, and how they are unrolled over steps: the LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of
 * Gers et al. 2000) and the GRU (Cho et al. 2014), with the gates of PyTorch and cuDNN.
 */
import { linear } from '../autodiff/functions.ts';
import { expectAt } from '../expect.ts';
import {
  add,
  concat,
  constant,
  gemm,
  mul,
  reshape,
  sigmoid,
  split,
  sub,
  tanh,
  where,
  zeros,
} from '../onnx/ops.ts';
import { product, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { lstmStep } from './lstm-cell.ts';

/** What goes from step to step, each [batch, width]: the state, which others see, and the LSTM's memory. */
export interface Carried {
  readonly state: Value;
  readonly memory: Value;
}

export interface Cell {
  /** For each gate, what the contributions of the input and of the state to it are multiplied by. */
  readonly scales: readonly number[];
  /** Whether what the state contributes to the last gate has a bias of its own. */
  readonly hasRecurrentBias: boolean;
  /** What is carried on, from what the input contributes [batch, gates·width], and the weights of the state. */
  step(fromInput: Value, carried: Carried, kernel: Value, bias: Value | undefined): Carried;
}

export const LSTM: Cell = {
  ...{ scales: [1, 1, 2, 1], hasRecurrentBias: false },
  step: (fromInput, carried, kernel) => lstmStep(gemm(carried.state, kernel, fromInput), carried.memory),
};

/** h' = n + σ(z)∘(h − n) with n = tanh(x_n + σ(r)∘(h_n + bias)), with the gates in PyTorch's order r, z, n. */
export const GRU: Cell = {
  ...{ scales: [1, 1, 1], hasRecurrentBias: true },
  step(fromInput, { state: before, memory }, kernel, bias) {
    const [input, recurrent] = [cut(fromInput, [2, 1]), cut(gemm(before, kernel), [2, 1])];
    const gate = cut(sigmoid(add(input(0), recurrent(0))), [1, 1]);
    const contributed = bias ? add(recurrent(1), bias) : recurrent(1);
    const candidate = tanh(add(input(1), mul(gate(0), contributed)));
    return { state: add(candidate, mul(gate(1), sub(before, candidate))), memory };
  },
};

/** The columns of a matrix in pieces of these shares, by their number. */
export function cut(x: Value, shares: readonly number[]): (piece: number) => Value {
  const unit = staticDim(x.shape[1], 'recurrent', x.shape) / shares.reduce((sum, share) => sum + share, 0);
  const pieces = split(
    x,
    1,
    shares.map((share) => share * unit),
  );
  return (piece) => expectAt(pieces, piece);
}

/** The weights of one direction of one layer. */
export interface CellWeights {
  /** [in, gates·width] */
  readonly inputKernel: Value;
  /** [gates·width] */
  readonly inputBias: Value;
  /** [width, gates·width] */
  readonly recurrentKernel: Value;
  /** [width], of the last gate, where the cell has one. */
  readonly recurrentBias: Value | undefined;
}

export interface UnrollOptions {
  /** bool [batch, 1] for each step: a step that is not real keeps what it finds. */
  readonly isReal?: readonly Value[] | undefined;
  /** Whether it goes from the last step to the first. */
  readonly fromLast: boolean;
  /** What the first step finds; zeros by default. */
  readonly start?: Partial<Carried>;
}

export interface Unrolled {
  /** The states of the steps in the order of time. */
  readonly all: readonly Value[];
  readonly last: Value;
  /** What the last step carries on besides its state. */
  readonly memory: Value;
}

/** One direction of one layer over x [steps, batch, in]. */
export function unrolled(
  { scales, step }: Cell,
  { inputKernel, inputBias, recurrentKernel, recurrentBias }: CellWeights,
  x: Value,
  { isReal, fromLast, start = {} }: UnrollOptions,
): Unrolled {
  const width = staticDim(recurrentKernel.shape[0], 'recurrent', recurrentKernel.shape);
  const scaled = scaledColumns(scales, width);
  const inputs = unstacked(linear(x, scaled(inputKernel), scaled(inputBias)));
  const kernel = scaled(recurrentKernel);
  const nothing = zerosFor(expectAt(inputs, 0), width);
  let carried: Carried = { state: nothing, memory: nothing, ...start };
  const order = inputs.map((_, i) => (fromLast ? inputs.length - 1 - i : i));
  const all: Value[] = [];
  for (const at of order) {
    const before = carried;
    carried = step(expectAt(inputs, at), before, kernel, recurrentBias);
    if (isReal) carried = kept(expectAt(isReal, at), carried, before);
    all[at] = carried.state;
  }
  return { all, last: carried.state, memory: carried.memory };
}

/** A function that multiplies the columns of each gate. */
function scaledColumns(scales: readonly number[], width: number): (x: Value) => Value {
  if (scales.every((scale) => scale === 1)) return (x) => x;
  const factors = scales.flatMap((scale) => Array.from({ length: width }, () => scale));
  const row = constant(Float32Array.from(factors), [factors.length]);
  return (x) => mul(x, row);
}

/** What is carried on: where a step is padding, what it found. */
function kept(isReal: Value, next: Carried, before: Carried): Carried {
  const choose = (a: Value, b: Value): Value => (a === b ? a : where(isReal, a, b));
  return { state: choose(next.state, before.state), memory: choose(next.memory, before.memory) };
}

/**
 * [batch, width]. The product with it is left in: a weight's gradient then has a part from every step, and these parts
 * lie in memory as those of the inputs do.
 */
function zerosFor(like: Value, width: number): Value {
  const [batch = 0] = like.shape;
  if (typeof batch === 'number') return zeros([batch, width]);
  const never = constant(Uint8Array.of(0), [1, 1], 'bool');
  return where(never, cut(like, [width, Number(like.shape[1]) - width])(0), 0);
}

/** The steps [batch, n] of x [steps, batch, n]. */
export function unstacked(x: Value): readonly Value[] {
  const [steps, batch = 0, n = 0] = x.shape;
  const count = staticDim(steps, 'recurrent: x', x.shape);
  const isStatic = typeof batch === 'number';
  const rows = isStatic ? reshape(x, [product([count, batch]), n]) : x;
  const sizes = Array.from({ length: count }, () => (isStatic ? batch : 1));
  return split(rows, 0, sizes).map((each) => reshape(each, [batch, n]));
}

/** The inverse of `unstacked`. */
export function stacked(values: readonly Value[]): Value {
  const [batch = 0, n = 0] = expectAt(values, 0).shape;
  const isStatic = typeof batch === 'number';
  const all = concat(isStatic ? values : values.map((each) => reshape(each, [1, batch, n])), 0);
  return reshape(all, [values.length, batch, n]);
}

