/** Metrics of classes against numbers worked out by hand; several batches add up to one. */
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import {
  accuracy,
  binaryAccuracy,
  classScores,
  confusionMatrix,
  perplexity,
  topK,
} from '../../src/metrics/classification.ts';
import { input } from '../../src/onnx/ops.ts';
import type { Metric } from '../../src/tasks/task.ts';
import { bool, float32, type GivenValues, int32, measure, sumsOver } from './_measure.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

async function isWhatever(
  t: ExecutionContext,
  metric: Metric,
  [outputs, fields]: readonly [GivenValues, GivenValues],
  cuts: readonly (readonly number[])[],
  wanted: number,
): Promise<void> {
  for (const ends of cuts) {
    const got = await measure(metric, outputs, fields, ends);
    t.true(Math.abs(got - wanted) < 1e-6 * Math.max(1, Math.abs(wanted)), `${ends}: ${got}, not ${wanted}`);
  }
}

/** Rows of logits, each with its label, and how many of the k largest have to be looked at to find it (0: never). */
const ROWS = [
  [[1, 3, 2], 1, 1],
  [[1, 3, 2], 2, 2],
  [[1, 3, 2], 0, 3],
  [[2, 2, 2], 0, 1], // equal: the first comes first
  [[2, 2, 2], 1, 2],
  [[2, 2, 2], 2, 3],
  [[0, 5, 5], 2, 2],
  [[nan, nan, nan], 0, 0],
  [[nan, 1, 2], 0, 0],
  [[3, nan, 2], 0, 0],
  [[inf, 1, 2], 0, 0],
  [[3, -inf, 2], 0, 0],
] as const;
const rows: readonly [GivenValues, GivenValues] = [
  {
    logits: float32(
      ROWS.flatMap(([logits]) => [...logits]),
      3,
    ),
  },
  { labels: int32(ROWS.map(([, label]) => label)) },
];
const shareWithin = (k: number): number =>
  ROWS.filter(([, , needed]) => needed > 0 && needed <= k).length / ROWS.length;

for (const [k, share] of [
  [1, 2 / 12],
  [2, 5 / 12],
  [3, 7 / 12],
  [4, 7 / 12],
] as const) {
  test(`top-${k}: the first among equals comes first, and what is not finite is never right`, (t) => {
    t.is(shareWithin(k), share);
    return isWhatever(t, topK(k), rows, [[12], [1, 5, 12]], share);
  });
}

test('a mask leaves out what is padding, whatever the model says there', (t) => {
  // Two sequences of three tokens; a token that does not count has logits of NaN.
  const outputs = { logits: float32([5, 0, 0, 5, nan, nan, 1, 0, 1, 0, nan, nan], 3, 2) };
  const fields = { labels: int32([0, 1, 1, 1, 0, 0], 3), mask: bool([1, 1, 0, 1, 1, 0], 3) };
  return isWhatever(t, accuracy({ mask: 'mask' }), [outputs, fields], [[2], [1, 2]], 3 / 4);
});

test('binary accuracy is the share on the right side of 0, which itself means no', async (t) => {
  const outputs = { logits: float32([2, -1, 0, 0, nan, nan, 3], 1) };
  for (const labels of [
    int32([1, 0, 0, 1, 0, 1, 0]),
    bool([1, 0, 0, 1, 0, 1, 0]),
    float32([1, 0, 0, 1, 0, 1, 0]),
  ])
    await isWhatever(t, binaryAccuracy(), [outputs, { labels }], [[7], [2, 7]], 3 / 7);
});

/** The matrix of scikit-learn's documentation of `confusion_matrix`: [2, 0, 2, 2, 0, 1] against [0, 0, 2, 2, 0, 2]. */
const TRUTH = [2, 0, 2, 2, 0, 1];
const GUESS = [0, 0, 2, 2, 0, 2];
const guessed: readonly [GivenValues, GivenValues] = [
  {
    logits: float32(
      GUESS.flatMap((guess) => [0, 1, 2].map((i) => Number(i === guess))),
      3,
    ),
  },
  { labels: int32(TRUTH) },
];

test('the confusion matrix counts labels by guesses; its scores and its balanced accuracy are of it', async (t) => {
  for (const ends of [[6], [1, 4, 6]]) {
    const sums = await sumsOver(confusionMatrix(), ...guessed, ends);
    t.deepEqual([...(sums.matrix ?? [])], [2, 0, 0, 0, 0, 1, 1, 0, 2]);
    t.deepEqual([...(sums.support ?? [])], [2, 1, 3]);
    t.deepEqual(classScores(sums), [
      { precision: 2 / 3, recall: 1, f1: 4 / 5, support: 2 },
      { precision: nan, recall: 0, f1: 0, support: 1 },
      { precision: 2 / 3, recall: 2 / 3, f1: 2 / 3, support: 3 },
    ]);
  }
  await isWhatever(t, confusionMatrix(), guessed, [[6], [1, 4, 6]], (1 + 0 + 2 / 3) / 3);
});

