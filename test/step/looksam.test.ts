/** LookSAM: its paper's algorithm in plain arithmetic, the graphs that its steps run, and what is kept between them. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { planRegularizer } from '../../src/run/plan.ts';
import { useOf } from '../../src/run/trainer.ts';
import { grSchedule } from '../../src/step/gr-warmup.ts';
import { slotsOf, traceStep, type UpdateRule, type Use } from '../../src/step/program.ts';
import { looksam } from '../../src/step/regularizers/looksam.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { batchOf, perceptron } from '../run/_tasks.ts';
import { described, graphsOf, load, onDevice, planOf, onHost as trained } from '../run/_train.ts';
import { asGraph, flatOf, gradientAt, onHost, RATES, STRENGTHS, start } from './_small.ts';

const PLAIN = sgd({ momentum: 0 });
const rateOf = (i: number) => RATES.learningRate[i < 3 ? 0 : 1] ?? 0;
const decayOf = (i: number) => RATES.weightDecay[i < 3 ? 0 : 1] ?? 0;
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const length = (x: readonly number[]) => Math.hypot(...x);

/** What a step at every `every`-th step, and between them, takes. */
const programs = (rule: UpdateRule = PLAIN, every = 3) => {
  const [full, kept] = (['full', 'kept'] as const).map((use) =>
    traceStep({ regularizer: looksam, rule, use, weightDecayIn: 'update' }),
  );
  if (!full || !kept) throw new Error('two programs');
  return (step: number) => (step % every === 0 ? full : kept);
};

/** ∇L in float64: L = Σ tanh(a)² + Σ b⁴ + Σa·Σb. */
function gradient(x: readonly number[]): number[] {
  const [a, b] = [x.slice(0, 3), x.slice(3)];
  const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0);
  return [
    ...a.map((each) => 2 * Math.tanh(each) * (1 - Math.tanh(each) ** 2) + sum(b)),
    ...b.map((each) => 4 * each ** 3 + sum(a)),
  ];
}

/** Algorithm 1 of the paper, its steps counted from 0, with this project's clipping and decay around it. */
function algorithm(steps: number, k: number): { theta: number[]; gv: number[] } {
  const { r: rho, alpha, clip } = STRENGTHS;
  let theta = flatOf(start);
  let gv: number[] = [];
  for (let t = 0; t < steps; t++) {
    const g = gradient(theta);
    let gs: number[];
    if (t % k === 0) {
      gs = gradient(theta.map((x, i) => x + (rho * (g[i] ?? 0)) / length(g)));
      const cosine = dot(g, gs) / (length(g) * length(gs));
      const along = (length(gs) * cosine) / length(g);
      gv = gs.map((x, i) => x - along * (g[i] ?? 0));
    } else {
      const share = (alpha * length(g)) / length(gv);
      gs = g.map((x, i) => x + share * (gv[i] ?? 0));
    }
    const factor = Math.min(1, clip / (length(gs) + 1e-6));
    theta = theta.map((x, i) => x - rateOf(i) * (factor * (gs[i] ?? 0) + decayOf(i) * x));
  }
  return { theta, gv };
}

test('the gradient in this file is that of the small problem', async (t) => {
  const wanted = await gradientAt(flatOf(start));
  gradient(flatOf(start)).forEach((x, i) => {
    t.true(Math.abs(x - (wanted[i] ?? 0)) < 1e-6);
  });
});

for (const k of [1, 3, 5]) {
  test(`ten steps with k = ${k} end where the paper's algorithm does in float64`, async (t) => {
    const { theta, orthogonal } = await onHost(programs(PLAIN, k), PLAIN, 10);
    const wanted = algorithm(10, k);
    flatOf(theta).forEach((x, i) => {
      t.true(Math.abs(x - (wanted.theta[i] ?? 0)) < 2e-6, `${i}: ${x}, not ${wanted.theta[i]}`);
    });
    flatOf(orthogonal).forEach((x, i) => {
      t.true(Math.abs(x - (wanted.gv[i] ?? 0)) < 1e-5, `v ${i}: ${x}, not ${wanted.gv[i]}`);
    });
  });
}

test('what is used again is not nothing: k = 3 ends elsewhere than k = 1', (t) => {
  const [often, seldom] = [algorithm(10, 1).theta, algorithm(10, 3).theta];
  t.true(length(often.map((x, i) => x - (seldom[i] ?? 0))) > 1e-2);
});

