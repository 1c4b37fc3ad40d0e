/**
 * A regularizer of a user's own, of ten lines, and the update rules, as a graph of a whole step and on the host: the
 * same numbers, and those of their papers' formulas in plain arithmetic.
 */
import test from 'ava';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { expectAt } from '../../src/expect.ts';
import { substitute } from '../../src/onnx/graph.ts';
import { add as addValues, input, mul as mulValues, reduceSum, scalar, tanh } from '../../src/onnx/ops.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { FlatLayout } from '../../src/step/flat.ts';
import { graphStep } from '../../src/step/graph.ts';
import { type Arrays, type HostDerivatives, planStep } from '../../src/step/host.ts';
import {
  abs,
  add,
  mul,
  norm,
  over,
  type Program,
  type Regularizer,
  traceStep,
  type UpdateRule,
} from '../../src/step/program.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference, sam } from '../../src/step/regularizers/finite-difference.ts';
import { adabelief } from '../../src/step/rules/adabelief.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { ema } from '../../src/step/rules/ema.ts';
import { lion } from '../../src/step/rules/lion.ts';
import { radam } from '../../src/step/rules/radam.ts';
import { rmsprop } from '../../src/step/rules/rmsprop.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { graphOf, run } from '../_run.ts';

/** ASAM (Kwon et al., ICML 2021): ∇L(θ + r·T²g/‖Tg‖) with T = |θ|. */
const asam: Regularizer<'r'> = {
  name: 'asam',
  scalars: ['r'],
  gradient(d, { r }) {
    const t = abs(d.theta);
    const tg = mul(t, d.gradient());
    return d.gradient(add(d.theta, mul(over(r, norm(tg)), mul(t, tg))));
  },
};

const SHAPES = [[3], [2, 2]] as const;
/** L = Σ tanh(a)² + Σ b⁴ + Σa·Σb: small, and not quadratic. */
function lossOf([a, b]: readonly Value[]): Value {
  if (!a || !b) throw new Error('two parameters');
  const sum = (x: Value): Value => reduceSum(x, {});
  const fourth = mulValues(mulValues(b, b), mulValues(b, b));
  return addValues(addValues(sum(mulValues(tanh(a), tanh(a))), sum(fourth)), mulValues(sum(a), sum(b)));
}

const parameters = SHAPES.map((shape, i) => input(`p${i}`, shape));
const gradient = grad(lossOf(parameters), parameters);
const start: Arrays = [Float32Array.of(0.3, -0.5, 0.7), Float32Array.of(0.2, -0.9, 0.4, 0.6)];
const RATES = { learningRate: [0.1, 0.05], weightDecay: [0.2, 0] };

const feedsOf = (arrays: Arrays, prefix = 'p'): Record<string, Float32Array> =>
  Object.fromEntries(SHAPES.map((_, i) => [`${prefix}${i}`, arrays[i] ?? new Float32Array()]));

async function evaluate(
  values: readonly Value[],
  feeds: Readonly<Record<string, Float32Array>>,
): Promise<Float32Array[]> {
  const out = await run(Object.fromEntries(values.map((value, i) => [`y${i}`, value])), feeds);
  return values.map((_, i) => out[`y${i}`] ?? new Float32Array());
}

const vectors = SHAPES.map((shape, i) => input(`v${i}`, shape));
const derivativesAt = (theta: Arrays): HostDerivatives => ({
  gradient: (at = theta) => evaluate(gradient, feedsOf(at)),
  hessianTimes: (v) =>
    evaluate(hvp(gradient, parameters, vectors), { ...feedsOf(theta), ...feedsOf(v, 'v') }),
});

type State = Record<string, Arrays>;

function startOf(rule: UpdateRule): State {
  const slot = (name: string): Arrays =>
    start.map((array) => (rule.copies?.includes(name) ? array.slice() : new Float32Array(array.length)));
  return {
    theta: start.map((array) => array.slice()),
    ...Object.fromEntries(rule.slots.map((name) => [name, slot(name)])),
  };
}

const STRENGTHS = { r: 0.05, lambda: 0.1, alpha: 0.7, clip: 2 };

async function onHost(program: Program, rule: UpdateRule, steps: number): Promise<State> {
  const plan = planStep(program);
  const state = startOf(rule);
  const scratch = new Map<number, Arrays>();
  for (let count = 1; count <= steps; count++) {
    await plan.run({
      derivatives: derivativesAt(state.theta ?? []),
      state,
      scratch: (k) => {
        const room = scratch.get(k) ?? start.map(({ length }) => new Float32Array(length));
        scratch.set(k, room);
        return room;
      },
      scalars: { uniform: { ...STRENGTHS, ...rule.scalars(count) }, grouped: RATES },
    });
  }
  return state;
}

