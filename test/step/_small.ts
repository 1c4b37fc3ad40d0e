/** A small problem for formulas of steps: its derivatives, and programs run on the host and as a graph of a whole step. */
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { expectAt } from '../../src/expect.ts';
import { substitute } from '../../src/onnx/graph.ts';
import { add as addValues, input, mul as mulValues, reduceSum, scalar, tanh } from '../../src/onnx/ops.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { FlatLayout } from '../../src/step/flat.ts';
import { graphStep } from '../../src/step/graph.ts';
import { type Arrays, type HostDerivatives, planStep } from '../../src/step/host.ts';
import type { Program, UpdateRule } from '../../src/step/program.ts';
import { graphOf, run } from '../_run.ts';

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
export const start: Arrays = [Float32Array.of(0.3, -0.5, 0.7), Float32Array.of(0.2, -0.9, 0.4, 0.6)];
export const RATES = { learningRate: [0.1, 0.05], weightDecay: [0.2, 0] };

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

/** One program for every step, or that of each, counted from 0; all have the same slots. */
type Programs = Program | ((step: number) => Program);
const programAt = (programs: Programs, step: number): Program =>
  typeof programs === 'function' ? programs(step) : programs;
function memoized<T>(of: (program: Program) => T): (program: Program) => T {
  const known = new Map<Program, T>();
  return (program) => {
    const made = known.get(program) ?? of(program);
    known.set(program, made);
    return made;
  };
}

function startOf(rule: UpdateRule, { next }: Program): State {
  const slot = (name: string): Arrays =>
    start.map((array) => (rule.copies?.includes(name) ? array.slice() : new Float32Array(array.length)));
  return {
    theta: start.map((array) => array.slice()),
    ...Object.fromEntries(
      Object.keys(next).flatMap((name) => (name === 'theta' ? [] : [[name, slot(name)] as const])),
    ),
  };
}

export const STRENGTHS = { r: 0.05, lambda: 0.1, alpha: 0.7, clip: 2 };

export async function onHost(programs: Programs, rule: UpdateRule, steps: number): Promise<State> {
  const planOf = memoized(planStep);
  const state = startOf(rule, programAt(programs, 0));
  const scratch = new Map<number, Arrays>();
  for (let count = 1; count <= steps; count++) {
    await planOf(programAt(programs, count - 1)).run({
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

export async function asGraph(programs: Programs, rule: UpdateRule, steps: number): Promise<State> {
  const layout = new FlatLayout(SHAPES.map((shape, group) => ({ shape, group })));
  const inputs = Object.fromEntries(
    Object.keys(programAt(programs, 0).next).map((name) => [name, input(name, [layout.length])]),
  );
  const grouped = Object.fromEntries(
    Object.entries(RATES).map(([name, values]) => [
      name,
      values.map((value) => (value === 0 ? undefined : scalar(value))),
    ]),
  );
  const outputsOf = memoized((program) => {
    const { next, places } = graphStep(program, { layout, parameters, gradient, state: inputs, grouped });
    const outputs = substitute(Object.values(next), places);
    return Object.fromEntries(Object.keys(next).map((name, i) => [`${name}_next`, expectAt(outputs, i)]));
  });
  const state = startOf(rule, programAt(programs, 0));
  let flat = Object.fromEntries(Object.entries(state).map(([name, arrays]) => [name, layout.pack(arrays)]));
  for (let count = 1; count <= steps; count++) {
    const named = outputsOf(programAt(programs, count - 1));
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

const parts = (values: readonly number[]): Arrays => [
  Float32Array.from(values.slice(0, 3)),
  Float32Array.from(values.slice(3)),
];
/** All elements, one after the other. */
export const flatOf = (arrays: Arrays = []): number[] => arrays.flatMap((array) => [...array]);
/** ∇L at a place, for formulas in plain arithmetic. */
export const gradientAt = async (values: readonly number[]): Promise<number[]> =>
  flatOf(await evaluate(gradient, feedsOf(parts(values))));
