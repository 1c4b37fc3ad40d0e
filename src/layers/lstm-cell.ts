/** What an LSTM does with its gates at one step, with derivatives in closed form. */
import { lift, sum } from '../autodiff/linear.ts';
import { expectAt } from '../expect.ts';
import { add, call, concat, mul, sigmoid, split, sub, tanh } from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';

/**
 * c' = σ(f)∘c + σ(i)∘tanh(g) and h' = σ(o)∘tanh(c') (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al.
 * 2000), from the gates before their activations in PyTorch's order i, f, g, o: float32 [batch, 4·width], and the memory
 * c [batch, width].
 *
 * With tanh(g) = 2σ(2g) − 1 all four go through one sigmoid s; so the gates must hold 2g in place of g. Its derivative is
 * then one too: with t = tanh(c') and q = (σ(i)∘tanh(g), σ(f)∘c, 2σ(i)∘σ(2g), h')∘(1 − s), a cotangent of the memory in
 * front of the step is d∘σ(f) and that of the gates (d, d, d, dh')∘q, where d = dc' + dh'∘(σ(o) − h'∘t). All but d are
 * values of the forward pass: few small operations wait for the cotangents, step after step.
 */
export function lstmStep(gates: Value, memory: Value): { readonly state: Value; readonly memory: Value } {
  const [state = gates, next = memory] = call(STEP, [gates, memory]);
  return { state, memory: next };
}

const STEP: Composite = {
  name: 'lstm-step',
  body: (given) => {
    const { state, next } = parts(expectAt(given, 0), expectAt(given, 1));
    return [state, next];
  },
  vjp: ([dState, dNext], _y, given) => {
    const { forget, factors, output } = parts(expectAt(given, 0), expectAt(given, 1));
    const d = sum(
      dNext,
      lift(dState, (ct) => mul(ct, output)),
    );
    if (!d) return [undefined, undefined];
    const ofOutput = dState ?? mul(d, 0);
    return [mul(concat([d, d, d, ofOutput], 1), factors), mul(d, forget)];
  },
  jvp: ([tGates, tMemory], _y, given) => {
    const { forget, factors, output } = parts(expectAt(given, 0), expectAt(given, 1));
    const [i, f, g, o] = tGates ? quarters(mul(tGates, factors)) : [];
    const next = sum(
      sum(sum(i, f), g),
      lift(tMemory, (t) => mul(t, forget)),
    );
    return [
      sum(
        o,
        lift(next, (t) => mul(t, output)),
      ),
      next,
    ];
  },
};

/** The values of a step: what comes out, σ(f), the gates' factors q, and σ(o) − h'∘t. */
function parts(gates: Value, memory: Value) {
  const s = sigmoid(gates);
  const [i, forget, half, o] = quarters(s);
  const twice = mul(mul(i, half), 2);
  const [added, kept] = [sub(twice, i), mul(forget, memory)];
  const next = add(kept, added);
  const t = tanh(next);
  const state = mul(o, t);
  const factors = mul(concat([added, kept, twice, state], 1), sub(1, s));
  return { state, next, forget, factors, output: sub(o, mul(state, t)) };
}

function quarters(x: Value): [Value, Value, Value, Value] {
  const width = staticDim(x.shape[1], 'lstm', x.shape) / 4;
  const pieces = split(x, 1, [width, width, width, width]);
  return [expectAt(pieces, 0), expectAt(pieces, 1), expectAt(pieces, 2), expectAt(pieces, 3)];
}
