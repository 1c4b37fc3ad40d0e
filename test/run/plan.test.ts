/** λ, r, α and the learning rate together, as a run's plan gives them: design and paper ramp them over the same steps. */
import test from 'ava';
import { configFor } from '../../src/config/config.ts';
import { inForce, planRun, stepPlanOf } from '../../src/run/plan.ts';

/** A warmup of 2 epochs of 10 steps: first, middle and last step, the first after it, and half-way through the rest. */
const STEPS = [0, 10, 19, 20, 60];
const LEARNING_RATES = [0, 0.004, 0.0076, 0.008, 0.004];

type Row = readonly [active: boolean, lambda: number, r: number, alpha: number];
const full: Row = [true, 0.05, 0.1, 0.5];
const off: Row = [false, 0, 0, 0];

const TABLE: readonly { readonly options: Record<string, unknown>; readonly rows: readonly Row[] }[] = [
  { options: { gr: 'none' }, rows: [off, off, off, off, off] },
  {
    options: { gr: 'exact', grWarmup: 'lambda', lambda: 0.05 },
    rows: [off, [true, 0.025, 0, 0], [true, 0.0475, 0, 0], [true, 0.05, 0, 0], [true, 0.05, 0, 0]],
  },
  {
    options: { gr: 'exact', grWarmup: 'zero', lambda: 0.05 },
    rows: [off, off, off, [true, 0.05, 0, 0], [true, 0.05, 0, 0]],
  },
  {
    options: { gr: 'exact', grWarmup: 'none', lambda: 0.05 },
    rows: STEPS.map((): Row => [true, 0.05, 0, 0]),
  },
  {
    // r is fixed, so that α = λ/r ramps with λ.
    options: { gr: 'fd', grWarmup: 'lambda', r: 0.1, alpha: 0.5 },
    rows: [[false, 0, 0.1, 0], [true, 0.025, 0.1, 0.25], [true, 0.0475, 0.1, 0.475], full, full],
  },
  {
    // α is fixed, so that λ = α·r ramps with r.
    options: { gr: 'fd', grWarmup: 'r', r: 0.1, alpha: 0.5 },
    rows: [[false, 0, 0, 0.5], [true, 0.025, 0.05, 0.5], [true, 0.0475, 0.095, 0.5], full, full],
  },
  { options: { gr: 'fd', grWarmup: 'zero', r: 0.1, alpha: 0.5 }, rows: [off, off, off, full, full] },
  {
    options: { gr: 'sam', grWarmup: 'r', r: 0.1 },
    rows: [
      [false, 0, 0, 1],
      [true, 0.05, 0.05, 1],
      [true, 0.095, 0.095, 1],
      [true, 0.1, 0.1, 1],
      [true, 0.1, 0.1, 1],
    ],
  },
];

test('the normalized mixture is no plain gradient where λ is 0, but where zero-warmup leaves it out', (t) => {
  const active = (grWarmup: string, mix: string) => {
    const config = configFor({
      ...{ gr: 'fd', r: 0.1, alpha: 0.5, mix, grWarmup },
      ...{ epochs: 10, warmupEpochs: 2 },
    });
    return STEPS.map((step) => planRun(config, 10).regularizer(step));
  };
  for (const warmup of ['lambda', 'r', 'zero'] as const) {
    const [plain, normalized] = [active(warmup, 'plain'), active(warmup, 'normalized')];
    t.false(plain[0]?.active);
    t.is(normalized[0]?.active, warmup !== 'zero');
    for (const [i, { active: _, ...numbers }] of plain.entries()) t.like(normalized[i], numbers);
    t.deepEqual(normalized.slice(1), plain.slice(1));
  }
});

test('a warmup of whole epochs ends with one: zero-warmup regularizes from the first step of the next', (t) => {
  const planOf = (warmupEpochs: number, stepsPerEpoch: number) =>
    planRun(configFor({ gr: 'fd', grWarmup: 'zero', warmupEpochs, epochs: 300 }), stepsPerEpoch);
  for (const [epochs, stepsPerEpoch] of [
    [40, 195],
    [7, 13],
    [1, 1],
  ] as const) {
    const { warmupSteps, regularizer, learningRate } = planOf(epochs, stepsPerEpoch);
    const first = epochs * stepsPerEpoch;
    t.is(warmupSteps, first);
    t.deepEqual(
      [0, first - 1, first, first + 1].map((step) => regularizer(step).active),
      [false, false, true, true],
    );
    t.true(learningRate(first - 1) < learningRate(first) && learningRate(first + 1) < learningRate(first));
  }
  // A fraction of an epoch ends at the nearest step.
  t.is(planOf(0.3, 13).warmupSteps, 4);
});

for (const { options, rows } of TABLE) {
  test(`over warmup and after: ${JSON.stringify(options)}`, (t) => {
    const config = configFor({ ...options, epochs: 10, warmupEpochs: 2, learningRate: 0.008 });
    const plan = planRun(config, 10);
    const steps = stepPlanOf(config, plan);
    t.is(plan.warmupSteps, 20);
    STEPS.forEach((step, i) => {
      const { active, lambda, r, alpha } = plan.regularizer(step);
      const [isActive, ...expected] = rows[i] ?? off;
      t.is(active, isActive, `step ${step}`);
      // What the trainer is asked for is that, too; a record tells what the method has.
      t.deepEqual(steps.strength(step), { active, scalars: { lambda, r, alpha } });
      t.is(steps.learningRate(step), plan.learningRate(step));
      const all = config.gr === 'exact' ? [lambda, null, null] : [lambda, r, alpha];
      const told = config.gr === 'none' ? [null, null, null] : all;
      t.deepEqual(Object.values(inForce(config.gr, { lambda, r, alpha })), told);
      const pairs = [
        [plan.learningRate(step), LEARNING_RATES[i]],
        ...[lambda, r, alpha].map((value, k) => [value, expected[k]]),
      ];
      for (const [got = Number.NaN, wanted = Number.NaN] of pairs)
        t.true(Math.abs(got - wanted) < 1e-12, `step ${step}`);
    });
  });
}
