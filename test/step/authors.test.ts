/**
 * What the authors of regularizers compute: in plain arithmetic, as their code has it, or the numbers of their formulas in
 * torch.
 */
import test from 'ava';
import { traceStep } from '../../src/step/program.ts';
import { asam } from '../../src/step/regularizers/asam.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference, normalizedDifference } from '../../src/step/regularizers/finite-difference.ts';
import { gsam } from '../../src/step/regularizers/gsam.ts';
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

/** One step of gradient descent along what a formula gives, with the loss L + ½·Σ wd·θ² and nothing decayed elsewhere. */
async function withDecayInLoss(
  along: (g: (at: readonly number[]) => Promise<number[]>, theta: readonly number[]) => Promise<number[]>,
): Promise<number[]> {
  const theta = flatOf(start);
  const g = async (at: readonly number[]) =>
    (await gradientAt(at)).map((x, i) => x + decayOf(i) * (at[i] ?? 0));
  const step = await along(g, theta);
  const factor = Math.min(1, STRENGTHS.clip / Math.hypot(...step));
  return theta.map((x, i) => x - rateOf(i) * factor * (step[i] ?? 0));
}

const along = (theta: readonly number[], g: readonly number[], r: number): number[] =>
  theta.map((x, i) => x + (r * (g[i] ?? 0)) / Math.hypot(...g));

test('a decay in the loss is perturbed along, mixed and clipped, as in the authors’ code', async (t) => {
  const { r, alpha } = STRENGTHS;
  const wanted = await withDecayInLoss(async (g, theta) => {
    const [here, there] = [await g(theta), await g(along(theta, await g(theta), r))];
    return here.map((x, i) => (1 - alpha) * x + alpha * (there[i] ?? 0));
  });
  const program = traceStep({ regularizer: finiteDifference, rule: PLAIN, weightDecayIn: 'loss' });
  flatOf((await onHost(program, PLAIN, 1)).theta).forEach((x, i) => {
    t.true(Math.abs(x - (wanted[i] ?? 0)) < 1e-6, `${i}: ${x}, not ${wanted[i]}`);
  });
  const update = flatOf(
    (await onHost(traceStep({ regularizer: finiteDifference, rule: PLAIN }), PLAIN, 1)).theta,
  );
  t.true(Math.max(...update.map((x, i) => Math.abs(x - (wanted[i] ?? 0)))) > 1e-3);
});

test('exact regularization with a decay in the loss differentiates the decay, too', async (t) => {
  const wanted = await withDecayInLoss(async (g, theta) => {
    const here = await g(theta);
    const [ahead, behind] = [await g(along(theta, here, 0.01)), await g(along(theta, here, -0.01))];
    return here.map((x, i) => x + (STRENGTHS.lambda * ((ahead[i] ?? 0) - (behind[i] ?? 0))) / 0.02);
  });
  const program = traceStep({ regularizer: exact, rule: PLAIN, weightDecayIn: 'loss' });
  flatOf((await onHost(program, PLAIN, 1)).theta).forEach((x, i) => {
    t.true(Math.abs(x - (wanted[i] ?? 0)) < 2e-5, `${i}: ${x}, not ${wanted[i]}`);
  });
});

/**
 * Ten steps by the authors' own files (asam.py of github.com/SamsungLabs/ASAM and gsam/gsam.py of
 * github.com/juntang-zhuang/GSAM), in torch 2.14 in float64:
 *
 *     python3 scripts/peers/sam_variants.py ASAM GSAM      # clones of the two
 *
 *     minimizer = ASAM(clipped, model, rho=0.05, eta=0.01)  # every parameter is called a weight
 *     for _ in range(10):
 *         model().backward(); minimizer.ascent_step()
 *         model().backward(); minimizer.descent_step()      # clips at 2 and steps, as here
 *     GSAM(params, clipped, model, gsam_alpha=0.7, rho_scheduler=constant(0.05)).step()    # 10 times
 */
const AUTHORS = [
  [asam, [-0.1080401, -0.2154339, -0.0454375, 0.1785373, -0.3862457, 0.3206284, 0.3989937]],
  [gsam, [-0.0924685, -0.1857276, -0.0343795, 0.1554732, -0.385588, 0.2999276, 0.376491]],
] as const;

for (const [regularizer, wanted] of AUTHORS) {
  test(`ten steps of ${regularizer.name} end where its authors' own file does`, async (t) => {
    const { theta } = await onHost(traceStep({ regularizer, rule: PLAIN }), PLAIN, 10);
    flatOf(theta).forEach((x, i) => {
      t.true(Math.abs(x - (wanted[i] ?? 0)) < 2e-6, `${i}: ${x}, not ${wanted[i]}`);
    });
  });
}

test('every parameter is scaled in ASAM: where the authors’ file leaves a bias unscaled, it ends elsewhere', async (t) => {
  // The same program with the second parameter called b_bias.
  const unscaled = [-0.1015034, -0.2110357, -0.0384349, 0.1826507, -0.3693249, 0.322819, 0.3962271];
  const { theta } = await onHost(traceStep({ regularizer: asam, rule: PLAIN }), PLAIN, 10);
  const apart = flatOf(theta).map((x, i) => Math.abs(x - (unscaled[i] ?? Number.NaN)));
  t.true(Math.max(...apart) > 5e-3 && Math.max(...apart) < 2e-2, String(apart));
});
