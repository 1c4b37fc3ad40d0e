/** The average of the parameters beside an update rule, over whole steps on the host and in one graph. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { ema } from '../../src/step/rules/ema.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { perceptron } from '../run/_tasks.ts';
import { onDevice, onHost, type Training } from '../run/_train.ts';

const KEEP = 0.9;
const training = (steps: number, rule = ema(adamw(), KEEP)): Training => ({
  ...{ task: perceptron, kind: 'exact', microBatch: 4, steps },
  plan: { rule },
});

test('it starts as the parameters and follows them after every update, which stays what it was', async (t) => {
  const { variables: first } = await onHost(training(0));
  const average = Object.values(first).map((values) => Float64Array.from(values));
  for (let steps = 1; steps <= 4; steps++) {
    const { variables, slots } = await onHost(training(steps));
    Object.values(variables).forEach((values, k) => {
      values.forEach((theta, i) => {
        const wanted = KEEP * (average[k]?.[i] ?? Number.NaN) + (1 - KEEP) * theta;
        const got = slots.ema?.[k]?.[i] ?? Number.NaN;
        t.true(Math.abs(got - wanted) < 2e-7, `step ${steps}: ${got}, not ${wanted}`);
        average[k]?.set([wanted], i);
      });
    });
    const plain = await onHost({ ...training(steps), plan: { rule: adamw() } });
    t.deepEqual(variables, plain.variables);
    t.deepEqual([slots.mu, slots.nu], [plain.slots.mu, plain.slots.nu]);
  }
});

test('in a whole step as one graph it is the host’s', async (t) => {
  const whole = { ...training(4), microBatch: 8 };
  const [host, device] = [await onHost(whole), await onDevice(whole)];
  host.slots.ema?.forEach((values, k) => {
    const off = Math.hypot(...values.map((x, i) => x - (device.slots.ema?.[k]?.[i] ?? Number.NaN)));
    t.true(off < 2e-6 * Math.hypot(...values), String(off));
  });
});

test('it does not drift from parameters that stay', async (t) => {
  const still = {
    ...training(300),
    microBatch: 8,
    plan: { rule: ema(sgd(), 0.9999), learningRate: () => 0 },
  };
  for (const train of [onHost, onDevice]) {
    const { variables, slots } = await train(still);
    t.deepEqual(
      slots.ema?.map((values) => [...values]),
      Object.values(variables).map((values) => [...values]),
    );
  }
});

test('what is no share, and a second average, are errors', (t) => {
  for (const keep of [1, -0.1, Number.NaN]) {
    t.throws(() => ema(adamw(), keep), {
      instanceOf: UserError,
      message: `ema: expected to keep a share of at least 0 and below 1, got ${keep}`,
    });
  }
  t.throws(() => ema(ema(adamw(), 0.9), 0.99), {
    instanceOf: UserError,
    message: 'ema: expected a rule without a slot ema, got adamw, which has one',
  });
});
