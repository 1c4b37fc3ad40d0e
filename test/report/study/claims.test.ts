import test from 'ava';
import { type JudgedClaim, judge, judgeClaims, summarize } from '../../../src/report/study/claims.ts';
import { facetsOf } from '../../../src/report/study/facets.ts';
import type { CellResult } from '../../../src/study/results.node.ts';
import { type Made, madeCell, SEEDS, studyOf } from './_study.ts';

const interval = (low: number | null, high: number | null, n = 3) => ({ mean: 0, low, high, n });

test('an interval wholly on a side of 0 agrees or disagrees, any other cannot tell', (t) => {
  t.is(judge(interval(0.1, 0.5), 'above 0'), 'agrees');
  t.is(judge(interval(0.1, 0.5), 'below 0'), 'disagrees');
  t.is(judge(interval(-0.5, -0.1), 'below 0'), 'agrees');
  t.is(judge(interval(-0.5, -0.1), 'above 0'), 'disagrees');
  for (const [low, high] of [
    [-0.1, 0.5],
    [0, 0.5],
    [-0.5, 0],
    [0, 0],
  ] as const) {
    t.is(judge(interval(low, high), 'above 0'), 'cannot tell', `${low} to ${high}`);
    t.is(judge(interval(low, high), 'below 0'), 'cannot tell', `${low} to ${high}`);
  }
  t.is(judge(interval(null, null, 1), 'above 0'), 'cannot tell');
  t.is(judge(null, 'above 0'), 'cannot tell');
});

test('over several settings a verdict needs one for it and none against', (t) => {
  t.is(summarize(['agrees', 'cannot tell']), 'agrees');
  t.is(summarize(['disagrees', 'cannot tell']), 'disagrees');
  t.is(summarize(['agrees', 'disagrees']), 'cannot tell');
  t.is(summarize(['cannot tell']), 'cannot tell');
  t.is(summarize([]), 'cannot tell');
});

/** A run of each seed; seeds differ in more than conditions do, as they may. */
function runs(made: Made, errors: readonly number[], rest: Made = {}): CellResult[] {
  return errors.map((error, seed) =>
    madeCell({ steps: 80, diagnosticsEvery: 0, ...made, ...rest, seed, error: error + 3 * seed }),
  );
}

const NONE: Made = { gr: 'none' };
const GR: Made = { gr: 'fd' };
const ZERO: Made = { gr: 'fd', grWarmup: 'zero' };

function judged(cells: readonly CellResult[], words: string): JudgedClaim {
  const found = judgeClaims(facetsOf(studyOf(cells))).find(({ claim }) => claim.includes(words));
  if (!found) throw new Error(`test: no claim says ${words}`);
  return found;
}

const HARM = 'raises the test error';

test('differences are paired by seed, of the final error in points', (t) => {
  const { evidence, verdict } = judged([...runs(NONE, [30, 30, 30]), ...runs(GR, [31, 31.1, 31.2])], HARM);
  const [only] = evidence;
  t.is(evidence.length, 1);
  t.is(only?.where, 'all runs');
  t.is(only?.interval?.n, 3);
  t.true(Math.abs((only?.interval?.mean ?? 0) - 1.1) < 1e-9);
  t.true((only?.interval?.low ?? 0) > 0.8);
  t.is(verdict, 'agrees');
});

test('the opposite difference disagrees, a scattered one cannot tell', (t) => {
  t.is(judged([...runs(NONE, [31, 31.1, 31.2]), ...runs(GR, [30, 30, 30])], HARM).verdict, 'disagrees');
  t.is(judged([...runs(NONE, [30, 32, 30]), ...runs(GR, [31, 31, 31])], HARM).verdict, 'cannot tell');
});

test('fewer than three pairs cannot tell, however far they are from 0', (t) => {
  const two = judged([...runs(NONE, [30, 30]), ...runs(GR, [40, 40.001])], HARM);
  t.true((two.evidence[0]?.interval?.low ?? 0) > 9);
  t.is(two.evidence[0]?.corrected, null);
  t.is(two.verdict, 'cannot tell');
});

test('the tests of a claim in several settings are corrected for their number', (t) => {
  // t = 5.2 with 2 degrees of freedom: p = 0.035, below 0.05 and above 0.05 / 2.
  const [none, gr] = [
    [30, 30, 30],
    [31, 32, 32],
  ];
  const alone = [...runs(NONE, none), ...runs(GR, gr)];
  t.is(judged(alone, HARM).verdict, 'agrees');
  const unclear = { fraction: 0.2 };
  const both = [...alone, ...runs(NONE, [30, 32, 30], unclear), ...runs(GR, [31, 31, 31], unclear)];
  const { evidence, verdict } = judged(both, HARM);
  t.is(verdict, 'cannot tell');
  t.deepEqual(
    evidence.map(({ corrected }) => corrected?.level),
    [0.975, 0.975],
  );
  t.true((evidence[0]?.interval?.low ?? 0) > 0);
  t.true((evidence[0]?.corrected?.low ?? 0) < 0);
  // A clear setting is tested at 0.05 / 2, and leaves 0.05 to the other.
  const clear = [...alone, ...runs(NONE, none, unclear), ...runs(GR, [31, 31, 31.01], unclear)];
  t.deepEqual(
    judged(clear, HARM).evidence.map((each) => [each.corrected?.level, each.verdict]),
    [
      [0.95, 'agrees'],
      [0.975, 'agrees'],
    ],
  );
});

