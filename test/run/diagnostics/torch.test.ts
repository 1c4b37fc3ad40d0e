/** Diagnostics of a small Vision Transformer against PyTorch in float64 (scripts/peers/golden_diagnostics.py). */
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as v from 'valibot';
import { configFor } from '../../../src/config/config.ts';
import { createGauges } from '../../../src/run/diagnostics/gauge.ts';
import { measureHessian } from '../../../src/run/diagnostics/hessian.ts';
import { createHostTrainer } from '../../../src/run/host-trainer.ts';
import { planRun, stepPlanOf } from '../../../src/run/plan.ts';
import { batch, goldenEngine, golden as network, openGolden, setWeights } from '../../_golden-vit.ts';

const Group = v.record(v.string(), v.number());
const golden = v.parse(
  v.object({
    lr: v.number(),
    beta1: v.number(),
    beta2: v.number(),
    epsilon: v.number(),
    weightDecay: v.number(),
    clip: v.number(),
    step: v.object({
      grad_norm: v.number(),
      gr_grad_norm: v.number(),
      gr_angle: v.number(),
      all: Group,
      groups: v.record(v.string(), Group),
    }),
    hessian: v.object({ top_eigenvalue: v.number(), trace: v.number() }),
  }),
  JSON.parse(readFileSync(new URL('../../goldens/diagnostics-vit.json', import.meta.url), 'utf8')),
);

const relative = (got: number | null | undefined, expected: number | undefined): number =>
  Math.abs((got ?? Number.NaN) / (expected ?? Number.NaN) - 1);

/** Measures that go through a square and a root or a logarithm, or are a difference of such. */
const LOOSE = /variance|std/;

for (const microBatch of [network.batch, network.batch / 2]) {
  const inRuns = `in runs of ${microBatch} of ${network.batch} images`;

  test(`norms, angle, updates and second moments of a step are PyTorch's, ${inRuns}`, async (t) => {
    const { manifest, load } = openGolden(microBatch);
    const { lr, step: expected, hessian: _, ...optimizer } = golden;
    const { labelSmoothing, lambda, batch: batchSize } = network;
    const config = configFor({ ...optimizer, optimizer: 'adamw', gr: 'exact', labelSmoothing, batchSize });
    const plan = {
      ...stepPlanOf(config, planRun(config, 9)),
      strength: () => ({ active: true, scalars: { lambda } }),
      learningRate: () => lr,
    };
    const trainer = createHostTrainer({ manifest, plan, batchSize, seed: 0, load });
    setWeights(trainer.variables);
    const gauge = createGauges(trainer.variables.parameters, config)();
    await trainer.step(0, { ...batch, epoch: 0, step: 0 });
    const { loss, gradNorm, regularizedNorm } = await trainer.step(1, { ...batch, step: 1 }, gauge);
    const record = gauge.record({
      ...{ step: 2, epoch: 1, split: 'train', loss, metrics: {}, lr, lambda, r: null, alpha: null },
      ...{ grad_norm: gradNorm, gr_grad_norm: regularizedNorm },
    });
    await trainer.release();

    t.true(relative(record.grad_norm, expected.grad_norm) < 1e-5);
    t.true(relative(record.gr_grad_norm, expected.gr_grad_norm) < 1e-5);
    t.true(relative(record.gr_angle, expected.gr_angle) < 1e-4);
    t.deepEqual(Object.keys(record.groups), Object.keys(expected.groups));
    for (const [name, group] of Object.entries({ all: record.all, ...record.groups })) {
      const wanted = name === 'all' ? expected.all : expected.groups[name];
      t.deepEqual(Object.keys(group), Object.keys(wanted ?? {}));
      for (const [key, value] of Object.entries(group)) {
        const error = relative(value, wanted?.[key]);
        t.true(error < (LOOSE.test(key) ? 1e-4 : 1e-5), `${name}.${key}: ${value}, off by ${error}`);
      }
    }
  });

  test(`the largest eigenvalue of the Hessian and its trace are PyTorch's, ${inRuns}`, async (t) => {
    const { engine, variables, scalars } = goldenEngine(microBatch);
    const { derivatives } = await engine.pass(batch, { step: 0, scalars });
    const sizes = variables.theta.map(({ length }) => length);
    const measured = await measureHessian((vector) => derivatives.hessianTimes(vector), sizes, 400);
    await engine.release();
    const { top_eigenvalue, trace } = golden.hessian;
    t.true(relative(measured.top_eigenvalue, top_eigenvalue) < 1e-3, `${measured.top_eigenvalue}`);
    t.true(measured.top_error <= 1e-3 * top_eigenvalue);
    // An estimate: within three standard errors, which are a tenth of it.
    t.true(Math.abs(measured.trace - trace) < 3 * measured.trace_error, `${measured.trace}, not ${trace}`);
    t.true(measured.trace_error < 0.2 * Math.abs(trace));
  });
}
