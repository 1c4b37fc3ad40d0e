/**
 * Several processes: derivatives of half a batch each, added up between them. Regularizers, clipping and the update rule
 * are the ones of a single process and know nothing of it.
 */
import test from 'ava';
import { cutFields } from '../../src/data/batch.ts';
import { expectAt } from '../../src/expect.ts';
import { finishMetrics } from '../../src/metrics/finish.ts';
import { type BatchPass, createEngine } from '../../src/run/engine.ts';
import { ratesAt, type StepTold, stepNumbers } from '../../src/run/trainer.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import { type Arrays, type HostDerivatives, planStep } from '../../src/step/host.ts';
import { traceStep } from '../../src/step/program.ts';
import type { Task } from '../../src/tasks/task.ts';
import { batchOf, dropped, tokens } from '../run/_tasks.ts';
import {
  described,
  difference,
  graphsOf,
  load,
  onHost,
  planOf,
  STRENGTHS,
  type Trained,
} from '../run/_train.ts';

const BATCH = 32;
const STEPS = 4;

/** The sum over processes of what each gives: what an all-reduce does. */
function added(all: readonly Arrays[]): Arrays {
  const [first = [], ...others] = all;
  return first.map((values, k) => {
    const sum = values.slice();
    for (const other of others) {
      const more = expectAt(other, k);
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? Number.NaN) + (more[i] ?? Number.NaN);
    }
    return sum;
  });
}

const reduced = (passes: readonly BatchPass[]): HostDerivatives => ({
  gradient: async (at) => added(await Promise.all(passes.map(({ derivatives }) => derivatives.gradient(at)))),
  hessianTimes: async (v) =>
    added(await Promise.all(passes.map(({ derivatives }) => derivatives.hessianTimes(v)))),
});

async function onTwo(task: Task, kind: string): Promise<Trained> {
  const half = BATCH / 2;
  const graphs = graphsOf({ task, batchSize: BATCH, microBatch: half });
  const manifest = described(task, graphs);
  const plan = planOf(kind);
  const program = planStep(traceStep({ regularizer: plan.regularizer, rule: plan.rule }));
  const variables = new VariableArrays(manifest, plan.rule.slots.length + program.scratch);
  const slots = Object.fromEntries(plan.rule.slots.map((slot) => [slot, variables.allocate()]));
  variables.initialize(5);
  const engines = [0, 1].map(() =>
    createEngine({ manifest, variables, seed: 3, load: (name) => load(graphs, name) }),
  );
  const told: StepTold[] = [];
  for (let step = 0; step < STEPS; step++) {
    const batch = batchOf(task, BATCH, step);
    const parts = engines.map((engine, p) => {
      const fields = cutFields(batch.fields, task.fields, p * half, (p + 1) * half);
      return { engine, first: p * half, part: { ...batch, fields, examples: half } };
    });
    const own = await Promise.all(parts.map(({ engine, part }) => engine.weights(part)));
    const weights = Object.fromEntries(
      Object.keys(own[0] ?? {}).map((name) => [name, own.reduce((sum, each) => sum + (each[name] ?? 0), 0)]),
    );
    const passes = await Promise.all(
      parts.map(({ engine, part, first }) => engine.pass(part, { step, partOf: { first, weights } })),
    );
    const reports = await program.run({
      derivatives: reduced(passes),
      state: { theta: variables.theta, ...slots },
      scratch: (index) => variables.scratch(index),
      scalars: {
        uniform: { ...plan.strength(step).scalars, ...stepNumbers(plan, step) },
        grouped: ratesAt(variables.parameters, plan, step),
      },
    });
    const results = passes.map((pass) => pass.result());
    const names = Object.keys(expectAt(results, 0).sums);
    const sums = names.map((name): [string, Float64Array] => [
      name,
      Float64Array.from(
        expectAt(results, 0).sums[name] ?? [],
        (x, i) => x + (results[1]?.sums[name]?.[i] ?? Number.NaN),
      ),
    ]);
    const loss = results.reduce((sum, result) => sum + result.loss, 0);
    told.push({
      loss,
      gradNorm: reports.gradNorm,
      regularizedNorm: reports.regularizedNorm,
      sums: Object.fromEntries(sums),
    });
  }
  await Promise.all(engines.map((engine) => engine.release()));
  const arrays = manifest.variables.map(({ path }): [string, Float32Array] => [
    path,
    variables.array(path).slice(),
  ]);
  return { told, variables: Object.fromEntries(arrays), slots };
}

for (const kind of Object.keys(STRENGTHS)) {
  test(`masked tokens under ${kind}: two processes of 16 are one of 32, perplexity too`, async (t) => {
    const [two, one] = await Promise.all([
      onTwo(tokens, kind),
      onHost({ task: tokens, kind, batchSize: BATCH, steps: STEPS }),
    ]);
    const error = difference(two, one);
    t.true(error < 1e-6, String(error));
    const perplexities = [two, one].map(({ told }) =>
      told.map(({ sums }) => finishMetrics(tokens.metrics, sums).perplexity ?? Number.NaN),
    );
    perplexities[1]?.forEach((wanted, step) => {
      t.true(wanted > 1);
      t.true(Math.abs((perplexities[0]?.[step] ?? Number.NaN) - wanted) < 1e-6 * wanted, `step ${step}`);
    });
  });

  test(`a mean with dropout under ${kind}: two processes drop what one does`, async (t) => {
    const [two, one] = await Promise.all([
      onTwo(dropped, kind),
      onHost({ task: dropped, kind, batchSize: BATCH, steps: STEPS }),
    ]);
    const error = difference(two, one);
    t.true(error < 1e-6, String(error));
  });
}