test('one pair, or none, cannot tell', (t) => {
  const one = judged([...runs(NONE, [30]), ...runs(GR, [40])], HARM);
  t.is(one.verdict, 'cannot tell');
  t.is(Math.round(one.evidence[0]?.interval?.mean ?? 0), 10);
  const none = judged([...runs(NONE, [30, 30]), ...runs(GR, [40, 40], { state: 'unfinished' })], HARM);
  t.deepEqual(none.evidence, [
    { where: 'all runs', interval: null, corrected: null, verdict: 'cannot tell' },
  ]);
});

test('a run that diverged makes no pair', (t) => {
  const cells = [
    ...runs(NONE, [30, 30, 30]),
    ...runs(GR, [31, 31.1]),
    madeCell({ ...GR, steps: 80, seed: 2, error: 90, state: 'diverged' }),
  ];
  t.is(judged(cells, HARM).evidence[0]?.interval?.n, 2);
});

test('a study without the runs has no evidence', (t) => {
  for (const { evidence, verdict } of judgeClaims(facetsOf(studyOf(runs(NONE, [30, 30]))))) {
    t.deepEqual(evidence, []);
    t.is(verdict, 'cannot tell');
  }
});

test('each setting is looked at, and named by what sets it apart', (t) => {
  const both = [1, 0.2].flatMap((fraction) => [
    ...runs(NONE, [30, 30, 30], { fraction }),
    ...runs(GR, fraction === 1 ? [31, 31, 31.1] : [29, 29, 29.1], { fraction }),
  ]);
  const { evidence, verdict } = judged(both, HARM);
  t.deepEqual(
    evidence.map((each) => [each.where, each.verdict]),
    [
      ['50,000 images', 'agrees'],
      ['10,000 images', 'disagrees'],
    ],
  );
  t.is(verdict, 'cannot tell');
});

test('without learning-rate warmup, and under SGD, the harm is taken off seed by seed', (t) => {
  const warm = [...runs(NONE, [30, 30, 30]), ...runs(GR, [32, 32.1, 32.2])];
  const cold = { hasWarmup: false };
  const harmless = [...runs(NONE, [33, 33, 33], cold), ...runs(GR, [33, 33.1, 33.1], cold)];
  t.is(judged([...warm, ...harmless], 'with learning-rate warmup than without').verdict, 'agrees');
  const alike = [...runs(NONE, [33, 33, 33], cold), ...runs(GR, [35, 35.2, 35], cold)];
  t.is(judged([...warm, ...alike], 'with learning-rate warmup than without').verdict, 'cannot tell');

  const sgd = { optimizer: 'sgd' } as const;
  const control = [...runs(NONE, [40, 40, 40], sgd), ...runs(GR, [40, 40.1, 40.1], sgd)];
  const { evidence, verdict } = judged([...warm, ...control], 'under SGD');
  t.is(verdict, 'agrees');
  t.true(Math.abs((evidence[0]?.interval?.mean ?? 0) - (2.1 - 0.2 / 3)) < 1e-9);
});

test("GR's own warmups are compared with it, and zero-warmup with no GR", (t) => {
  const cells = [...runs(NONE, [30, 30, 30]), ...runs(GR, [32, 32, 32.1]), ...runs(ZERO, [29, 29, 29.2])];
  t.is(judged(cells, 'zero-warmup has a lower test error than GR').verdict, 'agrees');
  t.is(judged(cells, 'zero-warmup has a lower test error than no GR').verdict, 'agrees');
  t.deepEqual(judged(cells, 'GR with r-warmup').evidence, []);
});

test('a gain that grows with the model is told where the sizes are known', (t) => {
  const study = (diagnosticsEvery: number) => [
    ...runs(GR, [32, 32, 32], { diagnosticsEvery, model: 'vit-ti' }),
    ...runs(ZERO, [29, 29, 29.1], { diagnosticsEvery, model: 'vit-ti' }),
    ...runs(GR, [32, 32, 32], { diagnosticsEvery }),
    ...runs(ZERO, [31.5, 31.5, 31.6], { diagnosticsEvery }),
  ];
  const { verdict, evidence } = judged(study(20), 'the size of the model');
  t.is(verdict, 'agrees');
  t.is(evidence[0]?.where, 'vit-ti, against vit-micro');
  t.deepEqual(judged(study(0), 'the size of the model').evidence, []);
  const others = study(20).map((cell) => (cell.model === 'vit-ti' ? { ...cell, architecture: 'vgg' } : cell));
  t.deepEqual(judged(others, 'the size of the model').evidence, [], 'two architectures are no two sizes');
});

test('a restless gradient in the warmup is told from a calm one', (t) => {
  const cells = SEEDS.flatMap((seed) => [
    madeCell({ ...GR, seed, steps: 400, restlessness: 0.4 }),
    madeCell({ ...ZERO, seed, steps: 400, restlessness: 0.1 }),
  ]);
  for (const words of ['more restless', 'varies more']) {
    const { verdict, evidence } = judged(cells, words);
    t.is(verdict, 'agrees', words);
    t.is(evidence[0]?.where, 'against zero-warmup, all runs');
  }
});
