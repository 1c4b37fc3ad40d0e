import test from 'ava';
import { judgedBy } from '../../../src/report/study/judged.ts';
import { bestError, finalError } from '../../../src/report/study/measures.ts';
import { thinMetrics } from '../../../src/report/thin-metrics.ts';
import { metricsLine } from '../../../src/storage/metrics.ts';
import { syntheticRun } from '../_metrics.ts';
import { madeCell } from './_study.ts';

/** Evaluated on validation images as it went, and on the test images at the end. */
const validated = [
  ...syntheticRun(30).map((line) =>
    line.split === 'test' ? { ...line, split: 'validation' as const, metrics: { top1: 0.9 } } : line,
  ),
  ...(['test', 'test_best'] as const).map((split) =>
    metricsLine({
      step: 30,
      epoch: 3,
      split,
      loss: 1,
      metrics: { top1: split === 'test' ? 0.6 : 0.7, top5: 1 },
      examples_per_second: 1,
    }),
  ),
];

test('the errors of a run with validation images are of the test images, its best one of what validation chose', (t) => {
  const run = { ...madeCell(), metrics: validated };
  const judged = judgedBy([run]);
  t.is(finalError(judged)(run)?.toFixed(6), '40.000000');
  t.is(bestError(judged)(run)?.toFixed(6), '30.000000');
});

test('a run that keeps an average of its weights is judged by the average', (t) => {
  const average = metricsLine({
    ...{ step: 30, epoch: 3, split: 'test_ema', loss: 1, examples_per_second: 1 },
    metrics: { top1: 0.8, top5: 1 },
  });
  const run = { ...madeCell(), metrics: [...syntheticRun(30), average] };
  const judged = judgedBy([run]);
  t.is(finalError(judged)(run)?.toFixed(6), '20.000000');
  t.is(bestError(judged)(run)?.toFixed(6), '20.000000');
});

test('thinned metrics keep every evaluation', (t) => {
  const lines = syntheticRun(40_000).map((line) =>
    line.split === 'test' ? { ...line, split: 'validation' as const } : line,
  );
  const thinned = thinMetrics(lines);
  t.true(thinned.length < lines.length / 1.5);
  t.is(thinned.filter(({ split }) => split === 'validation').length, 4000);
});
