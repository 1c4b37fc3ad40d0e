/** A small network of images against PyTorch's numbers: loss, gradient, exact regularization, running statistics, evaluation. */
import test from 'ava';
import { gradientOf } from '../../scripts/bench/gradient.ts';
import { inferenceGraph } from '../../src/artifacts/graphs.ts';
import { configFor } from '../../src/config/config.ts';
import { createEngine, fieldFeeds } from '../../src/run/engine.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { planRun, stepPlanOf } from '../../src/run/plan.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { run } from '../_run.ts';
import { differences, norm } from '../_steps.ts';
import { asStored, type Golden, goldenBatch, openGolden, setWeights } from './_golden-images.ts';

/** Declares the tests of one golden; `name` is what titles say. */
export function torchTests(name: string, golden: Golden): void {
  const opened = { golden, ...openGolden(golden) };
  gradientTest(name, opened, 'gradient', false);
  for (const whole of [true, false]) gradientTest(name, opened, 'exact', whole);
  for (const gr of ['none', 'sam'] as const) stepsTest(name, opened, gr);
  if (golden.evaluated) evaluationTest(name, opened, golden.evaluated);
}

/** A golden and its graphs, which are written once for all tests of it. */
type Opened = { readonly golden: Golden } & ReturnType<typeof openGolden>;

function gradientTest(name: string, opened: Opened, kind: 'gradient' | 'exact', whole: boolean): void {
  const { golden, manifest, load } = opened;
  const how = kind === 'exact' ? (whole ? ' of exact GR in one run' : ' of exact GR in two runs') : '';
  test(`${name}: PyTorch's loss and gradient${how}`, async (t) => {
    const variables = new VariableArrays(manifest, 0);
    setWeights(variables, golden);
    const engine = createEngine({ manifest, variables, seed: 0, load });
    const take = gradientOf({
      ...{ engine, variables, regularizer: kind === 'exact' ? exact : none, whole },
      strengths: { lambda: golden.lambda },
    });
    const result = await take(goldenBatch(golden, 0));
    t.true(Math.abs(result.loss / golden.loss - 1) < 1e-5, String(result.loss));
    t.true(Math.abs(result.gradNorm / golden.grad_norm - 1) < 1e-4, String(result.gradNorm));
    const paths = variables.parameters.map(({ path }) => path);
    t.deepEqual(paths.toSorted(), Object.keys(golden[kind]).sort());
    const expected = paths.map((path) => Float32Array.from(golden[kind][path] ?? []));
    const got = result.gradients.map((values, k) => asStored(values, expected[k]?.length ?? 0));
    t.deepEqual(
      got.map(({ length }) => length),
      expected.map(({ length }) => length),
    );
    const [worst] = differences(got, expected, paths);
    t.true((worst?.error ?? 1) < 1e-4, `${worst?.name}: ${worst?.error}`);
    await engine.release();
  });
}

function stepsTest(name: string, { golden, manifest, load }: Opened, gr: 'none' | 'sam'): void {
  test(`${name}, ${gr}: running statistics after ${golden.steps} steps`, async (t) => {
    const options = { gr, optimizer: 'sgd', schedule: 'constant', learningRate: golden.rate } as const;
    const config = configFor({
      ...options,
      ...{ momentum: 0, weightDecay: 0, warmupEpochs: 0, clip: 0, epochs: 2, batchSize: golden.batch },
      ...(gr === 'sam' ? { r: 1e-6 } : {}),
    });
    const plan = stepPlanOf(config, planRun(config, golden.steps));
    const trainer = createHostTrainer({ manifest, plan, batchSize: golden.batch, seed: 0, load });
    setWeights(trainer.variables, golden);
    let loss = Number.NaN;
    for (let step = 0; step < golden.steps; step++) {
      ({ loss } = await trainer.step(step, goldenBatch(golden, step)));
    }
    t.true(Math.abs(loss / golden.last_loss - 1) < 1e-3, String(loss));
    for (const [path, expected] of Object.entries(golden.state)) {
      const got = asStored(trainer.variables.array(path), expected.length);
      t.is(got.length, expected.length);
      const error = norm(expected.map((x, i) => x - (got[i] ?? Number.NaN))) / norm(expected);
      // SAM's r is small, not 0.
      t.true(error < (gr === 'sam' ? 1e-4 : 1e-5), `${path}: ${error}`);
    }
    await trainer.release();
  });
}

function evaluationTest(
  name: string,
  { golden, manifest, graphs }: Opened,
  expected: readonly number[],
): void {
  test(`${name}: PyTorch's logits at evaluation`, async (t) => {
    const variables = new VariableArrays(manifest, 0);
    setWeights(variables, golden);
    manifest.state.forEach((path, k) => {
      const values = variables.array(path);
      const isMean = path.endsWith('mean');
      values.set(
        values.map((_, i) => (isMean ? 0.3 * Math.sin(0.9 * i + k) : 1 + 0.5 * Math.sin(0.9 * i + k))),
      );
    });
    const { fields, examples } = goldenBatch(golden, 0);
    const feeds = { ...variables.feeds, ...fieldFeeds(manifest, fields, examples) };
    const data = Object.fromEntries(Object.entries(feeds).map(([path, tensor]) => [path, tensor.data]));
    const { logits = new Float32Array() } = await run(inferenceGraph(graphs.task).outputs, data);
    const error = norm(expected.map((x, i) => x - (logits[i] ?? Number.NaN))) / norm(expected);
    t.is(logits.length, expected.length);
    t.true(error < 1e-5, `${error}: ${logits}`);
  });
}
