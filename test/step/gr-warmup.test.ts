/** λ, r and α at the steps of warmup, as the paper defines its three warmups. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { type GrOptions, grSchedule } from '../../src/step/gr-warmup.ts';

/** First, middle and last step of a warmup of 10, the first after it, and a later one: [active, λ, r, α]. */
const STEPS = [0, 5, 9, 10, 99];
type Row = readonly [active: boolean, lambda: number, r: number, alpha: number];

const full: Row = [true, 0.1, 0.2, 0.5];
const TABLE: readonly { readonly options: Omit<GrOptions, 'warmupSteps'>; readonly rows: readonly Row[] }[] =
  [
    { options: { kind: 'none', warmup: 'none' }, rows: STEPS.map((): Row => [false, 0, 0, 0]) },
    {
      options: { kind: 'exact', warmup: 'none', lambda: 0.1 },
      rows: STEPS.map((): Row => [true, 0.1, 0, 0]),
    },
    {
      options: { kind: 'exact', warmup: 'lambda', lambda: 0.1 },
      rows: [
        [false, 0, 0, 0],
        [true, 0.05, 0, 0],
        [true, 0.09, 0, 0],
        [true, 0.1, 0, 0],
        [true, 0.1, 0, 0],
      ],
    },
    {
      options: { kind: 'exact', warmup: 'zero', lambda: 0.1 },
      rows: [
        [false, 0, 0, 0],
        [false, 0, 0, 0],
        [false, 0, 0, 0],
        [true, 0.1, 0, 0],
        [true, 0.1, 0, 0],
      ],
    },
    { options: { kind: 'fd', warmup: 'none', r: 0.2, alpha: 0.5 }, rows: STEPS.map(() => full) },
    {
      options: { kind: 'fd', warmup: 'lambda', lambda: 0.1, r: 0.2 },
      rows: [[false, 0, 0.2, 0], [true, 0.05, 0.2, 0.25], [true, 0.09, 0.2, 0.45], full, full],
    },
    {
      options: { kind: 'fd', warmup: 'r', lambda: 0.1, alpha: 0.5 },
      rows: [[false, 0, 0, 0.5], [true, 0.05, 0.1, 0.5], [true, 0.09, 0.18, 0.5], full, full],
    },
    {
      options: { kind: 'fd', warmup: 'zero', lambda: 0.1, r: 0.2, alpha: 0.5 },
      rows: [[false, 0, 0, 0], [false, 0, 0, 0], [false, 0, 0, 0], full, full],
    },
    {
      options: { kind: 'sam', warmup: 'r', r: 0.2 },
      rows: [
        [false, 0, 0, 1],
        [true, 0.1, 0.1, 1],
        [true, 0.18, 0.18, 1],
        [true, 0.2, 0.2, 1],
        [true, 0.2, 0.2, 1],
      ],
    },
    {
      options: { kind: 'sam', warmup: 'zero', r: 0.2 },
      rows: [
        [false, 0, 0, 0],
        [false, 0, 0, 0],
        [false, 0, 0, 0],
        [true, 0.2, 0.2, 1],
        [true, 0.2, 0.2, 1],
      ],
    },
  ];

for (const { options, rows } of TABLE) {
  test(`${options.kind} with warmup ${options.warmup}`, (t) => {
    const schedule = grSchedule({ ...options, warmupSteps: 10 });
    rows.forEach(([active, ...expected], i) => {
      const state = schedule(STEPS[i] ?? 0);
      t.is(state.active, active);
      const got = [state.lambda, state.r, state.alpha];
      got.forEach((value, k) => {
        t.true(
          Math.abs(value - (expected[k] ?? Number.NaN)) < 1e-12,
          `step ${STEPS[i]}: ${got}, not ${expected}`,
        );
      });
      if (state.active && options.kind !== 'exact')
        t.true(Math.abs(state.lambda - state.alpha * state.r) < 1e-12);
    });
  });
}

test('asam and gsam ramp r or wait for warmup to end; gsam keeps its alpha', (t) => {
  const at = (kind: 'asam' | 'gsam', warmup: 'r' | 'zero', step: number) =>
    grSchedule({ kind, warmup, warmupSteps: 10, r: 0.2, ...(kind === 'gsam' && { alpha: 0.4 }) })(step);
  t.like(at('asam', 'r', 5), { active: true, r: 0.1 });
  t.like(at('gsam', 'r', 5), { active: true, r: 0.1, alpha: 0.4 });
  for (const kind of ['asam', 'gsam'] as const) {
    t.false(at(kind, 'r', 0).active);
    t.false(at(kind, 'zero', 9).active);
    t.like(at(kind, 'zero', 10), { active: true, r: 0.2 });
  }
});

const REFUSED: readonly [Omit<GrOptions, 'warmupSteps'> & { warmupSteps?: number }, RegExp][] = [
  [
    { kind: 'exact', warmup: 'r', lambda: 0.1 },
    /^--gr-warmup r: exact regularization takes no finite difference, so it has no r/,
  ],
  [{ kind: 'sam', warmup: 'lambda', r: 0.1 }, /^--gr-warmup lambda: with r fixed it would ramp alpha/],
  [{ kind: 'exact', warmup: 'none' }, /^--gr exact: expected --lambda/],
  [{ kind: 'sam', warmup: 'none' }, /^--gr sam: expected --r/],
  [{ kind: 'sam', warmup: 'none', r: 0.1, alpha: 0.5 }, /^--alpha 0.5: SAM is .* with alpha 1/],
  [
    { kind: 'asam', warmup: 'lambda', r: 0.5 },
    /^--gr-warmup lambda: asam has no lambda to ramp; use r or zero/,
  ],
  [{ kind: 'asam', warmup: 'none' }, /^--gr asam: expected --r, the radius/],
  [{ kind: 'gsam', warmup: 'none', r: 0.1 }, /^--gr gsam: expected --alpha, the weight/],
  [{ kind: 'fd', warmup: 'none', r: 0.1 }, /^--gr fd: expected two of --lambda, --r and --alpha/],
  [
    { kind: 'fd', warmup: 'none', r: 0.1, alpha: 0.5, lambda: 0.2 },
    /^--lambda 0.2: expected alpha × r = 0.05/,
  ],
  [
    { kind: 'fd', warmup: 'zero', r: 0.1, alpha: 0.5, warmupSteps: 0 },
    /^--gr-warmup zero: there is no warmup/,
  ],
];

for (const [options, message] of REFUSED) {
  test(`refused: ${message.source}`, (t) => {
    t.throws(() => grSchedule({ warmupSteps: 10, ...options }), { instanceOf: UserError, message });
  });
}
