/**
 * Recurrent layers, unrolled over their steps: the LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et
 * al. 2000) and the GRU (Cho et al. 2014), with the gates of PyTorch and cuDNN. What the inputs of all steps contribute
 * to the gates is one product; each step adds one product of its state. The steps' parts of a weight's gradient become
 * one product again by passes/sums.ts.
 */
import { linear } from '../autodiff/functions.ts';
import { UserError } from '../errors.ts';
import { expectAt, expectNumber, expectOneOf } from '../expect.ts';
import {
  add,
  cast,
  concat,
  constant,
  gemm,
  mul,
  reduceSum,
  reshape,
  sigmoid,
  slice,
  split,
  sub,
  tanh,
  transpose,
  where,
  zeros,
} from '../onnx/ops.ts';
import { product, sameShape, show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { dropout } from './dropout.ts';
import { lstmStep } from './lstm-cell.ts';
import type { Scope } from './scope.ts';

/** How many recurrent layers, over which steps, and what they give. */
export interface RecurrentOptions {
  /** Layers, each over the states of the one before it; 1 by default. */
  readonly layers?: number;
  /** Whether each layer also goes over the steps from the last to the first, with weights of its own; false by default. */
  readonly bidirectional?: boolean;
  /** The rate of dropout between layers, while training; 0 by default. */
  readonly dropout?: number;
  /** bool [batch, steps]: false for padding. Such a step keeps the state that it finds. */
  readonly mask?: Value | undefined;
  /**
   * Whether in every example padding only follows the real steps; false by default. Steps forwards then need not keep
   * their state, which is faster: the states of padding are not defined, and the last state is picked from all.
   */
  readonly paddingLast?: boolean;
  /** What comes out: the state behind the last step, the default, or the states of all steps. */
  readonly output?: 'last' | 'all';
  /**
   * Whether the steps are the first axis, of x, of the mask and of what comes out, and the batch is the second; false by
   * default. The layer computes so, and then transposes nothing.
   */
  readonly stepsFirst?: boolean;
}

/** What goes from step to step, each [batch, width]: the state, which others see, and the LSTM's memory. */
interface Carried {
  readonly state: Value;
  readonly memory: Value;
}

interface Cell {
  readonly name: string;
  /** For each gate, what the contributions of the input and of the state to it are multiplied by. */
  readonly scales: readonly number[];
  /** Whether what the state contributes to the last gate has a bias of its own. */
  readonly hasRecurrentBias: boolean;
  /** What is carried on, from what the input contributes [batch, gates·width], and the weights of the state. */
  step(fromInput: Value, carried: Carried, kernel: Value, bias: Value | undefined): Carried;
}

const LSTM: Cell = {
  ...{ name: 'lstm', scales: [1, 1, 2, 1], hasRecurrentBias: false },
  step: (fromInput, carried, kernel) => lstmStep(gemm(carried.state, kernel, fromInput), carried.memory),
};

/** h' = n + σ(z)∘(h − n) with n = tanh(x_n + σ(r)∘(h_n + bias)), with the gates in PyTorch's order r, z, n. */
const GRU: Cell = {
  ...{ name: 'gru', scales: [1, 1, 1], hasRecurrentBias: true },
  step(fromInput, { state: before, memory }, kernel, bias) {
    const [input, recurrent] = [cut(fromInput, [2, 1]), cut(gemm(before, kernel), [2, 1])];
    const gate = cut(sigmoid(add(input(0), recurrent(0))), [1, 1]);
    const contributed = bias ? add(recurrent(1), bias) : recurrent(1);
    const candidate = tanh(add(input(1), mul(gate(0), contributed)));
    return { state: add(candidate, mul(gate(1), sub(before, candidate))), memory };
  },
};

/** The columns of a matrix in pieces of these shares, by their number. */
function cut(x: Value, shares: readonly number[]): (piece: number) => Value {
  const unit = staticDim(x.shape[1], 'recurrent', x.shape) / shares.reduce((sum, share) => sum + share, 0);
  const pieces = split(
    x,
    1,
    shares.map((share) => share * unit),
  );
  return (piece) => expectAt(pieces, piece);
}

/**
 * LSTM layers over the steps of x: float32 [batch, steps, in] → the state behind the last step [batch, width], or with
 * `output: 'all'` all states [batch, steps, width]; the width is doubled where it is bidirectional, the states of both
 * directions side by side. States start at 0. The batch may be symbolic.
 *
 * The parameters of layer l are in `layer<l>/forward` and `layer<l>/backward`: `input/kernel` [in, 4·width],
 * `input/bias` [4·width] and `recurrent/kernel` [width, 4·width]. They are PyTorch's `weight_ih_l<l>` transposed,
 * `bias_ih_l<l>` + `bias_hh_l<l>`, and `weight_hh_l<l>` transposed; `_reverse` of these are those of `backward`.
 *
 * Throws UserError where x, the mask or an option is of another shape, dtype or range.
 */
export function lstm(scope: Scope, x: Value, width: number, options: RecurrentOptions = {}): Value {
  return recurrent(LSTM, scope, x, width, options);
}

/**
 * GRU layers over the steps of x; shapes, options and names are those of `lstm`. Its gates are PyTorch's and cuDNN's
 * (`reset_after` of Keras): the reset gate multiplies what the state contributes, with its bias.
 *
 * `input/kernel` is [in, 3·width], `input/bias` [3·width], `recurrent/kernel` [width, 3·width], and `recurrent/bias`
 * [width] is of the last gate. They are PyTorch's `weight_ih_l<l>` transposed; `bias_ih_l<l>`, plus `bias_hh_l<l>` for the
 * first two gates; `weight_hh_l<l>` transposed; and `bias_hh_l<l>` for the last gate.
 *
 * Throws UserError where x, the mask or an option is of another shape, dtype or range.
 */
export function gru(scope: Scope, x: Value, width: number, options: RecurrentOptions = {}): Value {
  return recurrent(GRU, scope, x, width, options);
}

function recurrent(cell: Cell, scope: Scope, given: Value, width: number, options: RecurrentOptions): Value {
  const { layers = 1, bidirectional = false, output = 'last', stepsFirst = false } = options;
  const { dropout: rate = 0, mask, paddingLast = false } = options;
  const { name } = cell;
  expectNumber(`${name}: width`, width, { min: 1, isInteger: true });
  expectNumber(`${name}: layers`, layers, { min: 1, isInteger: true });
  expectOneOf(`${name}: output`, output, ['last', 'all']);
  expectSteps(name, given, mask, stepsFirst);
  const turned = (value: Value): Value => (stepsFirst ? value : swapAxes(value));
  const real = mask && reshape(turned(mask), [...turned(mask).shape, 1]);
  const isReal = real && unstacked(real);
  const directions = bidirectional ? (['forward', 'backward'] as const) : (['forward'] as const);
  let x = turned(given);
  for (let layer = 0; ; layer++) {
    const own = scope.sub(`layer${layer}`);
    const states = directions.map((direction) => {
      const fromLast = direction === 'backward';
      const keeps = paddingLast && !fromLast ? undefined : isReal;
      const { all, last } = unrolled(cell, own.sub(direction), { x, width, isReal: keeps, fromLast });
      return { all, last: () => (real && !keeps ? lastReal(stacked(all), real) : last) };
    });
    if (layer === layers - 1 && output === 'last') return concatenated(states.map(({ last }) => last()));
    x = concatenated(states.map(({ all }) => stacked(all)));
    if (layer === layers - 1) return turned(x);
    x = dropout(own.sub('drop'), x, rate);
  }
}

interface Unrolled {
  /** The states of the steps in the order of time. */
  readonly all: readonly Value[];
  readonly last: Value;
}

/** One direction of one layer. `isReal` is bool [batch, 1] for each step. */
function unrolled(
  { scales, hasRecurrentBias, step }: Cell,
  scope: Scope,
  {
    x,
    width,
    isReal,
    fromLast,
  }: {
    readonly x: Value;
    readonly width: number;
    readonly isReal: readonly Value[] | undefined;
    readonly fromLast: boolean;
  },
): Unrolled {
  const columns = scales.length * width;
  const [input, recurrent] = [scope.sub('input'), scope.sub('recurrent')];
  const xavier = { kind: 'xavier-uniform' } as const;
  const inputKernel = input.param(
    'kernel',
    [staticDim(x.shape[2], 'recurrent: x', x.shape), columns],
    xavier,
  );
  const inputBias = input.param('bias', [columns], { kind: 'zeros' });
  const recurrentKernel = recurrent.param('kernel', [width, columns], xavier);
  const bias = hasRecurrentBias ? recurrent.param('bias', [width], { kind: 'zeros' }) : undefined;
  const scaled = scaledColumns(scales, width);
  const inputs = unstacked(linear(x, scaled(inputKernel), scaled(inputBias)));
  const kernel = scaled(recurrentKernel);
  const start = zerosFor(expectAt(inputs, 0), width);
  let carried: Carried = { state: start, memory: start };
  const order = inputs.map((_, i) => (fromLast ? inputs.length - 1 - i : i));
  const all: Value[] = [];
  for (const at of order) {
    const before = carried;
    carried = step(expectAt(inputs, at), before, kernel, bias);
    if (isReal) carried = kept(expectAt(isReal, at), carried, before);
    all[at] = carried.state;
  }
  return { all, last: carried.state };
}

/** The states of each example's last real step, [batch, n] of [steps, batch, n]; 0 where it has none. */
function lastReal(states: Value, isReal: Value): Value {
  const real = cast(isReal, 'float32');
  const steps = staticDim(real.shape[0], 'recurrent: mask', real.shape);
  const next = concat([slice(real, 0, 1, steps), mul(slice(real, 0, 0, 1), 0)], 0);
  return reduceSum(mul(states, sub(real, next)), { axes: [0] });
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
function unstacked(x: Value): readonly Value[] {
  const [steps, batch = 0, n = 0] = x.shape;
  const count = staticDim(steps, 'recurrent: x', x.shape);
  const isStatic = typeof batch === 'number';
  const rows = isStatic ? reshape(x, [product([count, batch]), n]) : x;
  const sizes = Array.from({ length: count }, () => (isStatic ? batch : 1));
  return split(rows, 0, sizes).map((each) => reshape(each, [batch, n]));
}

/** The inverse of `unstacked`. */
function stacked(values: readonly Value[]): Value {
  const [batch = 0, n = 0] = expectAt(values, 0).shape;
  const isStatic = typeof batch === 'number';
  const all = concat(isStatic ? values : values.map((each) => reshape(each, [1, batch, n])), 0);
  return reshape(all, [values.length, batch, n]);
}

/** The directions side by side. */
function concatenated(values: readonly Value[]): Value {
  return values.length === 1 ? expectAt(values, 0) : concat(values, -1);
}

function swapAxes(x: Value): Value {
  return transpose(x, x.shape.length === 2 ? [1, 0] : [1, 0, 2]);
}

function expectSteps(name: string, x: Value, mask: Value | undefined, stepsFirst: boolean): void {
  const [a = 0, b = 0] = x.shape;
  if (x.shape.length !== 3 || x.dtype !== 'float32') {
    const wanted = stepsFirst ? '[steps, batch, in]' : '[batch, steps, in]';
    throw new UserError(`${name}: expected x float32 ${wanted}, got ${x.dtype} ${show(x.shape)}`);
  }
  const steps = stepsFirst ? a : b;
  if (typeof steps !== 'number') {
    throw new UserError(`${name}: expected a fixed number of steps, got x ${show(x.shape)}`);
  }
  if (mask && (mask.dtype !== 'bool' || !sameShape(mask.shape, [a, b]))) {
    const got = `${mask.dtype} ${show(mask.shape)}`;
    throw new UserError(`${name}: expected a mask bool ${show([a, b])}, got ${got}`);
  }
}
