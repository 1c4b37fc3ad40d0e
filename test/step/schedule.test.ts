/**
 * Schedules against torch's. The numbers come from torch 2.13, with LambdaLR(t / 10) for 10 steps of warmup and then
 * CosineAnnealingLR(20), StepLR(8, 0.1) or ExponentialLR(0.1 ** (1 / 8)) through SequentialLR, at lr 1.
 */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { type LearningRateOptions, learningRateSchedule } from '../../src/step/schedule.ts';

const STEPS = [0, 1, 5, 9, 10, 15, 20, 29];
const GOLDEN = {
  cosine: [0, 0.1, 0.5, 0.9, 1, 0.853553391, 0.5, 0.00615583],
  step: [0, 0.1, 0.5, 0.9, 1, 1, 0.1, 0.01],
  exponential: [0, 0.1, 0.5, 0.9, 1, 0.237137371, 0.056234133, 0.004216965],
  constant: [0, 0.1, 0.5, 0.9, 1, 1, 1, 1],
};

const options = (kind: LearningRateOptions['kind']): LearningRateOptions => ({
  kind,
  peak: 2,
  warmupSteps: 10,
  totalSteps: 30,
  stepSize: 8,
  gamma: 0.1,
});

for (const kind of ['cosine', 'step', 'exponential', 'constant'] as const) {
  test(`${kind}: torch's rates, warmup included`, (t) => {
    const schedule = learningRateSchedule(options(kind));
    GOLDEN[kind].forEach((expected, i) => {
      const step = STEPS[i] ?? 0;
      t.true(Math.abs(schedule(step) - 2 * expected) < 1e-8, `step ${step}: ${schedule(step)}`);
    });
  });
}

test('without warmup the first step has the peak, and cosine ends at 0 one past the last', (t) => {
  const schedule = learningRateSchedule({ ...options('cosine'), warmupSteps: 0 });
  t.is(schedule(0), 2);
  t.is(schedule(30), 0);
});

test('a run may be all warmup, but no longer', (t) => {
  t.is(learningRateSchedule({ ...options('cosine'), warmupSteps: 30 })(15), 1);
  t.throws(() => learningRateSchedule({ ...options('cosine'), warmupSteps: 31 }), {
    instanceOf: UserError,
    message: "warmup: expected at most the run's 30 steps, got 31",
  });
});
