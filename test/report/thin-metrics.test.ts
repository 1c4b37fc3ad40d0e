import test from 'ava';
import { thinMetrics } from '../../src/report/thin-metrics.ts';
import { type MetricsLine, metricsLine } from '../../src/storage/metrics.ts';
import { testRecord, trainRecord } from '../storage/_records.ts';

/** A run of `steps` whose loss falls, with a test every 1,000 steps, a spike, a step that was not finite and two peaks. */
function* run(steps: number): Generator<MetricsLine> {
  for (let step = 1; step <= steps; step++) {
    const loss =
      step === 77_777 ? Number.NaN : step === 123_457 ? 50 : 2 + Math.sin(step) / 10 - step / steps;
    const spike = step === 90_001 ? 7 : null;
    const speed = step === 150_001 ? 1 : 640;
    yield metricsLine(trainRecord(step, { loss, spike, examples_per_second: speed }));
    if (step % 1000 === 0) yield metricsLine(testRecord(step));
  }
}

test('a run of up to 16,000 lines is shown whole', (t) => {
  const lines = [...run(15_000)];
  t.deepEqual(thinMetrics(lines), lines);
});

test('of a long run what a reader looks for is there, in order, and few of the rest', (t) => {
  const steps = 300_000;
  const thin = thinMetrics(run(steps));
  t.true(thin.length > 8_000 && thin.length < 25_000, `${thin.length} lines`);
  t.true(thin.every(({ step }, i) => step >= (thin[i - 1]?.step ?? 0)));
  t.is(thin.filter(({ split }) => split === 'test').length, 300);
  const there = new Set(thin.map(({ step }) => step));
  for (const step of [77_777, 90_001, 123_457, 150_001, steps]) t.true(there.has(step), `step ${step}`);

  // Each tenth of the run has its share, so that medians over the number of lines are medians over steps.
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = thin.filter(({ step }) => Math.min(9, Math.floor((10 * step) / steps)) === tenth).length;
    t.true(Math.abs(share / thin.length - 0.1) < 0.02, `${share} of ${thin.length}`);
  }
  const median = (lines: Iterable<MetricsLine>) => {
    const losses = Array.from(lines).flatMap(({ split, loss }) =>
      split === 'train' && loss !== null ? [loss] : [],
    );
    return losses.sort((a, b) => a - b)[losses.length >> 1] ?? 0;
  };
  t.true(Math.abs(median(thin) - median(run(steps))) < 0.01);
});

test('of a long run the lowest and the highest of every metric are there, whatever its name', (t) => {
  const lines = Array.from({ length: 200_000 }, (_, i) => {
    const mae = i === 66_666 ? 90 : i === 155_555 ? 0 : 2 + Math.sin(i);
    return metricsLine(trainRecord(i + 1, { loss: 1, metrics: { mae } }));
  });
  const there = new Set(thinMetrics(lines).map(({ step }) => step));
  t.true(there.has(66_667) && there.has(155_556));
});