test('in a confusion matrix the first among equals is guessed, and nothing where a logit is not finite', async (t) => {
  const sums = await sumsOver(confusionMatrix(), ...rows, [12]);
  t.deepEqual([...(sums.matrix ?? [])], [1, 1, 0, 1, 1, 0, 1, 2, 0]);
  t.deepEqual([...(sums.support ?? [])], [7, 2, 3]);
});

test('perplexity is e to the mean cross-entropy of the tokens that count', async (t) => {
  const logits = float32([0, Math.log(3), Math.log(3), 0, nan, nan, 0, 0], 2, 2);
  const fields = { labels: int32([1, 1, 0, 0], 2), mask: float32([1, 1, 0, 1], 2) };
  const wanted = Math.exp((Math.log(4 / 3) + Math.log(4) + Math.log(2)) / 3);
  await isWhatever(t, perplexity({ mask: 'mask' }), [{ logits }, fields], [[2], [1, 2]], wanted);
  const uniform = [
    { logits: float32(new Array(50).fill(0.3), 10) },
    { labels: int32([1, 2, 3, 4, 5]) },
  ] as const;
  await isWhatever(t, perplexity(), uniform, [[5]], 10);
});

test('a metric that divides by zero says so; a model that gives no numbers has one of NaN', async (t) => {
  const labels = int32([0, 1]);
  const fields = { labels, mask: bool([0, 0]) };
  const of = (metric: Metric, value: number) =>
    measure(metric, { logits: float32(new Array(4).fill(value), 2) }, fields, [2]);
  for (const metric of [accuracy({ mask: 'mask' }), perplexity({ mask: 'mask' })]) {
    await t.throwsAsync(of(metric, 1), {
      instanceOf: UserError,
      message:
        /^metric metric: expected a number, got NaN: it divides by zero, of sums (right|total) 0, count 0; evaluate on examples of which some count$/,
    });
  }
  await t.throwsAsync(of(confusionMatrix({ mask: 'mask' }), 1), {
    message: /it divides by zero, of sums matrix 0 …, support 0 …; /,
  });
  t.is(await of(perplexity(), nan), nan);
  const tooLarge: Metric = { ...perplexity(), finish: () => Number.POSITIVE_INFINITY };
  t.is(await of(tooLarge, 1), inf);
  const own: Metric = { ...accuracy({ mask: 'mask' }), finish: ({ count }) => 1 / (count?.[0] ?? 1) };
  await t.throwsAsync(of(own, 1), {
    message: /^metric metric: expected a number, got Infinity: it divides by zero/,
  });
});

for (const [name, metric, message] of [
  [
    'another output',
    accuracy({ logits: 'scores' }),
    'metric: expected an output scores, got logits; name the one to be compared',
  ],
  [
    'another field',
    accuracy({ labels: 'y' }),
    'metric: expected a field y, got labels, other; name the one to be compared',
  ],
  [
    'other shapes',
    accuracy({ labels: 'other' }),
    'metric: expected logits [..., classes] for labels [batch, 3], got [batch, 3]',
  ],
  [
    'a mask of another shape',
    accuracy({ mask: 'other' }),
    "metric: expected a mask other of the labels' shape [batch], got [batch, 3]",
  ],
  [
    'logits of many classes',
    binaryAccuracy(),
    "metric: expected logits of the labels' shape [batch], got [batch, 3]",
  ],
] as const) {
  test(`${name}: one clear line`, (t) => {
    const logits = input('logits', ['batch', 3]);
    const labels = input('labels', ['batch'], 'int32');
    const other = input('other', ['batch', 3], 'int32');
    t.throws(() => metric.sums({ logits }, { labels, other }), { instanceOf: UserError, message });
  });
}

test('k is a count', (t) => {
  t.throws(() => topK(0.5), { instanceOf: UserError, message: 'topK: k: expected an integer ≥ 1, got 0.5' });
});

test('of a distribution the class with the largest share counts, the first of equal ones', async (t) => {
  const logits = { logits: float32([1, 3, 2, 5, 1, 0, 2, 1, 4], 3, 3) };
  const shares = { labels: float32([0.1, 0.6, 0.3, 0.4, 0.2, 0.4, 0.8, 0, 0.2], 3, 3) };
  const classes = { labels: int32([1, 0, 0], 3) };
  for (const metric of [accuracy(), topK(2), confusionMatrix()]) {
    t.is(await measure(metric, logits, shares, [3]), await measure(metric, logits, classes, [3]));
  }
  t.true(Math.abs((await measure(accuracy(), logits, shares, [1, 3])) - 2 / 3) < 1e-6);
});
