import { Writable } from 'node:stream';
import test from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import { lossInfo } from '../../src/metrics/info.ts';
import { metricsLine } from '../../src/storage/metrics.ts';
import type { CellOutcome } from '../../src/study/outcome.node.ts';
import type { PlannedCell } from '../../src/study/plan.node.ts';
import { createStudyProgress } from '../../src/study/progress.node.ts';
import { REGRESSION, testRecord } from '../storage/_records.ts';

function cell(id: string, gr: 'none' | 'fd', flops: number, seed = 0): PlannedCell {
  const config = parseConfig({ gr, seed }, 'test');
  const fixed = {
    dataset: 'mnist',
    model: 'vit',
    gradientFlops: 1,
    trainExamples: 100,
    totalSteps: 100,
    regularizedSteps: 0,
  } as const;
  return { id: `${id}-abcdef`, config, values: {}, flops, ...fixed };
}

const DONE: CellOutcome = {
  state: 'done',
  message: null,
  warmupSteps: 10,
  totalSteps: 100,
  trainExamples: 100,
};
const DIVERGED: CellOutcome = { ...DONE, state: 'diverged', message: 'step 3: loss NaN is not finite' };

function watch(cells: readonly PlannedCell[], jobs: number) {
  let text = '';
  let time = 0;
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const progress = createStudyProgress({
    stream,
    cells,
    jobs,
    result: () => metricsLine(testRecord(100, { metrics: { top1: 0.75, mae: 0.4123 } })),
    now: () => 1000 * time,
  });
  return {
    progress,
    text: () => text,
    at(seconds: number) {
      time = seconds;
    },
  };
}

test('the time left follows what each kind of cell took, and is not known before', (t) => {
  const [a, b, c, d] = [
    cell('a', 'none', 100),
    cell('b', 'none', 100),
    cell('c', 'fd', 200),
    cell('d', 'fd', 200),
  ];
  const { progress, at } = watch([a, b, c, d], 1);
  for (const each of [a, b, c, d]) progress.found(each, undefined);
  t.is(progress.left(), Number.NaN);
  progress.step(a, 0);
  at(10);
  progress.over(a, DONE);
  // 10 s for 100: what is left is 100 + 200 + 200, of which only the first is known to go at that speed.
  t.is(progress.left(), 50);
  progress.step(b, 0);
  at(20);
  progress.over(b, DONE);
  progress.step(c, 0);
  at(60);
  progress.over(c, DONE); // 40 s for 200
  t.is(progress.left(), 40);
});

test('cells that run count with what they have done, and cells side by side share the time', (t) => {
  const cells = [
    cell('a', 'none', 100),
    cell('b', 'none', 100),
    cell('c', 'none', 100),
    cell('d', 'none', 100),
  ];
  const [a, b] = cells;
  const { progress, at } = watch(cells, 2);
  for (const each of cells) progress.found(each, undefined);
  if (a) progress.step(a, 0);
  if (b) progress.step(b, 0);
  at(5);
  if (a) progress.step(a, 50);
  if (b) progress.step(b, 50);
  t.is(progress.left(), 15); // (50 + 50 + 100 + 100) at 10 a second, two at a time
});

test('a cell that was resumed counts from where it began', (t) => {
  const a = cell('a', 'none', 100);
  const { progress, at } = watch([a], 1);
  progress.found(a, undefined);
  progress.step(a, 80);
  at(2);
  progress.step(a, 90); // 10 in 2 s
  t.is(progress.left(), 2);
});

test('each cell is told of with its result, what diverged with its reason', (t) => {
  const cells = [cell('a', 'none', 100, 0), cell('b', 'none', 100, 1), cell('c', 'fd', 100, 1)] as const;
  const [a, b, c] = cells;
  const { progress, text } = watch(cells, 1);
  progress.found(a, DONE);
  progress.found(b, undefined);
  progress.found(c, undefined);
  progress.over(b, DONE);
  progress.over(c, DIVERGED);
  t.regex(
    text(),
    /^2\/3 {2}none seed 1 +test error 25\.00%\n3\/3 {2}fd\+zero seed 1 +diverged: step 3: loss NaN is not finite\n$/,
  );
});

test('the result of a regression is that of its first metric, of a task without metrics its loss', (t) => {
  const cells = [cell('a', 'none', 100, 0), cell('b', 'none', 100, 1), cell('c', 'none', 100, 2)] as const;
  const { progress, text } = watch(cells, 1);
  for (const each of cells) progress.found(each, undefined);
  progress.over(cells[0], { ...DONE, metrics: [...REGRESSION] });
  progress.over(cells[1], { ...DONE, metrics: [] });
  progress.over(cells[2], { ...DONE, metrics: [{ ...lossInfo([]), name: 'absent' }] });
  t.deepEqual(text().match(/(test .*|done)$/gm), ['test MAE 0.412', 'test loss 0.500', 'done']);
});
