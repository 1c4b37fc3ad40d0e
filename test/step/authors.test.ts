/** What the authors' code computes otherwise than its papers, against literal writings of it in plain arithmetic. */
import test from 'ava';
import { traceStep } from '../../src/step/program.ts';
import { finiteDifference, normalizedDifference } from '../../src/step/regularizers/finite-difference.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { flatOf, gradientAt, onHost, RATES, STRENGTHS, start } from './_small.ts';

const PLAIN = sgd({ momentum: 0 });
const rateOf = (i: number) => RATES.learningRate[i < 3 ? 0 : 1] ?? 0;
const decayOf = (i: number) => RATES.weightDecay[i < 3 ? 0 : 1] ?? 0;

test('the normalized mixture is that of the authors (`norm_perturbations`): the direction, not the gradient', async (t) => {
  const { r, alpha, clip } = STRENGTHS;
  const theta = flatOf(start);
  const grad = await gradientAt(theta);
  // dual_vector, then noised_model, then g = (1 - alpha) * grad + alpha * grad_noised.
  const length = Math.sqrt(grad.reduce((sum, x) => sum + x * x, 0));
  const dual = grad.map((x) => x / length);
  const noised = await gradientAt(theta.map((x, i) => x + r * (dual[i] ?? 0)));
  const mixed = dual.map((x, i) => (1 - alpha) * x + alpha * (noised[i] ?? 0));
  const factor = Math.min(1, clip / Math.hypot(...mixed));
  const wanted = theta.map((x, i) => x - rateOf(i) * (factor * (mixed[i] ?? 0) + decayOf(i) * x));

  const stepped = async (regularizer: typeof finiteDifference) =>
    flatOf((await onHost(traceStep({ regularizer, rule: PLAIN }), PLAIN, 1)).theta);
  (await stepped(normalizedDifference)).forEach((x, i) => {
    t.true(Math.abs(x - (wanted[i] ?? 0)) < 1e-6, `${i}: ${x}, not ${wanted[i]}`);
  });
  const apart = (await stepped(finiteDifference)).map((x, i) => Math.abs(x - (wanted[i] ?? 0)));
  t.true(Math.max(...apart) > 1e-3, 'the plain mixture is another');
});