test('graphs of whole steps are the host’s plans', async (t) => {
  const rule = adamw();
  const [host, graph] = [await onHost(programs(rule), rule, 7), await asGraph(programs(rule), rule, 7)];
  t.deepEqual(Object.keys(graph).sort(), ['mu', 'nu', 'orthogonal', 'theta']);
  for (const [name, arrays] of Object.entries(host)) {
    const other = flatOf(graph[name] ?? []);
    flatOf(arrays).forEach((x, i) => {
      const error = Math.abs((other[i] ?? Number.NaN) - x);
      t.true(error < 5e-6 * Math.max(1, Math.abs(x)), `${name}[${i}]: ${other[i]}, not ${x}`);
    });
  }
});

test('the schedule perturbs at every k-th step, counted from the first that is regularized', (t) => {
  const uses = (warmup: 'none' | 'r' | 'zero', warmupSteps = 2): Use[] => {
    const schedule = grSchedule({
      kind: 'looksam',
      warmup,
      warmupSteps,
      r: 0.1,
      alpha: 0.7,
      looksamEvery: 3,
    });
    const { strength } = planRegularizer('looksam', schedule);
    return Array.from({ length: 6 }, (_, step) => useOf(strength(step)));
  };
  t.deepEqual(uses('none'), ['full', 'kept', 'kept', 'full', 'kept', 'kept']);
  t.deepEqual(uses('zero'), ['none', 'none', 'full', 'kept', 'kept', 'full']);
  t.deepEqual(uses('zero', 1.5), ['none', 'none', 'full', 'kept', 'kept', 'full']);
  t.deepEqual(uses('r'), ['none', 'full', 'kept', 'kept', 'full', 'kept']);
  t.throws(
    () => grSchedule({ kind: 'looksam', warmup: 'none', warmupSteps: 0, r: 1, alpha: 1, looksamEvery: 0 }),
    { instanceOf: UserError, message: 'grSchedule: looksamEvery: expected an integer ≥ 1, got 0' },
  );
});

test('with a slot of the same name in the rule there is one clear line', (t) => {
  const rule = { ...PLAIN, slots: ['orthogonal'] };
  t.throws(() => slotsOf({ regularizer: looksam, rule }), {
    instanceOf: UserError,
    message: 'regularizer: looksam keeps orthogonal, and so does sgd; give its slot another name',
  });
});

test('a training by host and by device: the same numbers, and the second gradient at some steps only', async (t) => {
  const plan = {
    regularizer: looksam,
    strength: (step: number) => ({
      active: step > 0,
      reuses: step % 3 !== 1,
      scalars: { r: 0.1, alpha: 0.7 },
    }),
  };
  const training = { task: perceptron, steps: 8, plan, data: (step: number) => batchOf(perceptron, 8, step) };
  const [host, device] = [await trained(training), await onDevice(training)];
  for (const [path, values] of Object.entries(host.variables)) {
    const other = device.variables[path] ?? new Float32Array();
    const error = length([...values].map((x, i) => x - (other[i] ?? Number.NaN)));
    t.true(error < 1e-5 * Math.max(1, length([...values])), `${path}: ${error}`);
  }
  t.deepEqual(Object.keys(device.slots), ['mu', 'nu', 'orthogonal']);
  t.true((host.slots.orthogonal ?? []).some((array) => array.some((x) => x !== 0)));
});

test('a step between runs one gradient, a step that perturbs two', async (t) => {
  const graphs = graphsOf({ task: perceptron });
  const schedule = grSchedule({ kind: 'looksam', warmup: 'none', warmupSteps: 0, r: 0.1, alpha: 0.7 });
  let runs = 0;
  const trainer = createHostTrainer({
    manifest: described(perceptron, graphs),
    plan: planOf('none', planRegularizer('looksam', schedule)),
    ...{ batchSize: 8, seed: 3 },
    async load(name) {
      const session = await load(graphs, name);
      return {
        ...session,
        run(feeds, fetches) {
          runs++;
          return session.run(feeds, fetches);
        },
      };
    },
  });
  trainer.variables.initialize(5);
  const counts: number[] = [];
  for (let step = 0; step < 7; step++) {
    const before = runs;
    await trainer.step(step, batchOf(perceptron, 8, step));
    counts.push(runs - before);
  }
  await trainer.release();
  t.deepEqual(counts, [2, 1, 1, 1, 1, 2, 1]);
});
