/**
 * Several processes: derivatives of half a batch each, added up between them. Regularizers, clipping and the update rule
 * are the ones of a single process and know nothing of it.
 */
import test from 'ava';
import type { TaskGraphs } from '../../src/artifacts/graphs.ts';
import type { Manifest } from '../../src/artifacts/manifest.ts';
import { type Batch, cutFields } from '../../src/data/batch.ts';
import { expectAt } from '../../src/expect.ts';
import { finishMetrics } from '../../src/metrics/finish.ts';
import { type BatchPass, createEngine, type Engine, fieldFeeds } from '../../src/run/engine.ts';
import { ratesAt, type StepTold, stepNumbers } from '../../src/run/trainer.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import type { Session } from '../../src/runtime/session.ts';
import { type Arrays, type HostDerivatives, planStep } from '../../src/step/host.ts';
import { traceStep } from '../../src/step/program.ts';
import { batchOf, tokens } from '../run/_tasks.ts';
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

/** A process: an engine whose weights are those of the whole batch, as an all-reduce of them gives. */
function processOf(
  graphs: TaskGraphs,
  manifest: Manifest,
  variables: VariableArrays,
  whole: () => Batch,
): Engine {
  return createEngine({
    manifest,
    variables,
    seed: 3,
    async load(name): Promise<Session> {
      const session = await load(graphs, name);
      if (name !== 'weights') return session;
      return { ...session, run: () => session.run(fieldFeeds(manifest, whole().fields, BATCH)) };
    },
  });
}

async function onTwo(kind: string): Promise<Trained> {
  const half = BATCH / 2;
  const graphs = graphsOf({ task: tokens, batchSize: BATCH, microBatch: half });
  const manifest = described(tokens, graphs);
  const plan = planOf(kind);
  const program = planStep(traceStep({ regularizer: plan.regularizer, rule: plan.rule }));
  const variables = new VariableArrays(manifest, plan.rule.slots.length + program.scratch);
  const slots = Object.fromEntries(plan.rule.slots.map((slot) => [slot, variables.allocate()]));
  variables.initialize(5);
  let batch = batchOf(tokens, BATCH, 0);
  const engines = [0, 1].map(() => processOf(graphs, manifest, variables, () => batch));
  const told: StepTold[] = [];
  for (let step = 0; step < STEPS; step++) {
    batch = batchOf(tokens, BATCH, step);
    const passes = await Promise.all(
      engines.map((engine, p) => {
        const fields = cutFields(batch.fields, tokens.fields, p * half, (p + 1) * half);
        return engine.pass({ ...batch, fields, examples: half }, { step });
      }),
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
      onTwo(kind),
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
}
