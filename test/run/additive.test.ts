/** A batch gives the same numbers however it is cut: passes only add, and what the loss is divided by is known before. */
import test, { type ExecutionContext } from 'ava';
import { batchOf, dropped, everyType, perceptron, scalarLoss, tokens, wave, waves } from './_tasks.ts';
import { difference, onHost, STRENGTHS, type Training } from './_train.ts';

/** scripts/peers/masked_terms.py, torch 2.14.1: loss, ‖∇L‖ and the norm of what is stepped along, of two steps. */
const TORCH = [
  [4.0786468238904074, 5.915665186712727, 6.498038726292693],
  [3.200539746835805, 4.539947136926235, 5.080395067350909],
] as const;
/** And after them of each variable Σ x·cos(i). */
const TORCH_SUMS = {
  'hidden/kernel': 0.2140601488040762,
  'hidden/bias': -0.6963075117728933,
  'other/kernel': -0.040320388096394044,
  'other/bias': -1.5393266343419831,
  'tokens/kernel': 1.746293949323202,
  'tokens/bias': -1.074181326864489,
  'number/kernel': 1.5541959627247028,
  'number/bias': -0.48499019828022566,
};

function near(t: ExecutionContext, got = Number.NaN, wanted = Number.NaN): void {
  t.true(Math.abs(got - wanted) < 1e-6 * Math.max(1, Math.abs(wanted)), `${got}, not ${wanted}`);
}

const TASKS = { perceptron, tokens, dropped, everyType };

for (const [name, task] of Object.entries(TASKS)) {
  for (const kind of Object.keys(STRENGTHS)) {
    test(`${name} under ${kind}: 1 × 32 is 4 × 8 and 2 × 16`, async (t) => {
      const training = { task, kind, batchSize: 32, steps: 4 } satisfies Training;
      const whole = await onHost({ ...training, microBatch: 32 });
      for (const microBatch of [8, 16]) {
        const error = difference(await onHost({ ...training, microBatch }), whole);
        t.true(error < 1e-6, `micro-batches of ${microBatch}: ${error}`);
      }
    });
  }
}

test('a batch in which nothing counts has a loss and a gradient of 0, and changes nothing but by decay', async (t) => {
  const data = (step: number) => {
    const full = batchOf(tokens, 8, step);
    return { ...full, fields: { ...full.fields, isToken: new Uint8Array(48), known: new Float32Array(8) } };
  };
  for (const kind of Object.keys(STRENGTHS)) {
    const { told, variables } = await onHost({
      ...{ task: tokens, kind, data, microBatch: 4, steps: 2, plan: { weightDecay: 0 } },
    });
    const sums = { 'perplexity/total': Float64Array.of(0), 'perplexity/count': Float64Array.of(0) };
    t.deepEqual(told, Array(2).fill({ loss: 0, gradNorm: 0, regularizedNorm: 0, sums }), kind);
    const start = await onHost({ task: tokens, kind, data, steps: 0 });
    t.deepEqual(variables, start.variables, kind);
  }
});

test('a loss of the whole batch is the mean over its micro-batches, and that of every element is its mean', async (t) => {
  const each = await onHost({ task: perceptron, batchSize: 32, microBatch: 8 });
  const whole = await onHost({ task: scalarLoss, batchSize: 32, microBatch: 8 });
  const error = difference(whole, each);
  t.true(error < 1e-6, String(error));
});

test('two regularized steps are those of PyTorch', async (t) => {
  // Parameters and data from simple formulas; made by scripts/peers/masked_terms.py.
  const { told, variables } = await onHost({
    ...{ task: tokens, kind: 'exact', batchSize: 8, microBatch: 2, steps: 2 },
    ...{ start: wave, data: (step: number) => waves(tokens, 8, step) },
  });
  TORCH.forEach(([loss, gradNorm, regularizedNorm], i) => {
    const got = told[i];
    near(t, got?.loss, loss);
    near(t, got?.gradNorm, gradNorm);
    near(t, got?.regularizedNorm, regularizedNorm);
  });
  for (const [path, wanted] of Object.entries(TORCH_SUMS)) {
    near(
      t,
      variables[path]?.reduce((sum, x, i) => sum + x * Math.cos(i), 0),
      wanted,
    );
  }
});