async function asGraph(program: Program, rule: UpdateRule, steps: number): Promise<State> {
  const layout = new FlatLayout(SHAPES.map((shape, group) => ({ shape, group })));
  const inputs = Object.fromEntries(
    Object.keys(program.next).map((name) => [name, input(name, [layout.length])]),
  );
  const grouped = Object.fromEntries(
    Object.entries(RATES).map(([name, values]) => [
      name,
      values.map((value) => (value === 0 ? undefined : scalar(value))),
    ]),
  );
  const { next, places } = graphStep(program, { layout, parameters, gradient, state: inputs, grouped });
  const outputs = substitute(Object.values(next), places);
  const named = Object.fromEntries(
    Object.keys(next).map((name, i) => [`${name}_next`, expectAt(outputs, i)]),
  );
  const state = startOf(rule);
  let flat = Object.fromEntries(Object.entries(state).map(([name, arrays]) => [name, layout.pack(arrays)]));
  for (let count = 1; count <= steps; count++) {
    const numbers = { ...STRENGTHS, ...rule.scalars(count) };
    const feeds = Object.fromEntries(
      Object.entries(numbers).map(([name, value]) => [name, Float32Array.of(value)]),
    );
    const used = graphOf(named).inputs.map(({ node }) => (isOp(node, 'Input') ? node.attributes.name : ''));
    const all: Record<string, Float32Array> = { ...flat, ...feeds };
    const out = await run(
      named,
      Object.fromEntries(used.map((name) => [name, all[name] ?? new Float32Array()])),
    );
    flat = Object.fromEntries(
      Object.keys(flat).map((name) => [name, out[`${name}_next`] ?? new Float32Array()]),
    );
  }
  for (const [name, arrays] of Object.entries(state))
    layout.unpack(flat[name] ?? new Float32Array(), [...arrays]);
  return state;
}

const CASES: readonly (readonly [Regularizer, UpdateRule])[] = [
  [asam, lion()],
  [exact, radam({ beta2: 0.5 })],
  [sam, adabelief()],
  [exact, adamw({ momentStart: 'first-gradient' })],
  [asam, adamw()],
  [exact, ema(adamw(), 0.9)],
  [finiteDifference, rmsprop()],
  [sam, sgd({ nesterov: true })],
];

for (const [regularizer, rule] of CASES) {
  const form = rule.scalars(1).keep2 === 0 ? ' from the first gradient' : '';
  test(`${regularizer.name} with ${rule.name}${form} (${rule.slots.join(', ')}): a graph of a whole step is the host's plan`, async (t) => {
    const program = traceStep({ regularizer, rule });
    const [host, graph] = [await onHost(program, rule, 4), await asGraph(program, rule, 4)];
    for (const [name, arrays] of Object.entries(host)) {
      arrays.forEach((array, i) => {
        array.forEach((value, k) => {
          const got = graph[name]?.[i]?.[k] ?? Number.NaN;
          t.true(
            Math.abs(got - value) < 2e-6 * Math.max(1, Math.abs(value)),
            `${name} ${i}[${k}]: ${got}, not ${value}`,
          );
        });
      });
    }
  });
}

test('ASAM with Lion is what their papers say, in plain arithmetic', async (t) => {
  const state = await onHost(traceStep({ regularizer: asam, rule: lion() }), lion(), 1);
  const flat = start.flatMap((array) => [...array]);
  const parts = (values: readonly number[]): Arrays => [
    Float32Array.from(values.slice(0, 3)),
    Float32Array.from(values.slice(3)),
  ];
  const gradientAt = async (values: readonly number[]): Promise<number[]> =>
    (await evaluate(gradient, feedsOf(parts(values)))).flatMap((array) => [...array]);
  const g = await gradientAt(flat);
  const scaled = g.map((x, i) => Math.abs(flat[i] ?? 0) * x);
  const there = flat.map(
    (x, i) => x + (STRENGTHS.r * Math.abs(x) * (scaled[i] ?? 0)) / Math.hypot(...scaled),
  );
  const regularized = await gradientAt(there);
  const factor = Math.min(1, STRENGTHS.clip / (Math.hypot(...regularized) + 1e-6));
  const got = (state.theta ?? []).flatMap((array) => [...array]);
  flat.forEach((x, i) => {
    const [rate = 0, decay = 0] = [RATES.learningRate[i < 3 ? 0 : 1], RATES.weightDecay[i < 3 ? 0 : 1]];
    const wanted = x - rate * (Math.sign(regularized[i] ?? 0) + decay * x);
    t.true(Math.abs((got[i] ?? 0) - wanted) < 1e-6, `${i}: ${got[i]}, not ${wanted}`);
  });
  const mu = (state.mu ?? []).flatMap((array) => [...array]);
  regularized.forEach((x, i) => {
    t.true(Math.abs((mu[i] ?? 0) - 0.01 * factor * x) < 1e-6);
  });
});
