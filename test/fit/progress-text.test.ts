import test from 'ava';
import { progressText } from '../../src/fit/progress-text.ts';

test('one line tells the step at hand and the last whole epoch', (t) => {
  const run = { step: 45, totalSteps: 200, stepsPerEpoch: 20, history: [] };
  t.is(progressText(run, undefined), 'epoch 3/10  step 45/200');
  const validation = { loss: 0.25, metrics: { mae: 1840 } };
  const record = { epoch: 2, step: 40, loss: 0.5, metrics: { mae: 0.125 }, learningRate: 0.1, validation };
  t.is(
    progressText({ ...run, history: [record] }, 0.75),
    'epoch 3/10  step 45/200  loss 0.750  |  after 2: loss 0.500  mae 0.125  validation loss 0.250  mae 1840',
  );
  t.is(progressText({ ...run, step: 200 }, 1), 'epoch 10/10  step 200/200  loss 1.00');
});
