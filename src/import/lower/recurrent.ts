/**
 * LSTM, GRU and RNN, unrolled over their steps. With the activations that everyone exports, their steps are those of our
 * layers; others are written with elementary ops.
 */
import { clip } from '../../autodiff/functions.ts';
import { expectAt } from '../../expect.ts';
import {
  type Carried,
  type Cell,
  cut,
  GRU,
  LSTM,
  stacked,
  unrolled,
  unstacked,
} from '../../layers/recurrent-steps.ts';
import {
  add,
  cast,
  concat,
  constant,
  gemm,
  less,
  mul,
  range,
  relu,
  reshape,
  sigmoid,
  slice,
  split,
  sub,
  tanh,
  transpose,
} from '../../onnx/ops.ts';
import { staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

type Activation = (x: Value) => Value;

const ACTIVATIONS: Readonly<Record<string, Activation>> = { sigmoid, tanh, relu };

/** What a kind of layer has: its gates in ONNX's order, its activations, and the cell that they make. */
interface Kind {
  readonly gates: number;
  readonly standard: readonly string[];
  readonly cell: (call: Call, settings: Settings) => Cell;
}

interface Settings {
  readonly activations: readonly Activation[];
  /** Limits what goes into an activation. */
  readonly bound: Activation;
  readonly isStandard: boolean;
  /** The LSTM's peepholes, [1, width] each: of the input, the output and the forget gate. */
  readonly peepholes: readonly Value[] | undefined;
}

/** The columns of four gates i, o, f, c, apart. */
const quarters = (x: Value): ((gate: number) => Value) => cut(x, [1, 1, 1, 1]);

const lstmCell = (call: Call, { activations, bound, isStandard, peepholes }: Settings): Cell => {
  const isCoupled = call.attributes.int('input_forget', 0) !== 0;
  if (isStandard && !peepholes && !isCoupled) return LSTM;
  const [f, g, h] = [expectAt(activations, 0), expectAt(activations, 1), expectAt(activations, 2)];
  const seen = (gate: Value, memory: Value, peephole: number): Value =>
    peepholes ? add(gate, mul(memory, expectAt(peepholes, peephole))) : gate;
  return {
    ...{ scales: [1, 1, 1, 1], hasRecurrentBias: false },
    step(fromInput, { state, memory }, kernel): Carried {
      const gates = quarters(gemm(state, kernel, fromInput));
      const i = f(bound(seen(gates(0), memory, 0)));
      const forget = isCoupled ? sub(1, i) : f(bound(seen(gates(2), memory, 2)));
      const next = add(mul(forget, memory), mul(i, g(bound(gates(3)))));
      const o = f(bound(seen(gates(1), next, 1)));
      return { state: mul(o, h(next)), memory: next };
    },
  };
};

/** h' = (1 − z)∘n + z∘h; with `linear_before_reset` 0 the reset gate is in front of the product. */
const gruCell = (call: Call, { activations, bound, isStandard }: Settings): Cell => {
  const isAfter = call.attributes.int('linear_before_reset', 0) !== 0;
  if (isAfter && isStandard) return GRU;
  const [f, g] = [expectAt(activations, 0), expectAt(activations, 1)];
  return {
    ...{ scales: [1, 1, 1], hasRecurrentBias: true },
    step(fromInput, { state, memory }, kernel, bias): Carried {
      const [input, weights] = [cut(fromInput, [2, 1]), cut(kernel, [2, 1])];
      const gates = cut(f(bound(add(input(0), gemm(state, weights(0))))), [1, 1]);
      const [update, reset] = [gates(0), gates(1)];
      const withBias = (x: Value): Value => (bias ? add(x, bias) : x);
      const recurrent = isAfter
        ? mul(reset, withBias(gemm(state, weights(1))))
        : withBias(gemm(mul(reset, state), weights(1)));
      const candidate = g(bound(add(input(1), recurrent)));
      return { state: add(candidate, mul(update, sub(state, candidate))), memory };
    },
  };
};

const rnnCell = (_: Call, { activations, bound }: Settings): Cell => ({
  ...{ scales: [1], hasRecurrentBias: false },
  step: (fromInput, { state, memory }, kernel) => ({
    state: expectAt(activations, 0)(bound(gemm(state, kernel, fromInput))),
    memory,
  }),
});

const LSTM_KIND: Kind = { gates: 4, standard: ['Sigmoid', 'Tanh', 'Tanh'], cell: lstmCell };
const GRU_KIND: Kind = { gates: 3, standard: ['Sigmoid', 'Tanh'], cell: gruCell };
const RNN_KIND: Kind = { gates: 1, standard: ['Tanh'], cell: rnnCell };

/** The activations of a direction. */
function settingsOf(call: Call, kind: Kind, direction: number): Settings {
  const count = kind.standard.length;
  const given = call.attributes.texts('activations')?.slice(direction * count, (direction + 1) * count);
  const names = (given && given.length === count ? given : kind.standard).map((name) => name.toLowerCase());
  const activations = names.map((name) => {
    const activation = ACTIVATIONS[name];
    if (activation) return activation;
    throw call.error(`expected activations Sigmoid, Tanh or Relu, got ${name}`);
  });
  const limit = call.attributes.float('clip', 0);
  const isStandard = limit === 0 && names.every((name, i) => name === kind.standard[i]?.toLowerCase());
  const width = widthOf(call);
  const all = kind.gates === 4 ? call.optional(7) : undefined;
  return {
    activations,
    bound: limit > 0 ? (x) => clip(x, -limit, limit) : (x) => x,
    isStandard,
    peepholes:
      all &&
      split(directionOf(all, direction), 0, [width, width, width]).map((each) => reshape(each, [1, width])),
  };
}

const widthOf = (call: Call): number => {
  const shape = call.shape(2);
  return staticDim(shape.at(-1), call.op, shape);
};

/** What a weight has for a direction. */
const directionOf = (weight: Value, direction: number): Value =>
  reshape(slice(weight, 0, direction, direction + 1), weight.shape.slice(1));

/** The rows of gates in the order that our cell has them: [gates·width, …]. */
function ordered(x: Value, order: readonly number[], width: number): Value {
  if (order.every((gate, i) => gate === i)) return x;
  const gates = split(
    x,
    0,
    order.map(() => width),
  );
  return concat(
    order.map((gate) => expectAt(gates, gate)),
    0,
  );
}

/** Which order our own cells have: i, f, g, o of i, o, f, c; and r, z, n of z, r, h. */
function orderFor(cell: Cell, gates: number): readonly number[] {
  if (cell === LSTM) return [0, 2, 3, 1];
  if (cell === GRU) return [1, 0, 2];
  return Array.from({ length: gates }, (_, i) => i);
}

/** The weights of a direction, as our cells take them. */
function weightsOf(call: Call, cell: Cell, { gates }: Kind, direction: number) {
  const width = widthOf(call);
  const order = orderFor(cell, gates);
  const of = (weight: Value): Value => ordered(directionOf(weight, direction), order, width);
  const biases = call.optional(3);
  const both = biases && split(directionOf(biases, direction), 0, [gates * width, gates * width]);
  const nothing = constant(new Float32Array(gates * width), [gates * width]);
  const [input, recurrent] = both ? both.map((bias) => ordered(bias, order, width)) : [];
  const kernels = {
    inputKernel: transpose(of(call.value(1))),
    recurrentKernel: transpose(of(call.value(2))),
  };
  if (!input || !recurrent) return { ...kernels, inputBias: nothing, recurrentBias: undefined };
  if (!cell.hasRecurrentBias)
    return { ...kernels, inputBias: add(input, recurrent), recurrentBias: undefined };
  // What the state adds to the last gate has a bias of its own.
  const last = (gates - 1) * width;
  const others = add(slice(input, 0, 0, last), slice(recurrent, 0, 0, last));
  const ofLast = (bias: Value): Value => slice(bias, 0, last, gates * width);
  return { ...kernels, inputBias: concat([others, ofLast(input)], 0), recurrentBias: ofLast(recurrent) };
}

/** Which steps are real, bool [steps, batch, 1]; undefined where all are. */
function realSteps(call: Call, steps: number): Value | undefined {
  const lengths = call.optional(4);
  if (!lengths) return undefined;
  const [batch = 0] = lengths.shape;
  const known = call.known(4);
  if (known?.data.every((length) => length === steps)) return undefined;
  return less(reshape(range(steps), [steps, 1, 1]), reshape(cast(lengths, 'int32'), [1, batch, 1]));
}

const layer =
  (kind: Kind): Lowering =>
  (call) => {
    const isBatchFirst = call.attributes.int('layout', 0) !== 0;
    const swapped = (x: Value): Value => transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)]);
    const x = isBatchFirst ? swapped(call.value(0)) : call.value(0);
    const steps = staticDim(x.shape[0], `${call.op}: its steps`, x.shape);
    const direction = call.attributes.text('direction', 'forward');
    if (!['forward', 'reverse', 'bidirectional'].includes(direction)) {
      throw call.error(`expected direction forward, reverse or bidirectional, got ${direction}`);
    }
    const real = realSteps(call, steps);
    const isReal = real && unstacked(real);
    const initial = (input: number, at: number): Value | undefined => {
      const given = call.optional(input);
      return given && directionOf(isBatchFirst ? swapped(given) : given, at);
    };
    const runs = (direction === 'bidirectional' ? [false, true] : [direction === 'reverse']).map(
      (fromLast, at) => {
        const cell = kind.cell(call, settingsOf(call, kind, at));
        const [state, memory] = [initial(5, at), kind.gates === 4 ? initial(6, at) : undefined];
        const start = { ...(state && { state }), ...(memory && { memory }) };
        return unrolled(cell, weightsOf(call, cell, kind, at), x, { isReal, fromLast, start });
      },
    );
    const all = runs.map(({ all: states }) => {
      const y = stacked(states);
      const shown = real ? mul(y, cast(real, 'float32')) : y;
      return reshape(shown, [steps, 1, ...shown.shape.slice(1)]);
    });
    const last = (of: 'last' | 'memory'): Value => {
      const states = runs.map((run) => reshape(run[of], [1, ...run[of].shape]));
      return isBatchFirst ? swapped(concat(states, 0)) : concat(states, 0);
    };
    const y = concat(all, 1);
    const states = isBatchFirst ? transpose(y, [2, 0, 1, 3]) : y;
    return [states, last('last'), ...(kind.gates === 4 ? [last('memory')] : [])].slice(0, call.outputs);
  };

export const RECURRENT: Lowerings = {
  LSTM: layer(LSTM_KIND),
  GRU: layer(GRU_KIND),
  RNN: layer(RNN_KIND),
};
