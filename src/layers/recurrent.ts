/**
 * Recurrent layers, unrolled over their steps: the LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et
 * al. 2000) and the GRU (Cho et al. 2014), with the gates of PyTorch and cuDNN. What the inputs of all steps contribute
 * to the gates is one product; each step adds one product of its state. The steps' parts of a weight's gradient become
 * one product again by passes/sums.ts.
 */
import { UserError } from '../errors.ts';
import { expectAt, expectNumber, expectOneOf } from '../expect.ts';
import { cast, concat, mul, reduceSum, reshape, slice, sub, transpose } from '../onnx/ops.ts';
import { sameShape, show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { dropout } from './dropout.ts';
import { type Cell, type CellWeights, GRU, LSTM, stacked, unrolled, unstacked } from './recurrent-steps.ts';
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
  return recurrent('lstm', LSTM, scope, x, width, options);
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
  return recurrent('gru', GRU, scope, x, width, options);
}

function recurrent(
  name: string,
  cell: Cell,
  scope: Scope,
  given: Value,
  width: number,
  options: RecurrentOptions,
): Value {
  const { layers = 1, bidirectional = false, output = 'last', stepsFirst = false } = options;
  const { dropout: rate = 0, mask, paddingLast = false } = options;
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
      const inputs = staticDim(x.shape[2], 'recurrent: x', x.shape);
      const weights = weightsOf(cell, own.sub(direction), inputs, width);
      const { all, last } = unrolled(cell, weights, x, { isReal: keeps, fromLast });
      return { all, last: () => (real && !keeps ? lastReal(stacked(all), real) : last) };
    });
    if (layer === layers - 1 && output === 'last') return concatenated(states.map(({ last }) => last()));
    x = concatenated(states.map(({ all }) => stacked(all)));
    if (layer === layers - 1) return turned(x);
    x = dropout(own.sub('drop'), x, rate);
  }
}

/** The parameters of one direction of one layer. */
function weightsOf({ scales, hasRecurrentBias }: Cell, scope: Scope, inputs: number, width: number): CellWeights {
  const columns = scales.length * width;
  const [input, recurrent] = [scope.sub('input'), scope.sub('recurrent')];
  const xavier = { kind: 'xavier-uniform' } as const;
  return {
    inputKernel: input.param('kernel', [inputs, columns], xavier),
    inputBias: input.param('bias', [columns], { kind: 'zeros' }),
    recurrentKernel: recurrent.param('kernel', [width, columns], xavier),
    recurrentBias: hasRecurrentBias ? recurrent.param('bias', [width], { kind: 'zeros' }) : undefined,
  };
}

/** The states of each example's last real step, [batch, n] of [steps, batch, n]; 0 where it has none. */
function lastReal(states: Value, isReal: Value): Value {
  const real = cast(isReal, 'float32');
  const steps = staticDim(real.shape[0], 'recurrent: mask', real.shape);
  const next = concat([slice(real, 0, 1, steps), mul(slice(real, 0, 0, 1), 0)], 0);
  return reduceSum(mul(states, sub(real, next)), { axes: [0] });
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
